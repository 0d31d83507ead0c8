"""The motion vocabulary (VIPA-VLA, arXiv 2512.13080 §3.2.2): wrist waypoints as tokens, uniform bins over a cube of 1 m in front of the camera.

Camera frame: x right, y down, z forward, metres. A waypoint is three tokens, x, y, z. One second of one hand is a block between <mot> and </mot>;
a waypoint of a hand that is not there (any of x, y, z is NaN) is three times <mot_noop> (layout: open points 23 to 25).
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from praxia.errors import ConfigError, unknown
from praxia.registry import register
from praxia.tokens.bins import check_smoothing
from praxia.tokens.quantity import Parts, Quantity

OPEN, CLOSE, NOOP = "<mot>", "</mot>", "<mot_noop>"
AXES = ("x", "y", "z")
MOTION = "motion"  # kind of quantity: waypoints of one hand in one second, x, y, z each, NaN where there is no hand
CUBE = ((-0.5, 0.5), (-0.5, 0.5), (0.0, 1.0))
_BLOCK = re.compile(rf"{OPEN}((?:<mot_(?:[xyz]\d+|noop)>)*){CLOSE}")
_TOKEN = re.compile(r"<mot_(?:([xyz])(\d+)|noop)>")


@register("vocabulary/motion")
@dataclass(frozen=True)
class MotionVocabulary:
    """bins: of each axis (published: 1024, 0.98 mm wide); every axis has tokens of its own, so that a grammar can tell them apart.

    cube: (lowest, highest) metres of each axis; what lies outside is written as the nearest bin.
    row_noise: standard deviation around the mean row from which `Stage.new_rows` starts the tokens' embeddings.
    row_smoothing: as in `PoseVocabulary`.
    """

    bins: int = 1024
    cube: tuple[tuple[float, float], ...] = CUBE
    row_noise: float = 0.02
    row_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ConfigError(f"MotionVocabulary.bins is {self.bins}; expected at least 2")
        if len(self.cube) != len(AXES) or any(len(side) != 2 or side[0] >= side[1] for side in self.cube):
            raise ConfigError(f"MotionVocabulary.cube is {self.cube}; expected (lowest, highest) in metres for each of x, y, z")
        if self.row_noise < 0:
            raise ConfigError(f"MotionVocabulary.row_noise is {self.row_noise}; expected a standard deviation from 0")
        check_smoothing("MotionVocabulary", self.row_smoothing)

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is added to a tokenizer, in id order: 3 x bins + 3."""
        return (*(token for axis in AXES for token in axis_names(axis, self.bins)), OPEN, CLOSE, NOOP)

    @property
    def scales(self) -> tuple[tuple[tuple[str, ...], bool], ...]:
        """Tokens that are the bins of one axis, in order, and whether it is a circle (none is)."""
        return tuple((axis_names(axis, self.bins), False) for axis in AXES)

    def encode(self, points: np.ndarray) -> np.ndarray:
        """Points float [..., 3] in metres -> bins int64 [..., 3]: floor((a - lowest) / (highest - lowest) * bins), clipped to the cube."""
        low, high = np.array(self.cube).T
        share = (np.asarray(points, np.float64) - low) / (high - low)
        return np.clip(np.floor(share * self.bins), 0, self.bins - 1).astype(np.int64)

    def decode(self, bins: np.ndarray) -> np.ndarray:
        """Bins int [..., 3] -> their middles float64 [..., 3] in metres."""
        low, high = np.array(self.cube).T
        return low + (np.asarray(bins) + 0.5) * (high - low) / self.bins

    def outside(self, points: np.ndarray) -> float:
        """Share of points float [n, 3] that the cube does not hold; NaN rows (no hand) do not count, 0 without any other."""
        points = points[~np.isnan(points).any(-1)]
        low, high = np.array(self.cube).T
        return float(np.mean(((points < low) | (points > high)).any(-1))) if len(points) else 0.0

    def text(self, parts: Parts) -> str:
        """The whole text, every quantity as a block of tokens. Raises ConfigError for another kind of quantity than `MOTION`."""
        return "".join(part if isinstance(part, str) else self._block(part) for part in parts)

    def _block(self, quantity: Quantity) -> str:
        if quantity.kind != MOTION:
            raise ConfigError(unknown("quantity of the motion vocabulary", quantity.kind, (MOTION,)))
        points = np.array(quantity.values).reshape(-1, 3)
        gone = np.asarray(np.isnan(points).any(-1))
        bins = self.encode(np.where(gone[:, None], 0.0, points))
        names = [axis_names(axis, self.bins) for axis in AXES]
        said = [NOOP * 3 if off else "".join(name[i] for name, i in zip(names, row, strict=True)) for off, row in zip(gone, bins, strict=True)]
        return f"{OPEN}{''.join(said)}{CLOSE}"

    def numbers(self, text: str) -> dict[str, np.ndarray]:
        """All complete blocks of a text in order: `motion` float64 [blocks, steps, 3] in metres, NaN where there is no hand.

        A block whose tokens are not x, y, z in turn, or of another length than the first complete one, is left out.
        """
        blocks = [rows for block in _BLOCK.findall(text) if (rows := self._rows(block)) is not None]
        alike = [rows for rows in blocks if len(rows) == len(blocks[0])]
        return {MOTION: np.stack(alike) if alike else np.zeros((0, 0, 3))}

    def _rows(self, block: str) -> np.ndarray | None:
        found = [(axis, int(number) if number else -1) for axis, number in _TOKEN.findall(block)]
        if not found or len(found) % 3:
            return None
        rows = np.full((len(found) // 3, 3), np.nan)
        for i, triple in enumerate(zip(found[::3], found[1::3], found[2::3], strict=True)):
            axes, bins = zip(*triple, strict=True)
            if axes == AXES and max(bins) < self.bins:
                rows[i] = self.decode(np.array(bins))
            elif axes != ("", "", ""):
                return None
        return rows


@cache
def axis_names(axis: str, bins: int) -> tuple[str, ...]:
    """Tokens of an axis in bin order, numbered as wide as 1,024 bins need, or wider."""
    width = max(4, len(str(bins - 1)))
    return tuple(f"<mot_{axis}{i:0{width}d}>" for i in range(bins))
