"""LeRobotSource: a LeRobotDataset of any version with its card, as Samples at any row."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from praxia.data.card import check_card_against, read_card
from praxia.data.lerobot.cameras import CameraTrack
from praxia.data.lerobot.features import EXECUTED, FRESH, GOAL, OBJECT_POSES, TARGET, Info
from praxia.data.lerobot.frame_store import DEFAULT_CAP_GB, Frames, open_frames
from praxia.data.lerobot.meta import EpisodeEntry
from praxia.data.lerobot.objects import ObjectEntry, read_objects, truths_at
from praxia.data.lerobot.pictures import METRES_PER_UNIT, check_depth
from praxia.data.lerobot.tables import Tables
from praxia.data.sample import Provenance, Sample, Window
from praxia.data.statistics import Statistics, dataset_statistics
from praxia.errors import DataError, unknown
from praxia.geometry.image_transform import ImageTransform, compose, rotate
from praxia.geometry.scene import ObjectTruth, View
from praxia.specs import DatasetCard, ViewKeys

_AS_STORED = np.eye(2, 3)  # shared by all views, so nobody may write to it
_AS_STORED.setflags(write=False)


@dataclass(frozen=True)
class Want:
    """What a consumer want of a sample; what is not asked for is not read."""

    horizon: int  # steps of the future window, row 0 = now; 0 = none
    history: int = 0  # steps of the past window; 0 = none
    roles: tuple[str, ...] | None = None  # views by role; None = all, () = no pictures
    depth: bool = False
    masks: bool = False
    objects: bool = False
    tool_horizon: int = 0  # steps of the tool path, row 0 = now; cut at the end of the episode
    stride: int = 1  # frames from one step of windows and of the tool path to the next
    still: bool = False  # deltas past the end of the episode are 0, not the last ones again


@dataclass(frozen=True)
class _ViewTrack:
    keys: ViewKeys
    colour: Frames
    camera: CameraTrack


class LeRobotSource:
    """Samples of one dataset. Columns are held in memory as numpy arrays, pictures come from frame stores made on first use.

    max_side: pictures are kept shrunk so that their longer side is at most this (antialiased; K follows). store=False decodes
    pictures on demand; cap_gb and cache: size limit and folder of the frame stores.
    Raises DataError or SpecMismatch when card and files disagree.
    """

    def __init__(
        self,
        root: Path | str,
        card: DatasetCard | None = None,
        max_side: int | None = None,
        store: bool = True,
        cap_gb: float = DEFAULT_CAP_GB,
        cache: Path | None = None,
    ) -> None:
        self.root = Path(root)
        self.tables = Tables(root)
        self.card = card or read_card(root)
        check_card_against(self.card, self.tables.info, f"card of {self.root}")
        self._max_side, self._store, self._cap_gb, self._cache = max_side, store, cap_gb, cache
        self._views: dict[str, _ViewTrack] = {}
        self._code_frames: dict[str, Frames] = {}
        self._check_numbers()
        self._check_videos()

    @property
    def info(self) -> Info:
        """`meta/info.json`."""
        return self.tables.info

    @property
    def episodes(self) -> tuple[EpisodeEntry, ...]:
        """All episodes: rows, tasks, further fields."""
        return self.tables.episodes

    def __len__(self) -> int:
        return len(self.tables)

    def rows(self, fresh: bool = True) -> np.ndarray:
        """int64 rows a training sample may start at: those where the robot follows its label, and, if `fresh`, that have a new picture."""
        follows = ~self._pushed
        return np.flatnonzero(self.columns(FRESH) & follows if fresh and FRESH in self.info.features else follows)

    def statistics(self) -> dict[str, Statistics]:
        """Of all rows as they are stored: {"action": ..., "state": ...}, cached by content."""
        keys = {"action": self.card.action_key} | ({"state": self.card.state_key} if self.card.state.width else {})
        found = dataset_statistics(self.root, keys.values())
        return {name: found[key] for name, key in keys.items()}

    def columns(self, key: str) -> np.ndarray:
        """All rows of a vector feature, [N, width] or [N]; read-only."""
        return self.tables.column(key)

    def frame(self, key: str, row: int) -> np.ndarray:
        """The stored picture of any picture feature at a row, decoded now: uint8 [H, W, 3], or codes [H, W] of one-channel features."""
        feature = self.info.features.get(key)
        if feature is None or not feature.is_picture:
            raise DataError(f"{self.root}: " + unknown("picture feature", key, [k for k, f in self.info.features.items() if f.is_picture]))
        codes = feature.dtype == "image" and (feature.is_depth or feature.shape[-1] == 1)
        return open_frames(self.tables, key, codes, store=False).get(row)

    @cached_property
    def states(self) -> np.ndarray:
        """float32 [N, Ds]."""
        return self._vector(self.card.state_key, self.card.state.width)

    @cached_property
    def actions(self) -> np.ndarray:
        """float32 [N, Da]."""
        return self._action(self.card.action_key)

    @cached_property
    def executed(self) -> np.ndarray:
        """float32 [N, Da]: what the robot did; the actions unless noise was recorded."""
        return self._action(EXECUTED) if EXECUTED in self.info.features else self.actions

    @cached_property
    def _pushed(self) -> np.ndarray:
        """bool [N]: the robot did something else than its label says."""
        return (self.executed != self.actions).any(axis=1)

    @cached_property
    def _episode_of(self) -> np.ndarray:
        out = np.zeros(len(self), np.int32)
        for i, e in enumerate(self.episodes):
            out[e.start : e.stop] = i
        return out

    @cached_property
    def _instructions(self) -> tuple[np.ndarray, dict[int, str]]:
        return np.asarray(self.columns("task_index")).reshape(-1), self.tables.meta.tasks

    @cached_property
    def _objects(self) -> dict[int, tuple[ObjectEntry, ...]]:
        return read_objects(self.root) if OBJECT_POSES in self.info.features else {}

    def sample_at(self, row: int, want: Want) -> Sample:
        """The sample at a dataset row."""
        place = int(self._episode_of[row])
        episode = self.episodes[place]
        indices, tasks = self._instructions
        entries = self._objects.get(episode.index, ()) if want.objects else ()
        objects: tuple[ObjectTruth, ...] = truths_at(entries, self.columns(OBJECT_POSES)[row]) if entries else ()
        roles = tuple(v.role for v in self.card.views) if want.roles is None else want.roles
        return Sample(
            views=tuple(self._view(role, row, episode, want) for role in roles),
            instruction=tasks[int(indices[row])],
            embodiment=self.card.embodiment,
            state=self.states[row].copy() if self.card.state.width else None,
            past=self._past(row, want.history, want.stride, episode) if want.history else None,
            future=self._future(row, want.horizon, want.stride, episode, want.still) if want.horizon else None,
            tool_path={arm: self._tool(key, row, want, episode) for arm, key in self.card.tool_keys.items()} if want.tool_horizon else {},
            objects=objects,
            target=self._target(entries, row),
            goal=self.columns(GOAL)[row].astype(np.float64) if want.objects and GOAL in self.info.features else None,
            provenance=Provenance(self.card.name, episode.index, row - episode.start, self.card.licence),
        )

    def _target(self, entries: tuple[ObjectEntry, ...], row: int) -> str:
        """The target now where that is recorded, else the one that the instruction is about first."""
        if not entries or TARGET not in self.info.features:
            return next((e.name for e in entries if e.is_target), "")
        slot = int(np.asarray(self.columns(TARGET)[row]).reshape(-1)[0])
        return next((e.name for e in entries if e.slot == slot), "")

    def _past(self, row: int, count: int, stride: int, episode: EpisodeEntry) -> Window:
        """The steps before a row: states and what was done in them."""
        rows, valid = _within(episode, np.arange(row - count * stride, row, stride))
        return Window(self.states[rows], self.executed[rows], valid)

    def _future(self, row: int, count: int, stride: int, episode: EpisodeEntry, still: bool) -> Window:
        """Labels from a row on; behind a push they answer a state that these labels do not lead to, and are not valid."""
        rows, valid = _within(episode, np.arange(row, row + count * stride, stride))
        actions = self.actions[rows]
        if still:
            actions[~valid[:, None] & np.array([dim.reference == "delta" for dim in self.card.action.dims])] = 0.0
        pushed_before = np.concatenate(([False], np.logical_or.accumulate(self._pushed[rows])[:-1]))
        return Window(self.states[rows], actions, valid & ~pushed_before)

    def _tool(self, key: str, row: int, want: Want, episode: EpisodeEntry) -> np.ndarray:
        stop = min(row + want.tool_horizon * want.stride, episode.stop)
        return np.asarray(self.columns(key)[row : stop : want.stride], np.float64).reshape(-1, 4, 4)

    def _view(self, role: str, row: int, episode: EpisodeEntry, want: Want) -> View:
        track = self._track(role)
        image, depth, mask = track.colour.get(row), None, None
        if want.depth and track.keys.depth:
            scale = np.float32(track.keys.depth_scale * METRES_PER_UNIT[track.keys.depth_unit])
            depth = self._codes(track.keys.depth).get(row).astype(np.float32) * scale
        if want.masks and track.keys.mask:
            mask = self._codes(track.keys.mask).get(row).astype(np.int32)
        if track.keys.rotate180:
            image = np.ascontiguousarray(image[::-1, ::-1])
            depth = None if depth is None else np.ascontiguousarray(depth[::-1, ::-1])
            mask = None if mask is None else np.ascontiguousarray(mask[::-1, ::-1])
        return View(
            role, image, track.camera.at(row), depth, mask, _AS_STORED, track.colour.size, sequence=f"{self.card.name}/{episode.index}/{role}"
        )

    def _track(self, role: str) -> _ViewTrack:
        if role not in self._views:
            keys = next((v for v in self.card.views if v.role == role), None)
            if keys is None:
                raise DataError(f"{self.root}: " + unknown("view", role, [v.role for v in self.card.views]))
            where = f"{self.root}, view {role!r}"
            if keys.depth:
                self._check_depth(keys, where)
            colour = self._frames(keys.image, False)
            shown = ImageTransform(colour.affine, colour.lazy.size, colour.size)
            if keys.rotate180:
                shown = compose(shown, rotate(colour.size, 180.0))
            self._views[role] = _ViewTrack(keys, colour, CameraTrack(self.tables, keys, shown, where))
        return self._views[role]

    def _codes(self, key: str) -> Frames:
        """Depth or masks; their store is made when the first sample want them."""
        if key not in self._code_frames:
            self._code_frames[key] = self._frames(key, True)
        return self._code_frames[key]

    def _frames(self, key: str, codes: bool) -> Frames:
        return open_frames(self.tables, key, codes, self._max_side, self._store, self._cap_gb, self._cache)

    def _check_depth(self, keys: ViewKeys, where: str) -> None:
        declared = self.info.features[keys.depth].info
        for field, ours in (("depth_unit", keys.depth_unit), ("depth_scale", keys.depth_scale)):
            if field in declared and declared[field] != ours:
                raise DataError(f"{where}: card says {field} {ours!r}, info.json of {keys.depth!r} says {declared[field]!r}; correct dataset.yaml")
        colour, depth = self.info.features[keys.image].size, self.info.features[keys.depth].size
        if colour != depth:
            raise DataError(
                f"{where}: pictures of {keys.image!r} are {colour[0]} x {colour[1]}, depth of {keys.depth!r} is {depth[0]} x {depth[1]}; "
                "register the depth to the pictures and store both in one size, or leave `depth` out of the view in dataset.yaml"
            )
        first = open_frames(self.tables, keys.depth, codes=True, store=False).get(0)
        check_depth(first.astype(np.float32) * np.float32(keys.depth_scale * METRES_PER_UNIT[keys.depth_unit]), keys.depth_unit, where)

    def _action(self, key: str) -> np.ndarray:
        """In the units that the card speaks of."""
        stored, card = self._vector(key, self.card.action.width), self.card
        scaled = stored * np.asarray(card.action_scale, np.float32) if card.action_scale else stored
        return scaled + np.asarray(card.action_offset, np.float32) if card.action_offset else scaled

    def _vector(self, key: str, width: int) -> np.ndarray:
        values = self.columns(key) if width else np.zeros((len(self), 0), np.float32)
        return np.ascontiguousarray(values, np.float32).reshape(len(self), width)

    def _check_numbers(self) -> None:
        for name, values in (("state", self.states), ("action", self.actions)):
            bad = ~np.isfinite(values).all(axis=1) if values.shape[1] else np.zeros(len(values), bool)
            if bad.any():
                row = int(np.argmax(bad))
                episode = self.episodes[int(self._episode_of[row])]
                key = self.card.state_key if name == "state" else self.card.action_key
                raise DataError(
                    f"{self.root}: {name} {key!r} is not finite in {bad.sum()} rows, first in episode {episode.index}, frame {row - episode.start}: "
                    f"{values[row].tolist()}; drop or repair those episodes"
                )

    def _check_videos(self) -> None:
        used = [v.image for v in self.card.views if self.info.features[v.image].dtype == "video"]
        for path in dict.fromkeys(e.videos[key].path for key in used for e in self.episodes):
            if not path.is_file():
                raise DataError(f"video {path} is missing; copy or download the dataset's videos/ folder completely")


def _within(episode: EpisodeEntry, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows cut to the episode (outside its edge is repeated) and which of them were inside."""
    return np.clip(rows, episode.start, episode.stop - 1), (rows >= episode.start) & (rows < episode.stop)
