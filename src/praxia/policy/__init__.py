"""A policy folder and the sessions it runs."""

from praxia.policy.config import PolicyConfig, Robot
from praxia.policy.policy import Policy
from praxia.policy.session import Session

__all__ = ["Policy", "PolicyConfig", "Robot", "Session"]
