"""Tasks on loose objects: reach, push, pick and place, stack."""

import numpy as np

from praxia.worlds.tabletop.arrangement import Arrangement, PlacedMark
from praxia.worlds.tabletop.skills import PlaceOn, Push, Stack, Touch
from praxia.worlds.tabletop.splits import Split
from praxia.worlds.tabletop.tasks.choose import colours, one, pool, stand, with_distractors
from praxia.worlds.tabletop.tasks.layout import OBJECT_ROOM, TRAY_ROOM, ZONE_ROOM, X, Y, scatter
from praxia.worlds.tabletop.tasks.task import Plan


def draw_reach(rng: np.random.Generator, split: Split) -> Plan:
    """Three or four objects; touch one."""
    count = int(rng.integers(3, 5))
    pairs = with_distractors(rng, one(rng, pool(split)), pool(split), count - 1)
    spots = scatter(rng, (OBJECT_ROOM,) * count, ((X, Y),) * count)
    return Plan(Arrangement(objects=tuple(stand(rng, p, s) for p, s in zip(pairs, spots, strict=True))), (Touch(0),))


def draw_push(rng: np.random.Generator, split: Split) -> Plan:
    """Two objects near the robot, two zones further out; push one object to one zone."""
    pairs = with_distractors(rng, one(rng, pool(split, "pushable")), pool(split, "pushable"), 1)
    near, far = ((0.375, 0.455), (-0.13, 0.13)), ((0.575, 0.640), (-0.148, 0.148))
    spots = scatter(rng, (0.062, 0.062, ZONE_ROOM, ZONE_ROOM), (near, near, far, far))
    zones = tuple(PlacedMark(c, s.x, s.y) for c, s in zip(colours(rng, 2), spots[2:], strict=True))
    objects = tuple(stand(rng, p, s) for p, s in zip(pairs, spots[:2], strict=True))
    return Plan(Arrangement(objects=objects, zones=zones), (Push(0, int(rng.integers(2))),))


def draw_pick_and_place(rng: np.random.Generator, split: Split) -> Plan:
    """Two objects and two trays anywhere; put one object into one tray."""
    pairs = with_distractors(rng, one(rng, pool(split)), pool(split), 1)
    tray = ((0.36, 0.63), (-0.145, 0.145))
    spots = scatter(rng, (TRAY_ROOM, TRAY_ROOM, OBJECT_ROOM, OBJECT_ROOM), (tray, tray, (X, Y), (X, Y)))
    trays = tuple(PlacedMark(c, s.x, s.y) for c, s in zip(colours(rng, 2), spots[:2], strict=True))
    objects = tuple(stand(rng, p, s) for p, s in zip(pairs, spots[2:], strict=True))
    return Plan(Arrangement(objects=objects, trays=trays), (PlaceOn(0, int(rng.integers(2))),))


def draw_stack(rng: np.random.Generator, split: Split) -> Plan:
    """An object to lift and two objects with flat tops; stack it on one of them."""
    top = one(rng, pool(split, "flat_base"))
    first, second = with_distractors(rng, one(rng, tuple(p for p in pool(split, "flat_top") if p != top)), pool(split, "flat_top"), 1)
    if top in (first, second):  # names must be unambiguous
        return draw_stack(rng, split)
    spots = scatter(rng, (OBJECT_ROOM,) * 3, ((X, Y),) * 3)
    objects = tuple(stand(rng, p, s) for p, s in zip((top, first, second), spots, strict=True))
    return Plan(Arrangement(objects=objects), (Stack(0, 1),))
