"""LeRobotDataset v3.0 writer: episodes become shards as they come, one assembly makes the dataset, one rename publishes it.

Layout and field names: LeRobotDataset v3.0 (`field/codebases.md` §6.1), checked by opening the result with lerobot itself.
Equal inputs give equal bytes.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from praxia.data.card import write_card
from praxia.data.lerobot import video
from praxia.data.lerobot.features import BOOKKEEPING, DATA_PATH, EPISODES_PATH, OBJECT_POSES, V30, VIDEO_PATH, Feature
from praxia.data.lerobot.objects import objects_table
from praxia.data.lerobot.shard import EpisodeData, Shard, arrow_type, write_shard
from praxia.data.statistics import Statistics, pool, statistics_of
from praxia.errors import DataError
from praxia.files import write_json
from praxia.specs import DatasetCard

DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
FILES_PER_CHUNK = 1000
EPISODES_PER_META_FILE = 5000
_OBJECT_WIDTH = 7
_MB = 1 << 20


class LeRobotWriter:
    """Write a new dataset folder episode by episode.

        writer = LeRobotWriter(root, features, fps=20, card=card)
        writer.add(EpisodeData(task, columns, frames))
        writer.finalize()

    Nothing exists at `root` before `finalize`; until then the episodes are shards in the hidden folder beside it.
    """

    def __init__(self, root: Path | str, features: Mapping[str, Feature], fps: float, robot_type: str = "", card: DatasetCard | None = None) -> None:
        self.root, self.features, self.fps = Path(root), dict(features), fps
        self.robot_type, self.card = robot_type, card
        if self.root.exists():
            raise DataError(f"{self.root} exists; choose another folder or remove it first")
        self._work = work_folder(self.root)
        shutil.rmtree(self._work, ignore_errors=True)
        self._shards: list[Shard] = []

    def add(self, episode: EpisodeData) -> None:
        """Write one episode to disk."""
        path = self._work / "shards" / f"episode_{len(self._shards):06d}"
        self._shards.append(write_shard(path, episode, self.features, self.fps))

    def finalize(self) -> Path:
        """Assemble all episodes and publish the dataset at `root`."""
        assemble(self.root, self._shards, self.features, self.fps, self.robot_type, self.card)
        return self.root


def work_folder(root: Path) -> Path:
    """Hidden folder beside `root` that holds shards until the dataset is published."""
    return root.parent / f".{root.name}.partial"


def assemble(
    root: Path,
    shards: Sequence[Shard],
    features: Mapping[str, Feature],
    fps: float,
    robot_type: str = "",
    card: DatasetCard | None = None,
    extra: Mapping[str, Any] | None = None,
    data_file_mb: float = DATA_FILE_MB,
    video_file_mb: float = VIDEO_FILE_MB,
) -> None:
    """Make one dataset of finished shards (all with these features, in this order) and rename it to `root`.

    extra: JSON written to `meta/praxia.json`. The shards' folder is removed after success.
    """
    if not shards:
        raise DataError(f"{root}: no episode to write; a dataset needs at least one")
    work = work_folder(root)
    out = work / "dataset"
    shutil.rmtree(out, ignore_errors=True)
    features = _widest_objects(features, shards)
    tasks = {task: i for i, task in enumerate(dict.fromkeys(s.task for s in shards))}
    rows: list[dict[str, Any]] = [{"episode_index": i, "tasks": [s.task], "length": s.length, **s.fields} for i, s in enumerate(shards)]
    vectors = _write_data(out, shards, features, fps, tasks, rows, data_file_mb)
    for key, feature in features.items():
        if feature.dtype == "video":
            _write_videos(out, key, shards, fps, rows, video_file_mb)
    _write_episodes(out, shards, features, rows)
    _write_tasks(out, tasks)
    statistics = {key: statistics_of(values) for key, values in vectors.items()}
    statistics |= {k: pool([s.statistics[k] for s in shards], approximate_quantiles=True) for k, f in features.items() if f.is_picture}
    write_json(out / "meta" / "stats.json", {k: _lerobot_statistics(s, k in features and features[k].is_picture) for k, s in statistics.items()})
    write_json(out / "meta" / "info.json", _info(features, fps, robot_type, shards, len(tasks)))
    if any(s.objects for s in shards):
        pq.write_table(objects_table([(i, row) for i, s in enumerate(shards) for row in s.objects]), out / "meta" / "objects.parquet")
    if extra is not None:
        write_json(out / "meta" / "praxia.json", extra)
    if card is not None:
        write_card(out, card)
    os.rename(out, root)
    shutil.rmtree(work)


def _widest_objects(features: Mapping[str, Feature], shards: Sequence[Shard]) -> dict[str, Feature]:
    """Episodes may have unequal numbers of objects: the column is as wide as the fullest scene, the rest is NaN."""
    if OBJECT_POSES not in features:
        return dict(features)
    slots = max(1, max(len(s.objects) for s in shards))
    return dict(features) | {OBJECT_POSES: Feature("float32", (slots * _OBJECT_WIDTH,))}


def _write_data(
    out: Path,
    shards: Sequence[Shard],
    features: Mapping[str, Feature],
    fps: float,
    tasks: Mapping[str, int],
    rows: list[dict[str, Any]],
    limit_mb: float,
) -> dict[str, np.ndarray]:
    """Write the data files, note each episode's place in `rows`; returns the vector columns of the whole dataset."""
    schema = pa.schema(
        [pa.field(key, arrow_type(f)) for key, f in features.items() if f.dtype != "video"]
        + [pa.field(key, pa.from_numpy_dtype(np.dtype(kind))) for key, kind in BOOKKEEPING.items()]
    )
    parts: dict[str, list[np.ndarray]] = {}
    writer, size, number, first = None, 0.0, -1, 0
    try:
        for i, shard in enumerate(shards):
            table = _rows_of(shard, i, first, features, fps, tasks).cast(schema)
            if writer is None or size + table.nbytes > limit_mb * _MB:
                if writer is not None:
                    writer.close()
                number, size = number + 1, 0.0
                path = out / DATA_PATH.format(chunk_index=number // FILES_PER_CHUNK, file_index=number % FILES_PER_CHUNK)
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = pq.ParquetWriter(path, schema, compression="snappy", write_statistics=False)  # pictures have no order
            writer.write_table(table)
            size += table.nbytes
            rows[i] |= {"data/chunk_index": number // FILES_PER_CHUNK, "data/file_index": number % FILES_PER_CHUNK}
            rows[i] |= {"dataset_from_index": first, "dataset_to_index": first + shard.length}
            first += shard.length
            for field in schema:
                if field.type != arrow_type(Feature("image", ())) and not pa.types.is_string(field.type):
                    parts.setdefault(field.name, []).append(_numbers(table.column(field.name), shard.length))
    finally:
        if writer is not None:
            writer.close()
    return {key: np.concatenate(values) for key, values in parts.items()}


def _rows_of(shard: Shard, episode: int, first: int, features: Mapping[str, Feature], fps: float, tasks: Mapping[str, int]) -> pa.Table:
    table, count = shard.table(), shard.length
    if OBJECT_POSES in features:
        place, wanted = table.column_names.index(OBJECT_POSES), features[OBJECT_POSES].width
        poses = np.full((count, wanted), np.nan, np.float32)
        found = _numbers(table.column(OBJECT_POSES), count)
        poses[:, : found.shape[1]] = found
        table = table.set_column(place, OBJECT_POSES, pa.FixedSizeListArray.from_arrays(pa.array(poses.reshape(-1)), wanted))
    frame = np.arange(count, dtype=np.int64)
    own = {
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full(count, episode, np.int64),
        "index": frame + first,
        "task_index": np.full(count, tasks[shard.task], np.int64),
    }
    for key, values in own.items():
        table = table.append_column(key, pa.array(values))
    return table


def _numbers(column: pa.ChunkedArray, count: int) -> np.ndarray:
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(count, -1)


def _write_videos(out: Path, key: str, shards: Sequence[Shard], fps: float, rows: list[dict[str, Any]], limit_mb: float) -> None:
    """Join the episodes' videos into files below the size limit and note where each episode starts."""
    groups: list[list[int]] = []
    size = 0.0
    for i, shard in enumerate(shards):
        bytes_ = shard.video(key).stat().st_size
        if not groups or size + bytes_ > limit_mb * _MB:
            groups.append([])
            size = 0.0
        groups[-1].append(i)
        size += bytes_
    rate = float(video.rate(fps))
    for number, group in enumerate(groups):
        chunk, file = number // FILES_PER_CHUNK, number % FILES_PER_CHUNK
        path = out / VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file)
        path.parent.mkdir(parents=True, exist_ok=True)
        video.concatenate(path, [shards[i].video(key) for i in group], fps)
        first = 0
        for i in group:
            rows[i][f"videos/{key}/chunk_index"], rows[i][f"videos/{key}/file_index"] = chunk, file
            rows[i][f"videos/{key}/from_timestamp"] = first / rate
            first += shards[i].length
            rows[i][f"videos/{key}/to_timestamp"] = first / rate


def _write_episodes(out: Path, shards: Sequence[Shard], features: Mapping[str, Feature], rows: list[dict[str, Any]]) -> None:
    """`meta/episodes`: one row an episode with its place, its fields and its statistics."""
    for row, shard in zip(rows, shards, strict=True):
        for key, found in shard.statistics.items():
            row |= {f"stats/{key}/{name}": value for name, value in _lerobot_statistics(found, features[key].is_picture).items()}
    names = list(dict.fromkeys(name for row in rows for name in row))
    for start in range(0, len(rows), EPISODES_PER_META_FILE):
        number, chosen = start // EPISODES_PER_META_FILE, rows[start : start + EPISODES_PER_META_FILE]
        chunk, file = number // FILES_PER_CHUNK, number % FILES_PER_CHUNK
        for row in chosen:
            row |= {"meta/episodes/chunk_index": chunk, "meta/episodes/file_index": file}
        path = out / EPISODES_PATH.format(chunk_index=chunk, file_index=file)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pydict({name: [row.get(name) for row in chosen] for name in names}), path, compression="snappy")


