"""Carry and turn: what a Panda must do to make one predicate of a goal hold. Each is a function of the present scene and a planned grasp."""

from dataclasses import dataclass

import numpy as np

from praxia.geometry import se3
from praxia.worlds.libero.experts import motion
from praxia.worlds.libero.experts.grasp import WIDEST, Grasp, filled, free_closing, plan
from praxia.worlds.libero.scene import Now

_ABOVE = 0.035  # m, clearance over what lies on the way
_CORRIDOR = 0.11  # m, half width of the way that the hand needs free
_NEAR = 0.012  # m, how exactly a thing is placed
_TIPPED = 0.2  # of its up axis: a grasp is planned anew
_TRIES = 4  # grasps of a thing that may miss; the last is then kept
_PATIENCE = 12  # steps of standing still after which a grasp has missed, or the way is blocked
_NOTHING = 0.004  # m between fingers that closed on nothing
_SPARE, _ASIDE, _FURTHEST = 0.015, 0.03, 0.25  # m around a thing that is set aside, how exactly, and how far at most
_RISE = 0.08  # m, before a thing is taken elsewhere
_LOW = 0.03  # m: a lower rim leaves the fingers nothing to take
_PRESSED, _WITHIN = 0.012, 0.006  # m below a flat thing's rim, which its floor hinders: so hard it is pressed; m above it: the fingers are inside
_PUSH = 0.04  # m a command


@dataclass(frozen=True)
class Spot:
    """Where a thing's origin is to come to, sideways [2]; the height of what it is put on; the least height of the fingertips there."""

    xy: np.ndarray
    surface: float
    least: float


class Hand:
    """The hand in one episode. It remembers the grasps planned so far, those that missed, since when it stands still, and where a thing is set aside."""

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
            own, rest = _divided(now, chosen)
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


def _divided(now: Now, chosen: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
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
    met = points[(along > -_CORRIDOR) & (along < length + 0.05) & (aside < _CORRIDOR)]
    highest = float(met[:, 2].max()) if len(met) else now.table
    return max(highest + _ABOVE + hang, target[2] + 0.05, now.table + 0.12 + hang)


def carry(hand: Hand, now: Now, name: str, spot: Spot) -> np.ndarray:
    """Take a thing, carry it over everything, lower it on the spot and let it go."""
    command = hand.take(now, name)
    if command is not None:
        return command
    points = now.points[name]
    tool, origin = now.tool[:3, 3], now.thing(name)[:3, 3]
    hang = float(tool[2] - points[:, 2].min())
    target = np.array([*(spot.xy + tool[:2] - origin[:2]), max(spot.surface + hang, spot.least)])
    R = motion.downward(now.tool[:3, 0])
    aside = float(np.linalg.norm(origin[:2] - spot.xy))
    if aside < _NEAR and tool[2] < target[2] + 0.006:
        return motion.towards(now.tool, tool, R, motion.OPEN)
    return motion.from_above(now.tool, target, R, motion.CLOSED, travel(now, target, (name,), hang), reach=0.06)


def set_aside(hand: Hand, now: Now, name: str, way: np.ndarray) -> np.ndarray | None:
    """Carry a thing out of the way of what is about to come there; None where it is not in the way. Where to is decided once an episode.

    way: lowest and highest corner [2, 3] of the box that is to be free.
    """
    origin, points, tool = now.thing(name)[:2, 3], now.points[name], now.tool[:3, 3]
    if name not in hand.aside:
        hand.aside[name] = origin + _least_move(now, name, way)
    spot = Spot(hand.aside[name], now.table + 0.004, -np.inf)
    if name in now.touched or np.linalg.norm(origin - spot.xy) > _ASIDE:
        return carry(hand, now, name, spot)
    if np.linalg.norm(tool[:2] - origin) > _CORRIDOR or tool[2] > points[:, 2].max() + _ABOVE:
        return None
    hand.forget(name)  # it has other neighbours here
    return let_go(now)


def _least_move(now: Now, name: str, way: np.ndarray) -> np.ndarray:
    """The shortest displacement [2] of a thing after which it stands free of everything and outside the box `way`; zero where none is found."""
    own, others = _divided(now, now.scene.things[name].parts)
    middle, half = (own[:, :2].min(0) + own[:, :2].max(0)) / 2, np.ptp(own[:, :2], axis=0).max() / 2
    others = others[np.abs(others[:, :2] - middle).max(1) < _FURTHEST + half + _SPARE]
    for length in np.arange(0.0, _FURTHEST, 0.01):
        for angle in np.radians(np.arange(0, 360, 5)):
            move = length * np.array([np.cos(angle), np.sin(angle)])
            at = middle + move
            apart = np.linalg.norm(at - np.clip(at, way[0, :2], way[1, :2]))
            nearest = np.linalg.norm(others[:, :2] - at, axis=1).min(initial=np.inf)
            if apart > half + _SPARE and (not length or nearest > half + _SPARE):
                return move
    return np.zeros(2)


def flat(now: Now, name: str) -> bool:
    """Whether a thing is too wide to be taken around its middle and too low to be taken at its rim: it is pushed."""
    part = now.scene.parts[now.scene.things[name].parts[0]]
    thin, wide, _ = np.sort(np.ptp(part.points, axis=0))
    return bool(thin < _LOW and wide > WIDEST)


def push(now: Now, name: str, spot: Spot) -> np.ndarray:
    """Closed fingers press on a flat thing's middle and take it along: pushed at its rim it would tip, or turn aside."""
    points, tool = now.points[name], now.tool[:3, 3]
    low, high = points.min(0), points.max(0)
    middle, depth = (low + high)[:2] / 2, high[2] - _PRESSED
    way = spot.xy - middle
    left = float(np.linalg.norm(way))
    if tool[2] < high[2] + _WITHIN and np.linalg.norm(tool[:2] - middle) < (high - low)[:2].min() / 2:
        return motion.towards(now.tool, np.array([*(tool[:2] + way * min(1.0, _PUSH / max(left, 1e-9))), depth]), motion.downward(now.tool[:3, 0]), motion.CLOSED)
    target = np.array([*middle, depth])
    _, others = _divided(now, now.scene.things[name].parts)
    R = motion.downward(free_closing(target, others, now.tool))
    return motion.from_above(now.tool, target, R, motion.CLOSED, travel(now, target, ()))


def let_go(now: Now) -> np.ndarray:
    """Open the fingers, then, once they hold nothing, straight up: not before, or a wide thing comes along and the goal holds no longer."""
    free = not now.touched and now.opening > motion.FREE
    up = now.tool[:3, 3] + np.array([0, 0, 0.05 if free else 0.0])
    return motion.towards(now.tool, up, motion.downward(now.tool[:3, 0]), motion.OPEN)


def turn(hand: Hand, now: Now, joint: str, way: float) -> np.ndarray:
    """Take a knob in its middle and turn the hand with it; way: +1 or -1 about the joint's axis."""
    found = now.scene.joints[joint]
    part = now.scene.parts[found.part]
    command = hand.take(now, part.thing, (found.part,), middle=True)
    if command is not None:
        return command
    T = now.poses[found.part]
    about = way * np.sign((T[:3, :3] @ found.axis)[2]) * 0.4
    c, s = np.cos(about), np.sin(about)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ motion.downward(now.tool[:3, 0])
    place, _ = hand.grasp(now, part.thing, (found.part,), middle=True)
    return motion.towards(now.tool, place, R, motion.CLOSED)
