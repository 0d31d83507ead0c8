"""Another layout of an episode: more objects that nobody asks for, or a target aside of where targets can stand. The task can still be done."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from praxia.worlds.perturbations import Perturbation
from praxia.worlds.tabletop import fixtures
from praxia.worlds.tabletop.arrangement import Arrangement, PlacedMark, PlacedObject
from praxia.worlds.tabletop.objects import TWO_HANDED
from praxia.worlds.tabletop.skills import CloseDrawer, OpenDrawer, Press, Push
from praxia.worlds.tabletop.splits import Split
from praxia.worlds.tabletop.tasks import Plan
from praxia.worlds.tabletop.tasks.choose import stand
from praxia.worlds.tabletop.tasks.fixtures import CABINET_Y
from praxia.worlds.tabletop.tasks.layout import BUTTON_ROOM, OBJECT_ROOM, TRAY_ROOM, ZONE_ROOM, Spot, X, Y

MOST = 5  # distractors
_ROOM = 0.042  # m, radius kept free around a distractor: nothing has to be done with it
_AREA = ((0.33, 0.69), (-0.205, 0.205))  # where distractors may stand: a little beyond the targets
_WIDE = 0.155  # m, half length of what two hands take
_TRIES = 60
_Placed = TypeVar("_Placed", PlacedObject, PlacedMark)


@dataclass(frozen=True)
class _Box:
    """Part of the table that stays free: x and y from, to (m)."""

    x: tuple[float, float]
    y: tuple[float, float]

    def gap(self, x: float, y: float) -> float:
        """Distance of a point."""
        return float(np.hypot(max(self.x[0] - x, 0.0, x - self.x[1]), max(self.y[0] - y, 0.0, y - self.y[1])))


def another_layout(plan: Plan, split: Split, found: Perturbation) -> Plan:
    """The plan with `found` in its arrangement; steps and names of all that was there stay."""
    rng = found.rng()
    change = _with_distractors if found.kind.name == "distractors" else _displaced
    return replace(plan, arrangement=change(plan, split, found.strength, rng))


def _with_distractors(plan: Plan, split: Split, count: float, rng: np.random.Generator) -> Arrangement:
    """All MOST are drawn and the first `count` stay, so that a level has those of the level below."""
    before = plan.arrangement
    taken, ways, free = _circles(before), _ways(plan), _boxes(before)
    while True:
        spots: list[Spot] = []
        for _ in range(MOST):
            for _ in range(_TRIES):
                x, y = (float(rng.uniform(*r)) for r in _AREA)
                clear = all(np.hypot(x - s.x, y - s.y) >= s.room + _ROOM for s in (*taken, *spots))
                if clear and all(b.gap(x, y) >= _ROOM for b in free) and all(_aside(x, y, *w) >= OBJECT_ROOM + _ROOM for w in ways):
                    spots.append(Spot(x, y, _ROOM))
                    break
        if len(spots) == MOST:
            break
    there = {(o.category, o.colour) for o in before.objects}
    choices = [p for p in split.pairs if p not in there]
    pairs = [choices[int(i)] for i in rng.permutation(len(choices))[:MOST]]
    more = [stand(rng, pair, spot) for pair, spot in zip(pairs, spots, strict=True)]
    return replace(before, objects=(*before.objects, *more[: int(count)]))


def _displaced(plan: Plan, split: Split, by: float, rng: np.random.Generator) -> Arrangement:
    """The first step's target, `by` metres further to a side than any target of its kind."""
    before, step = plan.arrangement, plan.steps[0]
    side = float(rng.choice([-1.0, 1.0]))
    if isinstance(step, OpenDrawer | CloseDrawer):
        assert before.cabinet is not None
        return replace(before, cabinet=replace(before.cabinet, y=side * (CABINET_Y + by)))
    kind, index = ("buttons", step.button) if isinstance(step, Press) else ("objects", step.slot)  # type: ignore[attr-defined]
    placed = list(getattr(before, kind))
    target = placed[index]
    if isinstance(target, PlacedObject) and target.category in TWO_HANDED:
        placed[index] = replace(target, y=target.y + side * by)
    else:
        others = _circles(replace(before, **{kind: (*placed[:index], *placed[index + 1 :])}))
        placed[index] = _roomiest(target, Y[1] + by, (side, -side), others, _boxes(before), rng)
    return replace(before, **{kind: tuple(placed)})


def _roomiest(target: _Placed, edge: float, sides: tuple[float, float], others: list[Spot], free: list[_Box], rng: np.random.Generator) -> _Placed:
    """The target at the edge, as far along as it was if there is room, else on the drawn place with most room."""
    low, high = min(X[0], target.x), max(X[1], target.x)
    places = [(target.x, side * edge) for side in sides] + [(float(rng.uniform(low, high)), side * edge) for side in sides for _ in range(12)]

    def room(place: tuple[float, float]) -> float:
        gaps = [np.hypot(place[0] - s.x, place[1] - s.y) - s.room for s in others] + [box.gap(*place) for box in free]
        return min(float(min(gaps, default=1.0)), OBJECT_ROOM)

    x, y = max(places, key=room)
    return replace(target, x=x, y=y)


def _circles(arrangement: Arrangement) -> list[Spot]:
    """What is taken of the table, as circles."""
    taken = []
    for o in arrangement.objects:
        lengths = np.linspace(-_WIDE, _WIDE, 7) if o.category in TWO_HANDED else (0.0,)
        taken += [Spot(o.x - float(t * np.sin(o.yaw)), o.y + float(t * np.cos(o.yaw)), OBJECT_ROOM) for t in lengths]
    for marks, room in ((arrangement.buttons, BUTTON_ROOM), (arrangement.trays, TRAY_ROOM), (arrangement.zones, ZONE_ROOM)):
        taken += [Spot(m.x, m.y, room) for m in marks]
    return taken


def _boxes(arrangement: Arrangement) -> list[_Box]:
    """The cabinet with the way of its drawers."""
    if arrangement.cabinet is None:
        return []
    x, y, half = arrangement.cabinet.x, arrangement.cabinet.y, fixtures.DRAWER_WIDTH + 0.006
    return [_Box((x - fixtures.CABINET_DEPTH, x + fixtures.HANDLE_OUT + fixtures.DRAWER_TRAVEL + 0.01), (y - half, y + half))]


def _ways(plan: Plan) -> list[tuple[np.ndarray, np.ndarray]]:
    """Straight lines (from [2], to [2]) along which things are pushed, the stance of the hand behind them included."""
    found = []
    for step in plan.steps:
        if isinstance(step, Push):
            o, z = plan.arrangement.objects[step.slot], plan.arrangement.zones[step.zone]
            start, end = np.array([o.x, o.y]), np.array([z.x, z.y])
            found.append((start - 0.08 * (end - start) / np.linalg.norm(end - start), end))
    return found


def _aside(x: float, y: float, start: np.ndarray, end: np.ndarray) -> float:
    """Distance of a point from a line between two points."""
    along = end - start
    share = np.clip((np.array([x, y]) - start) @ along / (along @ along), 0, 1)
    return float(np.linalg.norm(np.array([x, y]) - start - share * along))
