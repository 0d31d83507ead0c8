"""Carry, set aside, push, turn: what a Panda must do to make a predicate hold. Functions of the present scene and of what the hand remembers."""

from dataclasses import dataclass

import numpy as np

from praxia.geometry import se3
from praxia.worlds.libero.experts import motion
from praxia.worlds.libero.experts.grasp import WIDEST, free_closing
from praxia.worlds.libero.experts.hand import ABOVE, CORRIDOR, Hand, divided, travel
from praxia.worlds.libero.scene import Now

_NEAR = 0.012  # m, how exactly a thing is placed
_SPARE, _ASIDE, _FURTHEST = 0.015, 0.03, 0.25  # m around a thing that is set aside, how exactly, and how far at most
_LOWER = 0.03  # m below its travelling height the hand is not turned with what it holds
_SLOWLY, _TURNED = 0.3, 0.2  # radians a command by which it is turned; radians from there at which it goes on
_LOW, _LYING = 0.03, 0.8  # m: a lower rim leaves the fingers nothing to take; cosine to the vertical of what lies: a book that stands does not
_PRESSED, _WITHIN = 0.012, 0.006  # m below a flat thing's rim, which its floor hinders: so hard it is pressed; m above it: the fingers are inside
_PUSH = 0.04  # m a command
_TURN, _SLIPPED = 0.4, 0.5  # radians a command with a knob; radians between hand and knob at which it has slipped
_AROUND, _CLOSED_ON = 0.015, 0.05  # m from a knob's middle, m between the fingers: they are around it, whether or not they touch now


@dataclass(frozen=True)
class Spot:
    """Where a thing is put down."""

    xy: np.ndarray  # float64 [2], where its origin is to come to
    surface: float  # m, height of what it is put on
    least: float  # m, lowest height of the fingertips there
    turned: bool = False  # before it comes near the hand is turned until its palm is clear of what stands around the spot


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
    height = travel(now, target, (name,), hang)
    if spot.turned and tool[2] > height - _LOWER:
        _, others = divided(now, now.scene.things[name].parts)
        R = motion.downward(free_closing(np.array([*spot.xy, target[2]]), np.array([*(tool - origin)[:2], 0.0]), others, now.tool))
        if motion.angle_between(now.tool, R) > _TURNED:
            return motion.towards(now.tool, np.array([*tool[:2], height]), R, motion.CLOSED, fastest=_SLOWLY)
    aside = float(np.linalg.norm(origin[:2] - spot.xy))
    if aside < _NEAR and tool[2] < target[2] + 0.006:
        return motion.towards(now.tool, tool, R, motion.OPEN)
    return motion.from_above(now.tool, target, R, motion.CLOSED, height, reach=0.06)


def set_aside(hand: Hand, now: Now, name: str, way: np.ndarray) -> np.ndarray | None:
    """Carry a thing out of the way of what is about to come there; None where it is not in the way. Where to is decided once an episode.

    way: lowest and highest corner [2, 2], sideways, of what is to be free.
    """
    origin, points, tool = now.thing(name)[:2, 3], now.points[name], now.tool[:3, 3]
    if name not in hand.aside:
        hand.aside[name] = origin + _least_move(now, name, way)
    spot = Spot(hand.aside[name], now.table + 0.004, -np.inf)
    if name in now.touched or np.linalg.norm(origin - spot.xy) > _ASIDE:
        return carry(hand, now, name, spot)
    if np.linalg.norm(tool[:2] - origin) > CORRIDOR or tool[2] > points[:, 2].max() + ABOVE:
        return None
    hand.forget(name)  # it has other neighbours here
    return let_go(now)


def _least_move(now: Now, name: str, way: np.ndarray) -> np.ndarray:
    """The shortest displacement [2] of a thing after which it stands free of everything and outside the box `way`; zero where none is found."""
    own, others = divided(now, now.scene.things[name].parts)
    middle, half = (own[:, :2].min(0) + own[:, :2].max(0)) / 2, np.ptp(own[:, :2], axis=0).max() / 2
    others = others[np.abs(others[:, :2] - middle).max(1) < _FURTHEST + half + _SPARE]
    for length in np.arange(0.0, _FURTHEST, 0.01):
        for angle in np.radians(np.arange(0, 360, 5)):
            move = length * np.array([np.cos(angle), np.sin(angle)])
            at = middle + move
            apart = np.linalg.norm(at - np.clip(at, *way))
            nearest = np.linalg.norm(others[:, :2] - at, axis=1).min(initial=np.inf)
            if apart > half + _SPARE and (not length or nearest > half + _SPARE):
                return move
    return np.zeros(2)


def flat(now: Now, name: str) -> bool:
    """Whether a thing is too wide to be taken around its middle and too low to be taken at its rim: it is pushed."""
    T = now.thing(name)
    size = np.ptp(se3.apply(se3.invert(T), now.points[name]), axis=0)  # along its own axes: it may be tipped while it is pushed
    thin = int(size.argmin())
    return bool(size[thin] < _LOW and np.sort(size)[1] > WIDEST and abs(T[2, thin]) > _LYING)


def push(now: Now, name: str, spot: Spot) -> np.ndarray:
    """Closed fingers press on a flat thing's middle and take it along: pushed at its rim it would tip, or turn aside."""
    points, tool = now.points[name], now.tool[:3, 3]
    low, high = points.min(0), points.max(0)
    middle, depth = (low + high)[:2] / 2, high[2] - _PRESSED
    way = spot.xy - middle
    left = float(np.linalg.norm(way))
    if tool[2] < high[2] + _WITHIN and np.linalg.norm(tool[:2] - middle) < (high - low)[:2].min() / 2:
        step = way * min(1.0, _PUSH / max(left, 1e-9))
        return motion.towards(now.tool, np.array([*(tool[:2] + step), depth]), motion.downward(now.tool[:3, 0]), motion.CLOSED)
    target = np.array([*middle, depth])
    _, others = divided(now, now.scene.things[name].parts)
    R = motion.downward(free_closing(target, np.zeros(3), others, now.tool))
    return motion.from_above(now.tool, target, R, motion.CLOSED, travel(now, target, ()))


def let_go(now: Now) -> np.ndarray:
    """Open the fingers, then, once they hold nothing, straight up: not before, or a wide thing comes along and the goal holds no longer."""
    free = not now.touched and now.opening > motion.FREE
    up = now.tool[:3, 3] + np.array([0, 0, 0.05 if free else 0.0])
    return motion.towards(now.tool, up, motion.downward(now.tool[:3, 0]), motion.OPEN)


def turn(hand: Hand, now: Now, joint: str, way: float) -> np.ndarray:
    """Take a knob in its middle and turn the hand with it; way: +1 or -1 about the joint's axis."""
    found = now.scene.joints[joint]
    T, thing = now.poses[found.part], now.scene.parts[found.part].thing
    place, closing = hand.grasp(now, thing, (found.part,), middle=True)
    around = np.linalg.norm(place - now.tool[:3, 3]) < _AROUND and now.opening < _CLOSED_ON
    if not around or motion.angle_between(now.tool, motion.downward(closing)) > _SLIPPED:
        command = hand.take(now, thing, (found.part,), middle=True)
        if command is not None:
            return command
    about = way * np.sign((T[:3, :3] @ found.axis)[2]) * _TURN
    c, s = np.cos(about), np.sin(about)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ motion.downward(now.tool[:3, 0])
    return motion.towards(now.tool, place, R, motion.CLOSED)
