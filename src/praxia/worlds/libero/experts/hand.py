"""The hand in one episode, and how it takes hold of a thing."""

import numpy as np

from praxia.geometry import se3
from praxia.worlds.libero.experts import motion
from praxia.worlds.libero.experts.grasp import Grasp, filled, plan
from praxia.worlds.libero.scene import Now

ABOVE = 0.035  # m, clearance over what lies on the way
CORRIDOR = 0.11  # m, half width of the way that the hand needs free
_TIPPED = 0.2  # of its up axis: a grasp is planned anew
_TRIES = 4  # grasps of a thing that may miss; the last is then kept
_PATIENCE = 12  # steps of standing still after which a grasp has missed, or the way is blocked
_NOTHING = 0.004  # m between fingers that closed on nothing
_RISE = 0.08  # m, before a thing is taken elsewhere


class Hand:
    """The hand in one episode. Remembered: grasps planned, those that missed, since when it stands still, where a thing is set aside."""

    def __init__(self) -> None:
        self.aside: dict[str, np.ndarray] = {}
        self._grasps: dict[str, tuple[Grasp, np.ndarray]] = {}
        self._missed: dict[str, list[Grasp]] = {}
        self._stood, self._still = np.eye(4), 0
        self._closing = 0  # steps for which the fingers were told to close around something
        self._rise: np.ndarray | None = None  # where the hand goes after a miss

    def grasp(self, now: Now, name: str, parts: tuple[int, ...] | None = None, middle: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Place [3] and closing direction [3] at which to take hold of a thing (or of some of its parts); above its middle where no grasp is free."""
        chosen = parts or now.scene.things[name].parts
        T = now.poses[chosen[0]]
        kept = self._grasps.get(name)
        if kept is None or np.linalg.norm(kept[1] - T[:3, 2]) > _TIPPED:
            own, rest = divided(now, chosen)
            found = plan(T, own, rest, now.tool, now.table, middle, self._missed.get(name, ()))
            found = found or plan(T, own, rest, now.tool, now.table, middle)
            if found is None:
                top = own[:, 2].max()
                centre = np.array([*((own[:, :2].min(0) + own[:, :2].max(0)) / 2), top - 0.02])
                found = Grasp(se3.apply(se3.invert(T), centre), T[:3, :3].T @ now.tool[:3, 0])
            kept = (found, T[:3, 2].copy())
            self._grasps[name] = kept
        place, closing = kept[0].at(T)
        return place, motion.nearest_closing(now.tool, closing)

    def forget(self, name: str) -> None:
        """Plan the grasp of a thing anew, when it is to be taken next."""
        self._grasps.pop(name, None)
        self._rise = None

    def take(self, now: Now, name: str, parts: tuple[int, ...] | None = None, middle: bool = False) -> np.ndarray | None:
        """Command that brings the fingers around a thing and closes them; None once they hold it.

        Closed on nothing, or standing still before that: open, rise, and take it elsewhere, `_TRIES` times.
        """
        self._look(now)
        if self._rise is not None:
            if now.tool[2, 3] < self._rise[2] - 0.01 and self._still < _PATIENCE:
                return motion.towards(now.tool, self._rise, motion.downward(now.tool[:3, 0]), motion.OPEN)
            self._rise, self._still = None, 0
        held = name in now.touched and np.abs(now.finger_speeds).max() < 0.015
        if self._still < _PATIENCE and held:
            self._closing = 0
            return None
        place, closing = self.grasp(now, name, parts, middle)
        R = motion.downward(closing)
        gap = place - now.tool[:3, 3]
        there = np.hypot(*gap[:2]) < 0.010 and abs(gap[2]) < 0.012 and motion.angle_between(now.tool, R) < 0.15
        nothing = there and self._closing > 2 and now.opening < _NOTHING and name not in now.touched
        missed = self._missed.setdefault(name, [])
        if (nothing or self._still >= _PATIENCE) and len(missed) < _TRIES:
            missed.append(self._grasps.pop(name)[0])
            self._closing, self._still = 0, 0
            self._rise = now.tool[:3, 3] + np.array([0, 0, _RISE])
            return motion.towards(now.tool, self._rise, motion.downward(now.tool[:3, 0]), motion.OPEN)
        if held:
            return None
        if there or name in now.touched:
            self._closing += 1
            return motion.towards(now.tool, place if there else now.tool[:3, 3], R, motion.CLOSED)
        self._closing = 0
        return motion.from_above(now.tool, place, R, motion.OPEN, travel(now, place, ()))

    def _look(self, now: Now) -> None:
        """Count the steps for which neither the hand nor the fingers moved."""
        moved = np.linalg.norm(now.tool[:3, 3] - self._stood[:3, 3]) > 0.003 or motion.angle_between(now.tool, self._stood[:3, :3]) > 0.03
        if moved or np.abs(now.finger_speeds).max() > 0.01:
            self._stood, self._still = now.tool, 0
        else:
            self._still += 1


def divided(now: Now, chosen: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, 3] of some parts, and of all others."""
    shapes = [(i in chosen, shape) for i in range(len(now.scene.parts)) for shape in now.shapes(i)]
    return filled([shape for own, shape in shapes if own]), filled([shape for own, shape in shapes if not own])


def travel(now: Now, target: np.ndarray, held: tuple[str, ...], hang: float = 0.0) -> float:
    """Height at which the fingertips pass over everything between here and `target` [3]; hang: how far what they hold reaches below them."""
    here = now.tool[:2, 3]
    way = target[:2] - here
    length = max(float(np.linalg.norm(way)), 1e-9)
    points = np.concatenate([np.zeros((0, 3)), *(points for name, points in now.points.items() if name not in held)])
    offset = points[:, :2] - here
    along = offset @ (way / length)
    aside = np.abs(offset @ np.array([-way[1], way[0]]) / length)
    met = points[(along > -CORRIDOR) & (along < length + 0.05) & (aside < CORRIDOR)]
    highest = float(met[:, 2].max()) if len(met) else now.table
    return max(highest + ABOVE + hang, target[2] + 0.05, now.table + 0.12 + hang)
