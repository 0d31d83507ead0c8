"""Meta folder of LeRobotDataset v3.0: episodes, tasks and files in parquet, many episodes per file."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from praxia.data.lerobot.features import Info
from praxia.data.lerobot.meta import EpisodeEntry, Meta, VideoSpan, column_names, read_parquet
from praxia.errors import DataError

_OWN_COLUMNS = ("episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index")
_OWN_FOLDERS = ("data/", "videos/", "meta/", "stats/")


def read_meta(root: Path, info: Info) -> Meta:
    """Read `meta/tasks.parquet` and `meta/episodes/`."""
    paths = sorted((root / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    if not paths:
        raise DataError(f"{root}: meta/episodes/ has no parquet file; the dataset is incomplete (was finalize() called?): copy or record it again")
    rows: list[dict[str, Any]] = []
    for path in paths:
        names = column_names(path)
        rows += read_parquet(path, [name for name in names if not name.startswith("stats/")]).to_pylist()  # statistics are most of the file
    try:
        rows.sort(key=lambda row: row["episode_index"])
        episodes = tuple(_episode(root, info, row) for row in rows)
        files = sorted({(row["data/chunk_index"], row["data/file_index"]) for row in rows})
    except KeyError as error:
        raise DataError(f"{root}: meta/episodes/ has no column {error}; the folder was not written by a LeRobotDataset v3.0 writer") from error
    stop = 0
    for episode in episodes:
        if episode.start != stop or episode.stop <= episode.start:
            raise DataError(
                f"{root}: episode {episode.index} has rows {episode.start}..{episode.stop}, expected a start at {stop}; meta/episodes is damaged"
            )
        stop = episode.stop
    paths_of = tuple(root / info.data_path.format(chunk_index=chunk, file_index=file) for chunk, file in files)
    return Meta(info, episodes, _tasks(root), paths_of)


def _episode(root: Path, info: Info, row: dict[str, Any]) -> EpisodeEntry:
    videos = {}
    for key in info.keys("video"):
        if info.video_path is None:
            raise DataError(f"{root}: feature {key!r} is video but info.json has no video_path; the file is damaged")
        path = info.video_path.format(video_key=key, chunk_index=row[f"videos/{key}/chunk_index"], file_index=row[f"videos/{key}/file_index"])
        videos[key] = VideoSpan(root / path, float(row[f"videos/{key}/from_timestamp"]))
    own = {k: v for k, v in row.items() if k not in _OWN_COLUMNS and not k.startswith(_OWN_FOLDERS)}
    return EpisodeEntry(row["episode_index"], row["dataset_from_index"], row["dataset_to_index"], tuple(row["tasks"]), videos, own)


def _tasks(root: Path) -> dict[int, str]:
    """The instruction is the pandas index of `tasks.parquet`: a column named `task`, or `__index_level_0__` in early files."""
    table: pa.Table = read_parquet(root / "meta" / "tasks.parquet")
    name = next((n for n in ("task", "__index_level_0__") if n in table.column_names), None)
    if name is None or "task_index" not in table.column_names:
        raise DataError(f"{root}/meta/tasks.parquet has columns {table.column_names}; expected task_index and task (or __index_level_0__)")
    return dict(zip(table.column("task_index").to_pylist(), table.column(name).to_pylist(), strict=True))
