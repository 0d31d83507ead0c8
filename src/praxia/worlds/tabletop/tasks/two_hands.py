"""Tasks for two arms: lift a tray, hand over a bar."""

from typing import Literal

import numpy as np

from praxia.worlds.tabletop.arrangement import Arrangement, PlacedObject
from praxia.worlds.tabletop.skills import LiftTray, ReceiveBar, TakeBar
from praxia.worlds.tabletop.splits import Range, Split
from praxia.worlds.tabletop.tasks.choose import colours
from praxia.worlds.tabletop.tasks.task import Plan

_NEAR, _FAR = (0.385, 0.425), (0.545, 0.585)  # x of two things that leave room for hands between them


def draw_lift_tray(rng: np.random.Generator, split: Split) -> Plan:
    """Two trays, one behind the other; lift one of them."""
    return Plan(Arrangement(objects=_two(rng, "tray", 0.012, 0.10)), (LiftTray(0),))


def draw_hand_over(rng: np.random.Generator, split: Split) -> Plan:
    """Two bars, one behind the other; hand one of them from the named hand to the other."""
    giver: Literal["left", "right"] = "left" if rng.random() < 0.5 else "right"
    return Plan(Arrangement(objects=_two(rng, "bar", 0.03, 0.25)), (TakeBar(0, giver), ReceiveBar(0, giver)), verb="hand_over")


def _two(rng: np.random.Generator, category: str, aside: float, yaw: float) -> tuple[PlacedObject, ...]:
    """The one that is asked for first; either may stand nearer to the robot. aside, yaw: how far off the middle (metres) and off y (radians)."""
    places: tuple[Range, ...] = (_NEAR, _FAR) if rng.random() < 0.5 else (_FAR, _NEAR)
    return tuple(
        PlacedObject(category, colour, float(rng.uniform(*x)), float(rng.uniform(-aside, aside)), float(rng.uniform(-yaw, yaw)))
        for colour, x in zip(colours(rng, 2), places, strict=True)
    )
