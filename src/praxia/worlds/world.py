"""World: what a benchmark or simulator must offer to make demonstrations and to judge policies.

Physics and pictures are separate calls: frames are rendered only when somebody looks.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from praxia.geometry.scene import ObjectTruth, View
from praxia.specs import ActionSpec, CameraSpec, StateSpec


@dataclass(frozen=True)
class Episode:
    """One planned episode: fixed before any policy is seen; the same plan gives the same start anywhere."""

    task: str
    seed: int
    perturbation: str = ""


@dataclass(frozen=True)
class Step:
    """What physics answers to one action."""

    success: bool  # the task's condition holds now
    done: bool  # the episode cannot go on


@dataclass(frozen=True)
class Truth:
    """Privileged facts at one time; never shown to a policy."""

    T_base_tool: dict[str, np.ndarray]  # arm -> float64 [4, 4]
    objects: tuple[ObjectTruth, ...]
    target: str = ""
    goal: np.ndarray | None = None  # float64 [3] base frame: where the target must get to, or the tool; None = the task has none
    extra: dict[str, Any] = field(default_factory=dict)


class World(Protocol):
    """One simulated robot. Not thread-safe; one per process. `close()` frees the renderer."""

    name: str
    embodiment: str
    action_spec: ActionSpec
    state_spec: StateSpec
    cameras: tuple[CameraSpec, ...]
    licence: str

    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        ...

    def max_steps(self, task: str) -> int:
        """Step limit of an episode."""
        ...

    def reset(self, episode: Episode) -> str:
        """Start the episode; returns the instruction."""
        ...

    def state(self) -> np.ndarray:
        """Proprioception float32 [Ds] in the units of `state_spec`."""
        ...

    def step(self, action: np.ndarray) -> Step:
        """Apply one action float32 [Da] in the units of `action_spec`."""
        ...

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """Pictures of the named cameras (all if None) with calibration; depth and instance masks if asked."""
        ...

    def truth(self) -> Truth:
        """Privileged state: poses, objects, the target."""
        ...

    def expert(self) -> np.ndarray:
        """The scripted expert's clean action float32 [Da] for the present state."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """What decides the physics and the pictures: package versions, GL backend, world settings."""
        ...

    def close(self) -> None:
        """Free renderers."""
        ...


@runtime_checkable
class Demonstrates(Protocol):
    """What a world may also say of its demonstrations, where the defaults (0, none) do not do."""

    release: int  # control steps recorded after success, while the expert lets go

    def without_expert(self) -> dict[str, str]:
        """Task -> why nobody can demonstrate it."""
        ...


@runtime_checkable
class LooksBack(Protocol):
    """A world that can draw later what there was to see: an episode is rendered once it has turned out well."""

    def moment(self) -> Any:
        """The present, to be drawn by `render_moment` before the next reset."""
        ...

    def render_moment(self, moment: Any, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """All views, equal to the last bit to what `render` would have given then."""
        ...


@runtime_checkable
class HoldsTask(Protocol):
    """A world in which another task costs more than another episode of the same: evaluations give it a task's episodes in a row."""

    holds_task: bool
