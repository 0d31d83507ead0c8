"""Recorded: a LeRobotDataset on disk as a source of samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from praxia.data.card import read_card
from praxia.data.lerobot.meta import EpisodeEntry
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError
from praxia.registry import register
from praxia.specs import ActionSpec, CameraSpec, DatasetCard, StateSpec


@register("data/recorded")
@dataclass(frozen=True)
class Recorded:
    """A dataset folder with its card. roles: views that are used (all if empty). size: pictures are kept shrunk to this longer side (0 = as stored).

    card: path of a card elsewhere; empty = `dataset.yaml` in the folder. blind: no pictures; every row is then a sample, also those between two
    pictures.
    stride: frames from one step to the next, of actions, history and waypoints; a sample may still start at any frame. Not for actions that are
    deltas from frame to frame. least_frames: shorter episodes are left out. still_start: frames before any number of the state has moved by more
    than this are left out, but the last one; an episode that never moves is left out. 0 = all stay.
    left_out: numbers of episodes that are not used, such as those whose camera poses `praxia data verify` finds wrong.
    (Pose-VLA: every third frame and at least 50 of RoboTwin, at least 150 of AgiBot, whose beginnings are still to 0.01.)
    """

    root: str
    roles: tuple[str, ...] = ()
    size: int = 0
    card: str = ""
    blind: bool = False
    stride: int = 1
    least_frames: int = 0
    still_start: float = 0.0
    left_out: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("stride", 1), ("least_frames", 0), ("still_start", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"Recorded.{name} is {getattr(self, name)}; expected at least {least}")

    def open(self) -> "RecordedSource":
        """Check the card against the files and open the columns. Raises DataError or SpecMismatch."""
        return RecordedSource(self)


class RecordedSource:
    """Samples at the rows that have a picture of their own, or at all of a blind source."""

    def __init__(self, spec: Recorded):
        root = Path(spec.root)
        if not root.is_dir():
            raise DataError(f"dataset folder {root} does not exist; give the folder that holds meta/info.json")
        self._source = LeRobotSource(root, read_card(spec.card or root), max_side=spec.size or None)
        card = self._source.card
        self._stride = spec.stride
        _check_stride(spec.stride, card)
        _check_left_out(spec.left_out, self._source.episodes, root)
        self._kept = [e for e in self._source.episodes if e.stop - e.start >= spec.least_frames and e.index not in spec.left_out]
        rows = self._source.rows(fresh=not spec.blind)
        self._rows = rows[np.isin(rows, np.concatenate([np.arange(0), *(self._moving(e, spec.still_start) for e in self._kept)]))]
        if len(self._rows) == 0:
            raise DataError(
                f"dataset {root} has no frames to start from; record or make some episodes first, or lower Recorded.least_frames "
                f"({spec.least_frames}) and still_start ({spec.still_start:g}), or leave out fewer episodes (left_out: {len(spec.left_out)})"
            )
        self.name, self.licence, self.embodiment = card.name, card.licence, card.embodiment
        self.action_spec: ActionSpec = replace(card.action, rate_hz=card.action.rate_hz / spec.stride)
        self.state_spec: StateSpec = card.state
        self._roles = () if spec.blind else spec.roles or tuple(v.role for v in card.views)
        self.cameras = tuple(self._camera(role) for role in self._roles)
        views = [v for v in card.views if v.role in self._roles]
        known = [f"cameras/{v.role}" for v in views if v.intrinsics or v.K]
        self.given = frozenset(known + [f"depth/{v.role}" for v in views if v.depth])
        starts = np.array([e.start for e in self._source.episodes])
        self.episodes = np.searchsorted(starts, self._rows, side="right") - 1

    def __len__(self) -> int:
        return len(self._rows)

    def sample(self, index: int, needs: Needs) -> Sample:
        """The sample at the index-th picture; pictures are left out if the supervision does not look."""
        want = Want(
            horizon=needs.horizon,
            history=needs.history,
            roles=self._roles if needs.pictures else (),
            depth=needs.depth,
            masks=needs.masks,
            objects=needs.objects,
            stride=self._stride,
            still=needs.still,
            tool_horizon=needs.tool_steps or max(1, needs.horizon) if needs.tool_path else 0,
        )
        return self._source.sample_at(int(self._rows[index]), want)

    def numbers(self) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """All actions float32 [N, Da] and states float32 [N, Ds], and the rows of each episode; with a stride those of each of its interleaved
        parts, whose rows follow each other as the steps of a chunk do."""
        parts = [np.arange(e.start + k, e.stop, self._stride) for e in self._kept for k in range(min(self._stride, e.stop - e.start))]
        rows = np.concatenate(parts)
        return self._source.actions[rows], self._source.states[rows], tuple(map(len, parts))

    def texts(self) -> tuple[str, ...]:
        """All different instructions."""
        return tuple(sorted(set(self._source.tables.meta.tasks.values())))

    def _moving(self, episode: EpisodeEntry, still: float) -> np.ndarray:
        """Rows of an episode from the last still one on."""
        if not still:
            return np.arange(episode.start, episode.stop)
        states = self._source.states[episode.start : episode.stop]
        if not states.shape[1]:
            raise DataError(f"dataset {self._source.root} has no state, so nobody knows where it stands still; set Recorded.still_start to 0")
        moved = np.flatnonzero((np.abs(states - states[0]) > still).any(axis=1))
        return np.arange(episode.start + moved[0] - 1, episode.stop) if moved.size else np.arange(0)

    def _camera(self, role: str) -> CameraSpec:
        keys = next((v for v in self._source.card.views if v.role == role), None)
        if keys is None:
            raise DataError(f"dataset {self.name!r} has no view {role!r}; it has {[v.role for v in self._source.card.views]}")
        height, width = self._source.info.features[keys.image].size
        calibrated = bool(keys.intrinsics or keys.K) and bool(keys.extrinsics or keys.T_base_cam)
        return CameraSpec(role, height, width, calibrated, keys.mirrored)


def _check_left_out(numbers: tuple[int, ...], episodes: Sequence[EpisodeEntry], root: Path) -> None:
    known = {e.index for e in episodes}
    if unknown := sorted(set(numbers) - known):
        raise ConfigError(f"Recorded.left_out names {unknown}; episodes of {root} are {min(known, default=0)} to {max(known, default=0)}")


def _check_stride(stride: int, card: DatasetCard) -> None:
    """Steps that are left out must not take their motion with them."""
    if stride > 1 and (deltas := [dim.name for dim in card.action.dims if dim.reference == "delta"]):
        raise ConfigError(
            f"Recorded.stride is {stride}, but the actions of dataset {card.name!r} hold deltas from frame to frame ({', '.join(deltas)}): the robot "
            "would lose the motion in between; set stride to 1, or record absolute actions"
        )