def _lerobot_statistics(found: Statistics, picture: bool) -> dict[str, Any]:
    """LeRobot's form: vectors [D], pictures [channels, 1, 1], count [1]."""
    out = {name: values.tolist() for name, values in found.arrays().items()}
    return {name: [[[v]] for v in values] if picture and name != "count" else values for name, values in out.items()}


def _write_tasks(out: Path, tasks: Mapping[str, int]) -> None:
    """`meta/tasks.parquet`: LeRobot reads the instruction from the pandas index, so the schema says that `task` is the index."""
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
    ]
    pandas = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "creator": {"library": "pyarrow", "version": pa.__version__}}
    table = pa.table({"task_index": pa.array(list(tasks.values()), pa.int64()), "task": pa.array(list(tasks), pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), out / "meta" / "tasks.parquet")


def _info(features: Mapping[str, Feature], fps: float, robot_type: str, shards: Sequence[Shard], tasks: int) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for key, feature in features.items():
        described[key] = {"dtype": feature.dtype, "shape": list(feature.shape), "names": feature.names}
        if feature.info or feature.dtype == "video":
            described[key]["info"] = feature.info | (video.video_info(fps, *feature.size) if feature.dtype == "video" else {})
    described |= {key: {"dtype": kind, "shape": [1], "names": None} for key, kind in BOOKKEEPING.items()}
    return {
        "codebase_version": V30,
        "robot_type": robot_type or None,
        "total_episodes": len(shards),
        "total_frames": sum(s.length for s in shards),
        "total_tasks": tasks,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": int(fps) if float(fps).is_integer() else fps,
        "splits": {"train": f"0:{len(shards)}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if any(f.dtype == "video" for f in features.values()) else None,
        "features": described,
    }
