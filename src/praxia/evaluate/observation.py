"""The one function that turns a World into the observation a policy gets, and what a policy is to the evaluation."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from praxia.errors import SpecMismatch
from praxia.specs import Observing, check_identity
from praxia.worlds.world import World

_log = logging.getLogger(__name__)


class SessionLike(Protocol):
    """The memory of one episode."""

    def reset(self) -> None:
        """Forget the past."""
        ...

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """Observation -> {"actions": float32 [H, Da]}."""
        ...


class PolicyLike(Observing, Protocol):
    """What is judged: `praxia.policy.Policy`, or anything that acts like one."""

    @property
    def replan(self) -> int:
        """Actions to execute before the next look."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Plain values that say what it is; "needs_depth": true asks for depth with every picture."""
        ...

    def session(self, seed: int = 0) -> SessionLike:
        """A fresh session."""
        ...


@dataclass(frozen=True)
class Executed:
    """What was done since the last look. actions: float32 [n, Da]; states: float32 [n, Ds], before each action."""

    actions: np.ndarray
    states: np.ndarray


def observe(
    world: World,
    roles: Sequence[str],
    instruction: str,
    episode_id: str,
    executed: Executed | None = None,
    depth: bool = False,
    blank: bool = False,
) -> dict[str, Any]:
    """Look at the world now.

    blank: pictures are black and depth is unknown; calibration stays (the control that takes seeing away).
    """
    views = world.render(tuple(roles), depth=depth)
    shade = 0 if blank else 1
    observation: dict[str, Any] = {
        "images": {view.role: view.image * np.uint8(shade) for view in views},
        "state": world.state(),
        "instruction": instruction,
        "episode_id": episode_id,
    }
    calibrated = {view.role: {"K": view.camera.K, "T_base_cam": view.camera.T_base_cam} for view in views if view.camera is not None}
    if calibrated:
        observation["cameras"] = calibrated
    if depth:
        observation["depth"] = {view.role: view.depth * np.float32(shade) for view in views if view.depth is not None}
    if executed is not None:
        observation |= {"executed": executed.actions, "executed_states": executed.states}
    return observation


def check_fit(world: World, policy: PolicyLike) -> None:
    """SpecMismatch unless the policy's actions, state and views mean what the world's mean."""
    check_identity("ActionSpec", world.action_spec, f"world {world.name!r}", policy.action_spec, "the policy")
    check_identity("StateSpec", world.state_spec, f"world {world.name!r}", policy.state_spec, "the policy")
    has, wants = [camera.role for camera in world.cameras], [camera.role for camera in policy.cameras]
    if missing := [role for role in wants if role not in has]:
        raise SpecMismatch(
            f"views: the policy looks at {wants}, world {world.name!r} shows {has}: {missing} missing; "
            "fix: judge it in the world it was trained in, or ask the world for these views"
        )
    shown = {camera.role: camera.mirrored for camera in world.cameras}
    if other := [camera.role for camera in policy.cameras if camera.mirrored != shown[camera.role]]:
        seen, learnt = ("true", "mirrored") if shown[other[0]] is False else ("mirrored", "true")
        _log.warning("views %s: the policy learnt from %s pictures, world %r shows %s ones", ", ".join(other), learnt, world.name, seen)
