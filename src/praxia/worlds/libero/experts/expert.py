"""The expert of any task: makes the first predicate of its goal that does not hold, hold.

Predicates are LIBERO's own: in, on, open, close, turnon, turnoff. What it cannot do is said by `can`.
"""

import numpy as np

from praxia.errors import ConfigError
from praxia.worlds.libero.experts import motion, skills
from praxia.worlds.libero.goal import subgoal
from praxia.worlds.libero.scene import Now, Scene


class Expert:
    """Scripted from privileged state; one an episode."""

    def __init__(self) -> None:
        self._hand = skills.Hand()

    def __call__(self, now: Now) -> np.ndarray:
        """Clean action float32 [7] (metres, radians, gripper) for the present scene."""
        done = {predicate[1] for predicate, holds in zip(now.scene.goal, now.holds) if holds}
        if all(now.holds) or done & set(now.touched):
            return skills.let_go(now)
        return self._make(now, subgoal(now))

    def _make(self, now: Now, predicate: tuple[str, ...]) -> np.ndarray:
        if predicate[0] in ("on", "in") and len(predicate) == 3:
            thing, place = predicate[1:]
            return skills.carry(self._hand, now, thing, _spot(now, place))
        if predicate[0] in ("turnon", "turnoff"):
            joint = next(n for n, j in now.scene.joints.items() if now.scene.parts[j.part].thing == predicate[1])
            return skills.turn(self._hand, now, joint, 1.0 if predicate[0] == "turnon" else -1.0)
        raise ConfigError(f"no expert can make {' '.join(predicate)!r} hold; fix: choose among the tasks that docs/libero.md lists as demonstrated")


def can(scene: Scene) -> bool:
    """Whether there is a skill for every predicate of the goal (not whether it succeeds)."""
    return all(predicate[0] in ("on", "in", "turnon", "turnoff") for predicate in scene.goal)


def _spot(now: Now, place: str) -> skills.Spot:
    """On a thing, on or in a region."""
    if place in now.scene.things:
        T = now.thing(place)
        points = now.points[place]
        inner = points[np.linalg.norm(points[:, :2] - T[:2, 3], axis=1) < 0.035]
        surface = float(inner[:, 2].max()) if len(inner) else float(points[:, 2].min())
        return skills.Spot(T[:2, 3], surface - 0.01, -np.inf)
    region, T = now.scene.regions[place], now.region(place)
    reach = np.abs(T[:3, :3]) @ region.half
    floor = T[2, 3] - reach[2]
    if reach[2] < 0.02:  # a surface
        return skills.Spot(T[:2, 3], floor - 0.01, -np.inf)
    parent = now.points[region.parent] if region.parent else np.zeros((0, 3))
    rim = parent[np.abs(parent[:, :2] - T[:2, 3]).max(1) < reach[:2].max() + 0.05]
    return skills.Spot(T[:2, 3], floor + 0.02, float(rim[:, 2].max()) - motion.PALM if len(rim) else -np.inf)
