"""A policy folder and the sessions it runs."""

from praxia.policy.policy import Policy, PolicyConfig, Robot
from praxia.policy.session import Session

__all__ = ["Policy", "PolicyConfig", "Robot", "Session"]
