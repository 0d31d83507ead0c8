"""What an observation is checked against: the numbers and views of whoever looks at it."""

from typing import Protocol

from praxia.specs.dims import ActionSpec, StateSpec
from praxia.specs.images import CameraSpec


class Observing(Protocol):
    """A policy, seen from what it is given."""

    @property
    def action_spec(self) -> ActionSpec:
        """Meaning of the actions."""
        ...

    @property
    def state_spec(self) -> StateSpec:
        """Meaning of the state it expects."""
        ...

    @property
    def cameras(self) -> tuple[CameraSpec, ...]:
        """Views that every observation must hold."""
        ...
