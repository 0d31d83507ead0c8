"""Meta folder of LeRobotDataset v2.1 and v2.0: JSON lines, one parquet and one video per episode. Read only."""

import json
from pathlib import Path
from typing import Any

from praxia.data.lerobot.features import Info
from praxia.data.lerobot.meta import EpisodeEntry, Meta, VideoSpan
from praxia.errors import DataError


def read_meta(root: Path, info: Info) -> Meta:
    """Read `meta/episodes.jsonl` and `meta/tasks.jsonl`."""
    episodes, files, start = [], [], 0
    rows = sorted(_lines(root / "meta" / "episodes.jsonl", ("episode_index", "length")), key=lambda row: row["episode_index"])
    if not rows:
        raise DataError(f"{root}: meta/episodes.jsonl has no line; the dataset is empty")
    for row in rows:
        number, length = int(row["episode_index"]), int(row["length"])
        place = {"episode_chunk": number // info.chunks_size, "episode_index": number}
        videos = {}
        for key in info.keys("video"):
            if info.video_path is None:
                raise DataError(f"{root}: feature {key!r} is video but info.json has no video_path; the file is damaged")
            videos[key] = VideoSpan(root / info.video_path.format(video_key=key, **place), 0.0)
        own = {k: v for k, v in row.items() if k not in ("episode_index", "length", "tasks")}
        tasks = row.get("tasks") or []
        tasks = [tasks] if isinstance(tasks, str) else tasks
        episodes.append(EpisodeEntry(number, start, start + length, tuple(tasks), videos, own))
        files.append(root / info.data_path.format(**place))
        start += length
    tasks = {int(row["task_index"]): str(row["task"]) for row in _lines(root / "meta" / "tasks.jsonl", ("task_index", "task"))}
    return Meta(info, tuple(episodes), tasks, tuple(files))


def episode_statistics(root: Path) -> list[dict[str, dict[str, Any]]]:
    """Per-episode statistics of v2.1 (`meta/episodes_stats.jsonl`): feature -> {min, max, mean, std, count}; empty for v2.0."""
    path = root / "meta" / "episodes_stats.jsonl"
    return [row["stats"] for row in _lines(path, ("episode_index", "stats"))] if path.is_file() else []


def _lines(path: Path, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"{path} is missing; copy or download the dataset's meta folder completely")
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is not valid JSON ({error}); the file is truncated or edited: copy it again") from error
        for name in needed:
            if name not in row:
                raise DataError(f"{path}, line {number} has no field {name!r}; found {', '.join(row)}")
        rows.append(row)
    return rows
