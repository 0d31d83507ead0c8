"""One loss a file; importing this package registers all of them."""

from praxia.objectives.flow_matching import FlowMatching
from praxia.objectives.next_token import NextToken

__all__ = ["FlowMatching", "NextToken"]
