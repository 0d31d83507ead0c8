"""What every version of a LeRobotDataset says in its meta folder, and parquet files read with errors a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from praxia.data.lerobot.features import Info
from praxia.errors import DataError


@dataclass(frozen=True)
class VideoSpan:
    """Where an episode's pictures are in a video file: the first frame's number is from_seconds * fps, to the nearest."""

    path: Path
    from_seconds: float


@dataclass(frozen=True)
class EpisodeEntry:
    """One episode: rows [start, stop) of the dataset, its tasks, its videos by feature key and any further fields kept with it."""

    index: int
    start: int
    stop: int
    tasks: tuple[str, ...]
    videos: dict[str, VideoSpan]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Meta:
    """What the meta folder says, the same for every version on disk."""

    info: Info
    episodes: tuple[EpisodeEntry, ...]
    tasks: dict[int, str]  # task_index -> instruction
    files: tuple[Path, ...]  # data parquet files in row order


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A parquet file (some columns of it) with errors a user can act on."""
    with _readable(path):
        return pq.ParquetFile(path, memory_map=True).read(columns)


def column_names(path: Path) -> list[str]:
    """Columns of a parquet file, from its footer."""
    with _readable(path):
        return pq.read_schema(path).names


def row_count(path: Path) -> int:
    """Rows of a parquet file, from its footer."""
    with _readable(path):
        return pq.read_metadata(path).num_rows


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise DataError(f"data file {path} is missing; copy or download the dataset completely")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"data file {path} cannot be read ({error}); it is truncated or corrupt (a writer that did not finalize leaves no footer): "
            f"copy it again, or record again"
        ) from error
