"""Recorded: a LeRobotDataset on disk as a source of samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from praxia.data.card import read_card
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Needs
from praxia.errors import DataError
from praxia.registry import register
from praxia.specs import ActionSpec, CameraSpec, StateSpec


@register("data/recorded")
@dataclass(frozen=True)
class Recorded:
    """A dataset folder with its card. roles: views that are used (all if empty). size: pictures are kept shrunk to this longer side (0 = as stored).

    card: path of a card elsewhere; empty = `dataset.yaml` in the folder. blind: no pictures; every row is then a sample, also those between two
    pictures.
    """

    root: str
    roles: tuple[str, ...] = ()
    size: int = 0
    card: str = ""
    blind: bool = False

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
        self._rows = self._source.rows(fresh=not spec.blind)
        card = self._source.card
        if len(self._rows) == 0:
            raise DataError(f"dataset {root} has no frames; record or make some episodes first")
        self.name, self.licence, self.embodiment = card.name, card.licence, card.embodiment
        self.action_spec: ActionSpec = card.action
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
            still=needs.still,
            tool_horizon=needs.tool_steps or max(1, needs.horizon) if needs.tool_path else 0,
        )
        return self._source.sample_at(int(self._rows[index]), want)

    def numbers(self) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """All actions float32 [N, Da] and states float32 [N, Ds], and the rows of each episode."""
        return self._source.actions, self._source.states, tuple(e.stop - e.start for e in self._source.episodes)

    def texts(self) -> tuple[str, ...]:
        """All different instructions."""
        return tuple(sorted(set(self._source.tables.meta.tasks.values())))

    def _camera(self, role: str) -> CameraSpec:
        keys = next((v for v in self._source.card.views if v.role == role), None)
        if keys is None:
            raise DataError(f"dataset {self.name!r} has no view {role!r}; it has {[v.role for v in self._source.card.views]}")
        height, width = self._source.info.features[keys.image].size
        calibrated = bool(keys.intrinsics or keys.K) and bool(keys.extrinsics or keys.T_base_cam)
        return CameraSpec(role, height, width, calibrated)
