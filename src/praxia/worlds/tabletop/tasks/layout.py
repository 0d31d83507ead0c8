"""Where things may stand: rejection sampling with room for the open gripper around every object."""

from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop.splits import Range

X, Y = (0.345, 0.645), (-0.155, 0.155)  # centres of things, base frame (metres)
OBJECT_ROOM, TRAY_ROOM, ZONE_ROOM, BUTTON_ROOM = 0.050, 0.066, 0.062, 0.048  # radii kept free


@dataclass(frozen=True)
class Spot:
    """A circle on the table."""

    x: float
    y: float
    room: float


def scatter(rng: np.random.Generator, rooms: tuple[float, ...], regions: tuple[tuple[Range, Range], ...]) -> tuple[Spot, ...]:
    """One free spot a room, in order, each centre inside its (x, y) region; circles do not overlap.

    Starts again when a spot cannot be found, so it always ends for loads that fit.
    """
    while True:
        spots: list[Spot] = []
        for room, ((x0, x1), (y0, y1)) in zip(rooms, regions, strict=True):
            for _ in range(40):
                x, y = float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))
                if all(np.hypot(x - s.x, y - s.y) >= room + s.room for s in spots):
                    spots.append(Spot(x, y, room))
                    break
            else:
                break
        if len(spots) == len(rooms):
            return tuple(spots)
