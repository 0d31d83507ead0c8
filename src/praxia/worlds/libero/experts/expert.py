"""The expert of any task: makes the first predicate of its goal that does not hold, hold.

Predicates are LIBERO's own: in, on, open, close, turnon, turnoff. What it cannot do is said by `can`.
"""

import numpy as np

from praxia.errors import ConfigError
from praxia.worlds.libero.experts import drawers, motion, skills
from praxia.worlds.libero.experts.hand import Hand
from praxia.worlds.libero.goal import drawer, subgoal
from praxia.worlds.libero.scene import Now, Scene

_OUTWARDS = 0.02  # m from the middle of a drawer to its front: the hand comes between what it holds and the handles above


class Expert:
    """Scripted from privileged state; one an episode."""

    def __init__(self) -> None:
        self._hand = Hand()

    def __call__(self, now: Now) -> np.ndarray:
        """Clean action float32 [7] (metres, radians, gripper) for the present scene."""
        wanted = subgoal(now)
        leaving = drawers.leave(now, None if all(now.holds) else drawer(now.scene, wanted[1]))
        if leaving is not None:
            return leaving
        done = [predicate for predicate, holds in zip(now.scene.goal, now.holds) if holds]
        for predicate in done:
            if predicate[0] == "in" and drawer(now.scene, predicate[2]) and _above(now, *predicate[1:]):
                return self._make(now, predicate)  # the benchmark calls it in already
        if all(now.holds) or any(predicate[1] in now.touched for predicate in done):
            return skills.let_go(now)
        return self._make(now, wanted)

    def _make(self, now: Now, predicate: tuple[str, ...]) -> np.ndarray:
        if predicate[0] in ("on", "in") and len(predicate) == 3:
            thing, place = predicate[1:]
            spot = _spot(now, place)
            if skills.flat(now, thing) and place in now.scene.regions and not now.scene.regions[place].parent:
                return skills.push(now, thing, spot)
            return skills.carry(self._hand, now, thing, spot)
        knob = _knob(now.scene, predicate[1])
        if knob and predicate[0] in ("turnon", "turnoff"):
            return skills.turn(self._hand, now, knob, 1.0 if predicate[0] == "turnon" else -1.0)
        joint = drawer(now.scene, predicate[1])
        if joint and predicate[0] == "open":
            return self._open(now, predicate[1], joint)
        if joint and predicate[0] == "close":
            return drawers.press(now, joint)
        raise ConfigError(f"no expert can make {' '.join(predicate)!r} hold; fix: choose among the tasks that docs/libero.md lists as demonstrated")

    def _open(self, now: Now, region: str, joint: str) -> np.ndarray:
        """Pull, once what is to be put into the drawer stands where it can be taken when the drawer is out."""
        for predicate, holds in zip(now.scene.goal, now.holds):
            if predicate[0] == "in" and predicate[2] == region and not holds:
                first = skills.set_aside(self._hand, now, predicate[1], drawers.way(now, joint))
                if first is not None:
                    return first
        return drawers.pull(now, joint)


def can(scene: Scene) -> bool:
    """Whether there is a skill for every predicate of the goal (not whether it succeeds)."""
    needs = {"open": drawer, "close": drawer, "turnon": _knob, "turnoff": _knob}
    return all(predicate[0] not in needs or needs[predicate[0]](scene, predicate[1]) for predicate in scene.goal)


def _knob(scene: Scene, thing: str) -> str | None:
    """The hinge of a thing that has one."""
    return next((name for name, joint in scene.joints.items() if scene.parts[joint.part].thing == thing and not joint.slides), None)


def _above(now: Now, thing: str, place: str) -> bool:
    """Whether a thing is not yet down on what it is put on."""
    return bool(now.points[thing][:, 2].min() > _spot(now, place).surface)


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
    joint = drawer(now.scene, place)
    if joint:
        xy = T[:2, 3] - _OUTWARDS * drawers.handle(now, joint).ahead[:2]
        return skills.Spot(xy, floor + 0.02, max(shape[:, 2].max() for shape in now.shapes(region.part)) - motion.PALM, turned=True)
    parent = now.points[region.parent] if region.parent else np.zeros((0, 3))
    rim = parent[np.abs(parent[:, :2] - T[:2, 3]).max(1) < reach[:2].max() + 0.05]
    return skills.Spot(T[:2, 3], floor + 0.02, float(rim[:, 2].max()) - motion.PALM if len(rim) else -np.inf)
