"""Three disjoint splits: which object-colour pairs, table tops and head camera poses an episode may use.

(category i, colour j) belongs to split (i + j) mod 3, so each split has every category in two colours and every colour on about a third of the
categories. Table tops share no texture and no colour; head cameras share no azimuth.
"""

from dataclasses import dataclass, replace
from math import radians

from praxia.errors import ConfigError, unknown
from praxia.worlds.tabletop.objects import CATEGORIES
from praxia.worlds.tabletop.palette import COLOUR_NAMES
from praxia.worlds.tabletop.textures import TableTop

NAMES = ("base", "pretrain", "benchmark")
Range = tuple[float, float]


@dataclass(frozen=True)
class HeadCameraRange:
    """Where the head camera may stand: on a sphere around the point it looks at. Radians, metres; azimuth 0 = in front, facing the robot."""

    azimuth: Range
    elevation: Range = (radians(54), radians(60))
    distance: Range = (1.02, 1.10)
    fovy: Range = (radians(25.0), radians(26.0))
    target: tuple[Range, Range, Range] = ((0.478, 0.486), (-0.008, 0.008), (0.030, 0.036))  # point looked at, base frame


@dataclass(frozen=True)
class Split:
    """What an episode of this split may use."""

    name: str
    pairs: tuple[tuple[str, str], ...]  # (category, colour)
    tables: tuple[TableTop, ...]
    head: HeadCameraRange

    def of(self, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The pairs whose category is one of `names`."""
        return tuple(p for p in self.pairs if p[0] in names)


_TABLES = {
    "base": (
        TableTop("wood", (0.66, 0.52, 0.38), (0.46, 0.34, 0.24), 1),
        TableTop("speckle", (0.70, 0.70, 0.70), (0.50, 0.50, 0.52), 1),
        TableTop("stripes", (0.56, 0.58, 0.54), (0.48, 0.50, 0.47), 1),
        TableTop("clouds", (0.40, 0.40, 0.42), (0.30, 0.30, 0.32), 1),
        TableTop("checks", (0.74, 0.71, 0.64), (0.62, 0.59, 0.53), 1),
    ),
    "pretrain": (
        TableTop("wood", (0.52, 0.42, 0.34), (0.34, 0.26, 0.20), 2),
        TableTop("weave", (0.66, 0.62, 0.56), (0.50, 0.47, 0.42), 2),
        TableTop("checks", (0.58, 0.58, 0.60), (0.48, 0.48, 0.50), 2),
        TableTop("speckle", (0.44, 0.42, 0.40), (0.58, 0.56, 0.53), 2),
        TableTop("clouds", (0.72, 0.74, 0.74), (0.60, 0.62, 0.63), 2),
    ),
    "benchmark": (
        TableTop("wood", (0.76, 0.64, 0.50), (0.60, 0.48, 0.36), 3),
        TableTop("weave", (0.50, 0.51, 0.53), (0.38, 0.39, 0.41), 3),
        TableTop("stripes", (0.68, 0.65, 0.60), (0.58, 0.56, 0.51), 3),
        TableTop("clouds", (0.54, 0.50, 0.45), (0.44, 0.40, 0.36), 3),
        TableTop("speckle", (0.78, 0.77, 0.74), (0.62, 0.61, 0.59), 3),
    ),
}
_HEADS = {
    "base": HeadCameraRange(azimuth=(radians(-12), radians(-5))),
    "pretrain": HeadCameraRange(azimuth=(radians(5), radians(12))),
    "benchmark": HeadCameraRange(azimuth=(radians(-4), radians(4))),
}


def split(name: str) -> Split:
    """The split called `name`. Raises ConfigError for an unknown one."""
    if name not in NAMES:
        raise ConfigError(unknown("tabletop split", name, NAMES))
    index = NAMES.index(name)
    pairs = tuple(
        (category, colour) for i, category in enumerate(CATEGORIES) for j, colour in enumerate(COLOUR_NAMES) if (i + j) % len(NAMES) == index
    )
    return Split(name, pairs, _TABLES[name], _HEADS[name])


def with_head_azimuth(split: Split, degrees: Range) -> Split:
    """The split with the head camera's azimuth in another range. Raises ConfigError beyond +-30 degrees: the table leaves the picture there."""
    low, high = degrees
    if not -30 <= low <= high <= 30:
        raise ConfigError(f"tabletop head_azimuth is {degrees}: expected (low, high) in degrees from -30 to 30")
    return replace(split, head=replace(split.head, azimuth=(radians(low), radians(high))))
