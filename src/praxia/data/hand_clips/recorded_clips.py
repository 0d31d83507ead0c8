"""Clips kept as a LeRobotDataset v3: state = `specs.hands.hand_state`, action = `hand_action`, one view with per-frame calibration."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from praxia.data.cache import content_key
from praxia.data.card import CARD, read_card
from praxia.data.hand_clips.clip import Clip
from praxia.data.lerobot.features import FRESH
from praxia.data.lerobot.objects import read_objects
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.errors import DataError
from praxia.geometry.hands import hand_pair
from praxia.geometry.scene import View
from praxia.registry import register
from praxia.specs.dims import check_identity
from praxia.specs.hands import hand_state


@register("data/recorded_clips")
@dataclass(frozen=True)
class RecordedClips:
    """A folder of clips (`praxia data make hands`). size: pictures are kept shrunk to this longer side (0 = as stored)."""

    root: str
    size: int = 0

    def open(self) -> "RecordedClipSet":
        """Raises DataError or SpecMismatch if the folder holds something else."""
        return RecordedClipSet(self)


class RecordedClipSet:
    """The clips of a folder (`ClipSet`)."""

    def __init__(self, spec: RecordedClips):
        root = Path(spec.root)
        if not (root / "meta" / "info.json").is_file():
            raise DataError(f"{root} holds no clips (no meta/info.json); make some with `praxia data make hands --out {root} --depth --masks`")
        card = read_card(root)
        check_identity("state", card.state, f"dataset {card.name!r}", hand_state(), "a clip of hands")
        if not card.views or not card.views[0].extrinsics or card.views[0].extrinsics_form != "T_base_cam":
            raise DataError(f"{root}: clips of hands need a view with T_base_cam for every frame; add `extrinsics` to the view in dataset.yaml")
        self._source = LeRobotSource(root, card, max_side=spec.size or None)
        self._keys, self._root = card.views[0], root
        self._objects = read_objects(root)
        self.name, self.licence = card.name, card.licence
        self.depth, self.masks = bool(self._keys.depth), bool(self._keys.mask)
        self.size = self.view(0, 0).image.shape[:2]

    @property
    def source(self) -> LeRobotSource:
        """The dataset itself: objects' true poses and more."""
        return self._source

    def __len__(self) -> int:
        return len(self._source.episodes)

    def content(self) -> str:
        """Of the bytes of the dataset's files."""
        parts = (sorted(path for path in (self._root / part).rglob("*") if path.is_file()) for part in ("meta", "data", "videos"))
        return content_key([self._root / CARD, *(path for part in parts for path in part)])

    def label(self, number: int) -> tuple[str, str]:
        """Name and task, from the table of episodes."""
        episode = self._source.episodes[number]
        return f"{self.name}/{episode.index}", str(episode.fields.get("task_name", ""))

    def clip(self, number: int) -> Clip:
        """What was recorded, without pictures."""
        episode = self._source.episodes[number]
        rows = slice(episode.start, episode.stop)
        entries = sorted(self._objects.get(episode.index, ()), key=lambda e: not e.is_target)
        first = self._source.sample_at(episode.start, Want(horizon=0, roles=()))
        has_picture = self._source.columns(FRESH)[rows] if FRESH in self._source.info.features else np.ones(episode.stop - episode.start, bool)
        poses = np.asarray(self._source.columns(self._keys.extrinsics)[rows], np.float64).reshape(-1, 4, 4)
        name, task = self.label(number)
        return Clip(
            name=name,
            task=task,
            instruction=first.instruction,
            hands=hand_pair(self._source.states[rows]),
            T_base_cam=poses,
            frames=np.flatnonzero(np.asarray(has_picture).reshape(-1)),
            rate_hz=self._source.card.fps,
            objects=tuple(e.name for e in entries),
            instances=tuple(e.instance for e in entries),
        )

    def view(self, number: int, step: int, depth: bool = False, masks: bool = False) -> View:
        """The picture at a step."""
        row = self._source.episodes[number].start + step
        return self._source.sample_at(int(row), Want(horizon=0, roles=(self._keys.role,), depth=depth, masks=masks)).views[0]
