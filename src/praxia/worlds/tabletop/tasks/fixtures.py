"""Tasks on furniture: drawers, buttons, and two steps in a given order."""

import numpy as np

from praxia.worlds.tabletop import fixtures
from praxia.worlds.tabletop.arrangement import Arrangement, PlacedCabinet, PlacedMark
from praxia.worlds.tabletop.skills import CloseDrawer, OpenDrawer, Press, Skill
from praxia.worlds.tabletop.splits import Range, Split
from praxia.worlds.tabletop.tasks.choose import colours
from praxia.worlds.tabletop.tasks.layout import BUTTON_ROOM, X, Y, scatter
from praxia.worlds.tabletop.tasks.task import Plan

_AJAR = (0.095, fixtures.DRAWER_TRAVEL - 0.002)  # how far an open drawer stands open
_FRONT = (0.590, 0.640)  # x of buttons in front of the cabinet
CABINET_Y = 0.035  # m, the cabinet stands within +- this


def _cabinet(rng: np.random.Generator, is_open: tuple[bool, bool], x: Range) -> PlacedCabinet:
    first, second = colours(rng, 2)
    left, right = (float(rng.uniform(*_AJAR)) if o else 0.0 for o in is_open)
    return PlacedCabinet(float(rng.uniform(*x)), float(rng.uniform(-CABINET_Y, CABINET_Y)), (first, second), (left, right))


def draw_drawer(rng: np.random.Generator, split: Split) -> Plan:
    """Two drawers, each open or closed; open or close one of them."""
    which, states = int(rng.integers(2)), tuple(bool(b) for b in rng.integers(2, size=2))
    step = CloseDrawer(which) if states[which] else OpenDrawer(which)
    return Plan(Arrangement(cabinet=_cabinet(rng, (states[0], states[1]), (0.360, 0.420))), (step,))


def draw_press(rng: np.random.Generator, split: Split) -> Plan:
    """Three or four buttons anywhere; press one."""
    return Plan(Arrangement(buttons=_buttons(rng, int(rng.integers(3, 5)), X)), (Press(0),))


def draw_two_step(rng: np.random.Generator, split: Split) -> Plan:
    """Cabinet and three buttons; two steps in the order the instruction gives: press and press, drawer and press, drawer and drawer."""
    states = tuple(bool(b) for b in rng.integers(2, size=2))
    drawers: list[Skill] = [CloseDrawer(i) if states[i] else OpenDrawer(i) for i in rng.permutation(2).tolist()]
    choices: tuple[tuple[Skill, Skill], ...] = ((Press(0), Press(1)), (Press(0), drawers[0]), (drawers[0], Press(0)), (drawers[0], drawers[1]))
    steps = choices[int(rng.integers(len(choices)))]
    return Plan(Arrangement(cabinet=_cabinet(rng, (states[0], states[1]), (0.315, 0.335)), buttons=_buttons(rng, 3, _FRONT)), steps)


def _buttons(rng: np.random.Generator, count: int, x: Range) -> tuple[PlacedMark, ...]:
    spots = scatter(rng, (BUTTON_ROOM,) * count, ((x, Y),) * count)
    return tuple(PlacedMark(c, s.x, s.y) for c, s in zip(colours(rng, count), spots, strict=True))
