"""A policy folder and the sessions it runs."""

from praxia.policy.config import PolicyConfig, Robot
from praxia.policy.policy import Policy
from praxia.policy.session import Session
from praxia.policy.speaker import SaidBoxes, SaidWay

__all__ = ["Policy", "PolicyConfig", "Robot", "SaidBoxes", "SaidWay", "Session"]
