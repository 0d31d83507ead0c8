"""What hands do on the table: reach, grasp, move, pour, and bring two things together with both; drawn anew for every seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from praxia.worlds.hands.motion import Key, Track, hand_rotation
from praxia.worlds.hands.scene import object_pose
from praxia.worlds.hands.skeleton import RADIUS, closing_for, pinch_point
from praxia.worlds.tabletop.objects import template
from praxia.worlds.tabletop.splits import Split

POURED, CONTAINERS = ("can", "mug", "bottle"), ("bowl", "mug")
AREA = ((0.335, 0.50), (-0.17, 0.17))  # where things stand, base frame (m)
_ROOM = 0.115  # metres between things
_SPEED = (0.16, 0.34)  # of a wrist, m/s
_ALONE = 0.4  # share of one-handed clips in which no other hand is seen
Thing = tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """One episode. things stand at `places` (x, y, yaw); tracks: of the hands that are there; acting: those that do something.

    target: slot of what the words are about; second: slot of the other thing they name, -1 = none; goal: where the target gets to [3], or None.
    """

    words: str
    things: list[Thing]
    places: np.ndarray  # float64 [n, 3]
    tracks: dict[str, Track]
    acting: tuple[str, ...]
    target: int
    second: int = -1
    goal: np.ndarray | None = None
    scale: float = 1.0  # of the hands


@dataclass(frozen=True)
class _Draw:
    """What is drawn before a task gets its motion."""

    rng: np.random.Generator
    things: list[Thing]
    places: np.ndarray
    scale: float

    def name(self, slot: int) -> str:
        category, colour = self.things[slot]
        return f"{colour} {category}"

    def point(self, slot: int) -> np.ndarray:
        """Where a thing is taken, base frame."""
        category = self.things[slot][0]
        x, y, yaw = self.places[slot]
        T = object_pose(category, x, y, yaw)
        point = T[:3, :3] @ template(category).grasp + T[:3, 3]
        point[2] = max(point[2], 0.022)
        return point

    def closing(self, slot: int, more: float = 0.0) -> float:
        """The closing with which a thing is held; more: metres that the fingers stand farther apart."""
        return closing_for(template(self.things[slot][0]).category.grasp_width + 2 * RADIUS + more, self.scale)

    def rotation(self, point: np.ndarray, side: str) -> np.ndarray:
        shoulder = np.array((-0.14, 0.20 if side == "left" else -0.20))
        along = point[:2] - shoulder
        yaw = np.arctan2(along[1], along[0]) + self.rng.normal(0, 0.12)
        return hand_rotation(float(yaw), float(self.rng.uniform(0.45, 0.95)), float(self.rng.uniform(0.0, 0.6)), side)

    def rest(self, side: str) -> Key:
        out = 1 if side == "left" else -1
        position = np.array((0.10, out * 0.13, 0.055)) + self.rng.normal(0, (0.02, 0.025, 0.008))
        R = hand_rotation(float(-0.35 * out + self.rng.normal(0, 0.15)), float(self.rng.uniform(0.05, 0.3)), float(self.rng.uniform(0, 0.4)), side)
        return Key(0.0, position, R, float(self.rng.uniform(0.2, 0.6)), np.zeros(3))

    def wrist(self, point: np.ndarray, R: np.ndarray, side: str, closing: float) -> np.ndarray:
        """Wrist position that has `point` between the fingers."""
        return point - R @ pinch_point(side, closing, self.scale)

    def key(self, before: Key, position: np.ndarray, R: np.ndarray, closing: float, least: float = 0.35, arc: float = 0.0) -> Key:
        """The next key, as far in time as the way takes; arc: metres that the way rises on top."""
        way = position - before.position
        seconds = max(least, float(np.linalg.norm(way)) / float(self.rng.uniform(*_SPEED)))
        return Key(seconds, position, R, closing, self.rng.normal(0, 0.06, 3) * np.linalg.norm(way) * (1, 1, 0.5) + np.array((0, 0, arc)))

    def wait(self, before: Key) -> Key:
        return Key(float(self.rng.uniform(0.4, 1.4)), before.position, before.R, before.closing, np.zeros(3))

    def taken(self, slot: int, side: str) -> list[Key]:
        """From rest to holding a thing."""
        point = self.point(slot)
        R = self.rotation(point, side)
        opened, closed = self.closing(slot, 0.045), self.closing(slot)
        keys = [self.rest(side)]
        keys.append(self.wait(keys[0]))
        above = self.wrist(point, R, side, opened) + np.array((0, 0, 0.065)) - 0.03 * R[:, 1]
        keys.append(self.key(keys[-1], above, R, opened, arc=float(self.rng.uniform(0.05, 0.08))))  # over what stands in the way
        keys.append(self.key(keys[-1], self.wrist(point, R, side, opened), R, opened))
        keys.append(self.key(keys[-1], self.wrist(point, R, side, closed), R, closed))
        return keys

    def carried(self, keys: list[Key], by: np.ndarray) -> Key:
        """Onwards by a vector [3], as it is held."""
        return self.key(keys[-1], keys[-1].position + by, keys[-1].R, keys[-1].closing)


def draw(task: str, split: Split, rng: np.random.Generator) -> Plan:
    """An episode of a task."""
    while True:
        things, places = _scene(task, split, rng)
        found = TASKS[task](_Draw(rng, things, places, float(rng.uniform(0.92, 1.06))))
        if found is not None:
            return found


def _scene(task: str, split: Split, rng: np.random.Generator) -> tuple[list[Thing], np.ndarray]:
    pairs = list(split.pairs)
    chosen: list[Thing] = []
    if task == "pour":
        for names in (POURED, CONTAINERS):
            options = [p for p in split.of(names) if p[0] not in [c[0] for c in chosen]]
            chosen.append(options[int(rng.integers(len(options)))])
    rest = [p for p in pairs if p not in chosen]
    chosen += [rest[int(i)] for i in rng.permutation(len(rest))[: 3 - len(chosen)]]
    places: list[np.ndarray] = []
    while len(places) < len(chosen):
        at = np.array([rng.uniform(*AREA[0]), rng.uniform(*AREA[1])])
        if all(np.linalg.norm(at - p[:2]) > _ROOM for p in places):
            yaw = float(rng.uniform(-1, 1)) * template(chosen[len(places)][0]).category.max_yaw
            places.append(np.array([*at, yaw]))
    return chosen, np.stack(places)


def _side(d: _Draw, slot: int) -> str:
    """Mostly the hand on whose side the thing stands."""
    near = "left" if d.places[slot, 1] > 0 else "right"
    return near if d.rng.random() < 0.8 else {"left": "right", "right": "left"}[near]


def _one_handed(d: _Draw, side: str, keys: list[Key]) -> dict[str, Track]:
    tracks = {side: Track(tuple(keys))}
    if d.rng.random() > _ALONE:
        other = {"left": "right", "right": "left"}[side]
        start = d.rest(other)
        drift = d.key(start, start.position + d.rng.normal(0, 0.012, 3), start.R, start.closing, least=tracks[side].seconds)
        tracks[other] = Track((start, drift))
    return tracks


def _reach(d: _Draw) -> Plan:
    side = _side(d, 0)
    name = d.name(0)
    words = _say(d, f"reach for the {name}", f"touch the {name}", f"get hold of the {name}")
    return Plan(words, d.things, d.places, _one_handed(d, side, d.taken(0, side)[:-1]), (side,), 0, goal=d.point(0), scale=d.scale)


def _grasp(d: _Draw) -> Plan:
    side = _side(d, 0)
    keys = d.taken(0, side)
    keys.append(d.carried(keys, np.array((*d.rng.normal(0, 0.02, 2), d.rng.uniform(0.08, 0.14)))))
    name = d.name(0)
    words = _say(d, f"pick up the {name}", f"grasp the {name} and lift it", f"take the {name} off the table")
    return Plan(words, d.things, d.places, _one_handed(d, side, keys), (side,), 0, scale=d.scale)


def _move(d: _Draw) -> Plan | None:
    """Next to another thing."""
    near = d.places[1, :2]
    sides = [near + np.array((0.0, s * d.rng.uniform(0.085, 0.10))) for s in (-1, 1)]
    free = [p for p in sides if abs(p[1]) < 0.19 and all(np.linalg.norm(p - q[:2]) > 0.08 for q in d.places[1:])]
    free = [p for p in free if np.linalg.norm(p - d.places[0, :2]) > 0.09]
    if not free:
        return None
    goal = free[int(d.rng.integers(len(free)))]
    side = _side(d, 0)
    keys = d.taken(0, side)
    over = np.array((*(goal - d.places[0, :2]), 0.0))
    keys.append(d.carried(keys, 0.3 * over + np.array((0, 0, d.rng.uniform(0.07, 0.11)))))
    keys.append(d.carried(keys, keys[-3].position + over + np.array((0, 0, 0.05)) - keys[-1].position))
    keys.append(d.carried(keys, np.array((0, 0, -0.05))))
    opened = d.closing(0, 0.05)
    keys.append(d.key(keys[-1], keys[-1].position, keys[-1].R, opened))
    keys.append(d.key(keys[-1], keys[-1].position - 0.05 * keys[-1].R[:, 1] + np.array((0, 0, 0.06)), keys[-1].R, opened))
    first, second = d.name(0), d.name(1)
    words = _say(d, f"put the {first} next to the {second}", f"move the {first} beside the {second}", f"set the {first} down by the {second}")
    z = object_pose(d.things[0][0], 0, 0, 0)[2, 3]
    return Plan(words, d.things, d.places, _one_handed(d, side, keys), (side,), 0, 1, np.array((*goal, z)), d.scale)


def _pour(d: _Draw) -> Plan:
    side = _side(d, 0)
    keys = d.taken(0, side)
    target = d.point(1)
    held, closing = keys[-1].R, keys[-1].closing
    keys.append(d.carried(keys, np.array((0, 0, 0.09))))
    away = d.places[0, :2] - d.places[1, :2]
    above = np.array((*(target[:2] + 0.055 * away / np.linalg.norm(away)), 0.14))
    keys.append(d.key(keys[-1], d.wrist(above, held, side, closing), held, closing))
    axis = np.cross((0.0, 0.0, 1.0), (*-away, 0.0))  # a turn about it brings the top over the container
    tipped = Rotation.from_rotvec(d.rng.uniform(1.15, 1.6) * axis / np.linalg.norm(axis)).as_matrix() @ held
    keys.append(d.key(keys[-1], d.wrist(above, tipped, side, closing), tipped, closing, least=0.8))
    keys.append(d.wait(keys[-1]))
    keys.append(d.key(keys[-1], d.wrist(above, held, side, closing), held, closing, least=0.7))
    first, second = d.name(0), d.name(1)
    words = _say(d, f"pour from the {first} into the {second}", f"tip the {first} over the {second}", f"empty the {first} into the {second}")
    return Plan(words, d.things, d.places, _one_handed(d, side, keys), (side,), 0, 1, np.array((*target[:2], 0.14)), d.scale)


def _bring(d: _Draw) -> Plan | None:
    """Two things, one in each hand, to each other."""
    left, right = (0, 1) if d.places[0, 1] > d.places[1, 1] else (1, 0)
    if d.places[left, 1] - d.places[right, 1] < 0.15:
        return None
    middle = np.array((d.places[:2, 0].mean() - 0.02, d.places[:2, 1].mean(), d.rng.uniform(0.12, 0.17)))
    tracks = {}
    for side, slot, out in (("left", left, 1), ("right", right, -1)):
        keys = d.taken(slot, side)
        keys.append(d.carried(keys, np.array((0, 0, d.rng.uniform(0.06, 0.10)))))
        keys.append(d.carried(keys, middle + np.array((0, out * 0.055, 0)) - d.point(slot) - (keys[-1].position - keys[-2].position)))
        tracks[side] = Track(tuple(keys))
    first, second = d.name(0), d.name(1)
    words = _say(d, f"bring the {first} and the {second} together", f"hold the {first} next to the {second} with both hands")
    return Plan(words, d.things, d.places, tracks, ("left", "right"), 0, 1, middle, d.scale)


def _say(d: _Draw, *ways: str) -> str:
    return ways[int(d.rng.integers(len(ways)))]


TASKS: dict[str, Callable[[_Draw], Plan | None]] = {"reach": _reach, "grasp": _grasp, "move": _move, "pour": _pour, "bring": _bring}
