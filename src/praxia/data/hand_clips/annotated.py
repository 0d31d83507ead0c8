"""Annotated clips of hands as sources of samples: questions with their answers (Hand3D-visual), and motions (Hand3D-action; VIPA-VLA §3)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from praxia.data.hand_clips.clip import ClipSet
from praxia.data.hand_clips.common_camera import CommonCamera
from praxia.data.hand_clips.tables import DESCRIPTION, MOTIONS, QUESTIONS, Annotated, HandSplit, Rows, check_split, read_annotated
from praxia.data.sample import Provenance, Sample, WristPaths
from praxia.data.supervision.supervision import Needs
from praxia.errors import DataError
from praxia.geometry.scene import View
from praxia.registry import register
from praxia.specs import ActionSpec, CameraSpec, StateSpec
from praxia.specs.hands import SIDES

ROLE = "head"
FRAMES = tuple(f"{ROLE}:{i}" for i in range(4))  # views of a question, at most


@register("data/hand_questions")
@dataclass(frozen=True)
class HandQuestions:
    """Questions of a folder that `praxia annotate hands` wrote. split: of clips; held_out has whole clips, and all clips of a task that is held out.

    categories: all if empty. camera: every picture is warped to this one pinhole camera (default 27); None = as recorded. size: pictures are kept
    shrunk to this longer side (0 = as stored).
    """

    root: str
    split: HandSplit = "train"
    categories: tuple[str, ...] = ()
    camera: CommonCamera | None = None
    size: int = 0
    roles: ClassVar = FRAMES

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files that say what is learnt: a stage on other annotations is another stage."""
        return Path(self.root) / DESCRIPTION, Path(self.root) / QUESTIONS

    def open(self) -> "QuestionSource":
        """Raises DataError for a folder that was not annotated, or has no such questions."""
        check_split(self.split)
        found = read_annotated(self.root)
        rows = found.rows(QUESTIONS, self.split, self.categories, "category")
        return QuestionSource(found, rows, self.split, self.camera, self.size)


@register("data/hand_motions")
@dataclass(frozen=True)
class HandMotions:
    """Motions of such a folder: first view = the conditioning picture, instruction, wrist paths. families: all if empty. Else as HandQuestions."""

    root: str
    split: HandSplit = "train"
    families: tuple[str, ...] = ()
    camera: CommonCamera | None = None
    size: int = 0
    roles: ClassVar = (ROLE,)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """As of `HandQuestions`."""
        return Path(self.root) / DESCRIPTION, Path(self.root) / MOTIONS

    def open(self) -> "MotionSource":
        """Raises DataError for a folder that was not annotated, or has no such motions."""
        check_split(self.split)
        found = read_annotated(self.root)
        rows = found.rows(MOTIONS, self.split, self.families, "family")
        return MotionSource(found, rows, self.split, self.camera, self.size)


class _Source:
    """What both share: a SampleSource of rows of a table; nobody acts, so there are no actions, states and statistics."""

    embodiment = ""
    action_spec = ActionSpec((), rate_hz=1.0)
    state_spec = StateSpec(())

    def __init__(self, found: Annotated, rows: Rows, split: str, camera: CommonCamera | None, size: int):
        clips = found.clips
        if not len(rows):
            raise DataError(f"{clips.root}: nothing was annotated of the split {split!r}; see clips.parquet for what was rejected and why")
        self._clips: ClipSet = (replace(clips, size=size) if size else clips).open()
        self._rows, self._camera = rows, camera
        self.name, self.licence = f"{self._clips.name}_{self.kind}", self._clips.licence
        self.label_licences: dict[str, str] = dict(found.facts["licences"])  # of what looked at the clips to label them: a geometry net, a detector
        height, width = self._clips.size if camera is None else (camera.side, camera.side)
        self.cameras = (CameraSpec(ROLE, height, width, calibrated=True),)
        self.given = frozenset({f"cameras/{ROLE}"})
        self.episodes = rows.column("clip").astype(np.int64)

    kind = ""

    def __len__(self) -> int:
        return len(self._rows)

    def numbers(self) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """Nobody acts."""
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32), ()

    def _views(self, row: dict[str, Any], frames: list[int]) -> tuple[View, ...]:
        """Pictures of the steps, in order; times in seconds before the last."""
        views = [self._clips.view(row["clip"], step) for step in frames]
        rate = self._rates(row["clip"])
        shown = [replace(v, role=ROLE, time=(step - frames[-1]) / rate, sequence=row["name"]) for v, step in zip(views, frames, strict=True)]
        return tuple(shown if self._camera is None else [self._camera.seen(v) for v in shown])

    def _rates(self, clip: int) -> float:
        if not hasattr(self, "_rate"):
            self._rate: dict[int, float] = {}
        if clip not in self._rate:
            self._rate[clip] = self._clips.clip(clip).rate_hz
        return self._rate[clip]

    def _origin(self, row: dict[str, Any], step: int) -> Provenance:
        return Provenance(self.name, row["clip"], step, self.licence, row["unseen_task"])


class QuestionSource(_Source):
    """Samples with 1 to 4 views of one role, question, answer and category."""

    kind = "questions"

    def sample(self, index: int, needs: Needs) -> Sample:
        """The index-th question; pictures are left out if the supervision does not look."""
        row = self._rows[index]
        views = self._views(row, row["frames"]) if needs.pictures else ()
        asked = {name: row[name] for name in ("question", "answer", "category")}
        return Sample(views=views, target=row["object"], provenance=self._origin(row, row["frames"][-1]), form=row["kind"], **asked)

    def texts(self) -> tuple[str, ...]:
        """All different questions."""
        return tuple(sorted(set(self._rows.column("question"))))


class MotionSource(_Source):
    """Samples with one view, an instruction and wrist paths in that view's camera frame."""

    kind = "motions"

    def sample(self, index: int, needs: Needs) -> Sample:
        """The index-th motion; the picture is left out if the supervision does not look."""
        row = self._rows[index]
        views = self._views(row, [row["frame"]]) if needs.pictures else ()
        past, future = ({s: _path(row[f"{s}_{when}"]) for s in SIDES if row[f"{s}_{when}"]} for when in ("past", "future"))
        paths = WristPaths(past, future, row["rate_hz"], row["family"])
        return Sample(views=views, instruction=row["instruction"], wrists=paths, provenance=self._origin(row, row["frame"]))

    def texts(self) -> tuple[str, ...]:
        """All different instructions."""
        return tuple(sorted(set(self._rows.column("instruction"))))


def _path(numbers: list[float]) -> np.ndarray:
    return np.asarray(numbers, np.float64).reshape(-1, 3)
