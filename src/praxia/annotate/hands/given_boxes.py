"""Boxes of things that somebody has found already: a Parquet table with a row a box, in place of masks and of a detector."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from praxia.annotate.hands.detect import Box
from praxia.data.hand_clips.clip import Clip
from praxia.errors import DataError
from praxia.geometry.scene import View
from praxia.tokens.coordinates import share_pixels

COLUMNS = ("clip", "step", "object", "x1", "y1", "x2", "y2")


class GivenBoxes:
    """clip: its name in clips.parquet; step: of the clip; object: what it is called, that which the words are about first; x1 to y2: corners as
    shares of the picture's width and height."""

    def __init__(self, path: str | Path):
        """Raises DataError for a table that is not of this form."""
        self._boxes: dict[str, dict[int, dict[str, np.ndarray]]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"cannot read boxes {path}: {error}; expected a Parquet table with columns {', '.join(COLUMNS)}") from error
        if missing := [name for name in COLUMNS if name not in table.column_names]:
            raise DataError(f"boxes {path} lack column {missing[0]!r}; expected {', '.join(COLUMNS)}")
        for number, row in enumerate(table.select(COLUMNS).to_pylist()):
            corners = np.array([row[name] for name in COLUMNS[3:]], np.float64)
            if not (np.isfinite(corners).all() and (corners[:2] < corners[2:]).all() and corners.min() >= 0 and corners.max() <= 1):
                raise DataError(f"boxes {path}, row {number}: {corners.tolist()} are no corners x1 < x2, y1 < y2 in shares of the picture (0 to 1)")
            clip, name = str(row["clip"]), str(row["object"])
            self._boxes.setdefault(clip, {}).setdefault(int(row["step"]), {})[name] = corners
            self._names[clip] = tuple(dict.fromkeys((*self._names.get(clip, ()), name)))

    def told(self, clip: Clip) -> Clip:
        """The clip with the objects that the table names in it; the first of them is what the words are about."""
        names = self._names.get(clip.name, ())
        return replace(clip, objects=names, instances=(0,) * len(names), named=bool(names))

    def __call__(self, clip: Clip, steps: Sequence[int], views: Sequence[View]) -> list[dict[str, Box]]:
        """In pixels; nothing for a step that the table does not have."""
        return [self._of(clip.name, step, view) for step, view in zip(steps, views, strict=True)]

    def _of(self, clip: str, step: int, view: View) -> dict[str, Box]:
        found = {}
        for name, corners in self._boxes.get(clip, {}).get(step, {}).items():
            u0, v0, u1, v1 = share_pixels(corners.reshape(2, 2), view.image.shape[:2]).ravel().tolist()
            found[name] = (u0, v0, u1, v1)
        return found
