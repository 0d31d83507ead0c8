"""What `praxia annotate hands` leaves in a folder: hands.json (what was annotated, and how) and three Parquet tables.

clips.parquet: one row a clip. questions.parquet: one row a question. motions.parquet: one row a motion. All vectors and paths are metres in the
camera frame of the sample's last shown frame; steps count from the clip's start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from praxia.data.lerobot.meta import read_parquet
from praxia.errors import ConfigError, DataError
from praxia.files import read_json
from praxia.registry import from_json

DESCRIPTION = "hands.json"
CLIPS, QUESTIONS, MOTIONS = "clips.parquet", "questions.parquet", "motions.parquet"
CATEGORIES = ("task_completion", "spatial_relationship", "hand_movement", "camera_movement")
FAMILIES = ("instructional", "contextual", "translation")
HandSplit = Literal["train", "held_out"]
SPLITS: tuple[HandSplit, ...] = ("train", "held_out")

_CLIP = [("clip", pa.int32()), ("name", pa.string()), ("task", pa.string()), ("split", pa.string()), ("unseen_task", pa.bool_())]
_PATH = pa.list_(pa.float32())

SCHEMAS = {
    CLIPS: pa.schema(
        [
            *_CLIP,
            ("steps", pa.int32()),
            ("frames", pa.int32()),
            ("scale", pa.float64()),  # null where the clip was rejected
            ("spread", pa.float64()),  # MAD / median of the frames' scales
            ("rejected", pa.string()),  # "" or why the clip has no questions
            ("rejections", pa.string()),  # JSON: reason -> number of frames, objects, questions or motions
        ]
    ),
    QUESTIONS: pa.schema(
        [
            *_CLIP,
            ("category", pa.string()),
            ("kind", pa.string()),
            ("frames", pa.list_(pa.int32())),
            ("question", pa.string()),
            ("answer", pa.string()),
            ("hand", pa.string()),
            ("object", pa.string()),
            ("vector", pa.list_(pa.float64(), 3)),  # metres; of camera questions: rotation vector in radians
            ("box", pa.list_(pa.float64())),  # of the object in the last frame: u0, v0, u1, v1 in pixels; empty without one
        ]
    ),
    MOTIONS: pa.schema(
        [
            *_CLIP,
            ("family", pa.string()),
            ("frame", pa.int32()),
            ("instruction", pa.string()),
            ("rate_hz", pa.float64()),
            ("left_past", _PATH),
            ("right_past", _PATH),
            ("left_future", _PATH),
            ("right_future", _PATH),
        ]
    ),
}


@dataclass(frozen=True)
class Annotated:
    """An annotated folder. clips: spec of the ClipSet; facts: hands.json."""

    root: Path
    clips: Any
    facts: dict[str, Any]

    def rows(self, table: str, split: str = "", kinds: Sequence[str] = (), kind: str = "") -> "Rows":
        """Rows of a table that belong to a split and are of some kinds (values of the column `kind`); all if empty."""
        found = read_parquet(self.root / table)
        for column, values in (("split", (split,) if split else ()), (kind, kinds)):
            if values:
                found = found.filter(pc.field(column).isin(list(values)))
        return Rows(found)


class Rows:
    """Rows of a table, each made when it is asked for: the published set has a million motions, which as objects would not fit into memory."""

    def __init__(self, table: pa.Table):
        self._table = table

    def __len__(self) -> int:
        return self._table.num_rows

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: self._table[name][int(index)].as_py() for name in self._table.column_names}

    def column(self, name: str) -> np.ndarray:
        """All values of a column of texts or numbers."""
        return self._table[name].to_numpy()


def read_annotated(root: Path | str) -> Annotated:
    """Raises DataError if the folder was not written by `praxia annotate hands`, ConfigError for an unknown kind of clips."""
    root = Path(root)
    try:
        facts = read_json(root / DESCRIPTION)
        spec = dict(facts["clips"])
        spec["root"] = str((root / spec["root"]).resolve())
        clips = from_json(spec)
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{root} holds no annotated clips ({DESCRIPTION}: {error}); `praxia annotate hands CLIPS --out {root}` makes them") from error
    return Annotated(root, clips, facts)


def check_split(split: str) -> None:
    """ConfigError for an unknown split."""
    if split not in SPLITS:
        raise ConfigError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
