"""Boxes of things that somebody has found already: a Parquet table with a row a box, in place of masks and of a detector."""

from collections.abc import Collection, Sequence
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

_TEXTS, _CORNERS = ("clip", "object"), ("x1", "y1", "x2", "y2")
COLUMNS = ("clip", "step", "object", *_CORNERS)


class GivenBoxes:
    """clip: its name in clips.parquet; step: of the clip, with a picture (one without a box has no object); object: what it is called, that which the
    words are about first; x1 to y2: corners as shares of the picture's width and height."""

    def __init__(self, path: str | Path):
        """Raises DataError for a table that is not of this form."""
        table = _read(path)
        corners = np.stack([table[name].to_numpy(zero_copy_only=False) for name in _CORNERS], axis=1).astype(np.float64)
        steps = table["step"].to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            sound = (corners[:, :2] < corners[:, 2:]).all(1) & (corners >= 0).all(1) & (corners <= 1).all(1)
        for wrong, shown, expected in (
            (~sound, corners, "corners x1 < x2, y1 < y2 in shares of the picture (0 to 1)"),
            (steps < 0, steps, "a step from 0 on"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise DataError(f"boxes {path}, row {row}: {shown[row].tolist()}; expected {expected}")
        self._boxes: dict[tuple[str, int], dict[str, np.ndarray]] = {}
        self._names: dict[str, dict[str, None]] = {}  # of a clip's objects, in order
        for row, (clip, name) in enumerate(zip(*(table[column].to_pylist() for column in _TEXTS), strict=True)):
            there = self._boxes.setdefault((clip, int(steps[row])), {})
            if name in there or not name:
                raise DataError(f"boxes {path}, row {row}: object {name!r} in step {steps[row]} of clip {clip!r}; expected a name, once a step")
            there[name] = corners[row]
            self._names.setdefault(clip, {})[name] = None

    def check_clips(self, known: Collection[str]) -> None:
        """DataError if the table is of none of these clips; it may be of more."""
        if not self._names.keys() & set(known):
            name = next(iter(self._names))
            raise DataError(f"boxes are of clips such as {name!r}, but there are {next(iter(known), 'none')!r} and others; spell them alike")

    def told(self, clip: Clip) -> Clip:
        """The clip with the objects that the table names in it; the first of them is what the words are about."""
        names = tuple(self._names.get(clip.name, ()))
        return replace(clip, objects=names, instances=(0,) * len(names), named=bool(names))

    def __call__(self, clip: Clip, steps: Sequence[int], views: Sequence[View]) -> list[dict[str, Box]]:
        """In pixels; nothing for a step that the table does not have."""
        return [self._of(clip.name, step, view) for step, view in zip(steps, views, strict=True)]

    def _of(self, clip: str, step: int, view: View) -> dict[str, Box]:
        found = {}
        for name, corners in self._boxes.get((clip, step), {}).items():
            u0, v0, u1, v1 = share_pixels(corners.reshape(2, 2), view.image.shape[:2]).ravel().tolist()
            found[name] = (u0, v0, u1, v1)
        return found


def _read(path: str | Path) -> pa.Table:
    """The table, its columns of the right kind and whole."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"cannot read boxes {path}: {error}; expected a Parquet table with columns {', '.join(COLUMNS)}") from error
    kinds = (
        dict.fromkeys(_TEXTS, (pa.string(), "text")) | dict.fromkeys(_CORNERS, (pa.float64(), "numbers")) | {"step": (pa.int64(), "whole numbers")}
    )
    columns = {}
    for name, (kind, words) in kinds.items():
        if name not in table.column_names:
            raise DataError(f"boxes {path} lack column {name!r}; expected {', '.join(COLUMNS)}")
        column = table[name]
        try:
            columns[name] = column.cast(kind)
        except pa.ArrowInvalid as error:
            raise DataError(f"boxes {path}: column {name!r} is {column.type} ({error}); expected {words}") from error
        if column.null_count or (pa.types.is_string(kind) and not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type)):
            raise DataError(f"boxes {path}: column {name!r} is {column.type} with {column.null_count} empty cells; expected {words} in every row")
    if not len(table):
        raise DataError(f"boxes {path} has no row; expected a row a box")
    return pa.table(columns)
