"""What was in the scene: `meta/objects.parquet` (one row an object and episode) beside the per-frame poses.

The per-frame column `observation.objects.pose` is float32 [slots * 7]: x y z and quaternion w x y z of `T_base_object` for every
slot; NaN = absent at that time. The sidecar names the slots: episode_index, slot, name, category, colour, size (3 side lengths,
metres, object axes), instance (id in the masks), is_target (the instruction is about it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from praxia.data.lerobot.meta import read_parquet
from praxia.errors import DataError
from praxia.geometry.rotations import matrix_to_quaternion
from praxia.geometry.scene import ObjectTruth

_SCHEMA = pa.schema(
    [
        ("episode_index", pa.int64()),
        ("slot", pa.int64()),
        ("name", pa.string()),
        ("category", pa.string()),
        ("colour", pa.string()),
        ("size", pa.list_(pa.float32(), 3)),
        ("instance", pa.int64()),
        ("is_target", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class ObjectEntry:
    """The part of an object's truth that does not move."""

    slot: int
    name: str
    category: str
    colour: str
    size: np.ndarray  # float64 [3]
    instance: int
    is_target: bool


def object_rows(objects: Sequence[ObjectTruth], target: str) -> list[dict[str, Any]]:
    """Sidecar rows (without episode_index) of a scene; the slot is the object's place in the sequence."""
    return [
        {
            "slot": slot,
            "name": o.name,
            "category": o.category,
            "colour": o.colour,
            "size": [float(v) for v in o.size],
            "instance": int(o.instance),
            "is_target": bool(target) and o.name == target,
        }
        for slot, o in enumerate(objects)
    ]


def object_poses(names: Sequence[str], objects: Sequence[ObjectTruth]) -> np.ndarray:
    """float32 [slots * 7] of one time; objects are matched to the slots by name, NaN where a slot's object is absent."""
    poses = np.full((max(1, len(names)), 7), np.nan)  # an empty scene has one empty slot
    by_name = {o.name: o.T_base_object for o in objects}
    present = [slot for slot, name in enumerate(names) if name in by_name]
    if present:
        T = np.stack([by_name[names[slot]] for slot in present])
        poses[present] = np.concatenate([T[:, :3, 3], matrix_to_quaternion(T[:, :3, :3])], axis=1)
    return poses.reshape(-1).astype(np.float32)


def objects_table(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> pa.Table:
    """The sidecar of a whole dataset from (episode_index, row) pairs."""
    return pa.Table.from_pylist([{"episode_index": episode, **row} for episode, row in rows], _SCHEMA)


def read_objects(root: Path) -> dict[int, tuple[ObjectEntry, ...]]:
    """episode_index -> objects by slot; empty when the dataset has no sidecar."""
    path = root / "meta" / "objects.parquet"
    if not path.is_file():
        return {}
    found: dict[int, list[ObjectEntry]] = {}
    table = read_parquet(path)
    missing = [name for name in _SCHEMA.names if name not in table.column_names]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(table.column_names)}")
    for row in table.to_pylist():
        entry = ObjectEntry(
            slot=row["slot"],
            name=row["name"],
            category=row["category"],
            colour=row["colour"],
            size=np.asarray(row["size"], np.float64),
            instance=row["instance"],
            is_target=row["is_target"],
        )
        found.setdefault(row["episode_index"], []).append(entry)
    return {episode: tuple(sorted(entries, key=lambda e: e.slot)) for episode, entries in found.items()}


def truths_at(entries: Sequence[ObjectEntry], poses: np.ndarray) -> tuple[ObjectTruth, ...]:
    """Objects present in one row of poses (float32 [slots * 7])."""
    numbers = poses.tolist()
    rows = ((e, numbers[7 * e.slot : 7 * e.slot + 7]) for e in entries)
    return tuple(ObjectTruth(e.name, e.category, e.colour, _matrix(*row), e.size, e.instance) for e, row in rows if row[0] == row[0])


def _matrix(px: float, py: float, pz: float, w: float, x: float, y: float, z: float) -> np.ndarray:
    """Position and unit quaternion -> [4, 4]. In plain numbers: for a handful of objects a sample, array calls cost more than the sums."""
    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), px),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), py),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), pz),
            (0.0, 0.0, 0.0, 1.0),
        )
    )
