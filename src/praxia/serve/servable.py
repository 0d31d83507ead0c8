"""What a door needs of a policy; `praxia.policy.Policy` has it, and so may anything else that a user wants to serve."""

from collections.abc import Mapping
from typing import Any, Protocol

from praxia.specs import Observing


class ServableSession(Protocol):
    """The memory of one client: history, noise, instruction."""

    def reset(self) -> None:
        """Forget the past: a new episode begins."""
        ...

    def infer(self, observation: dict[str, Any]) -> Mapping[str, Any]:
        """One observation (see `praxia.serve.observations`) -> {"actions": float32 [H, Da], plain numbers …}."""
        ...


class Servable(Observing, Protocol):
    """A policy as the doors see it. Called from one thread only."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Plain values that tell a client what the numbers mean; sent once per connection."""
        ...

    def session(self, seed: int = 0) -> ServableSession:
        """A fresh session; equal seeds and observations give equal actions."""
        ...
