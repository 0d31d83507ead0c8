"""The numeric side of a LeRobotDataset of any version: episodes, tasks and parquet columns as numpy arrays."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from praxia.data.lerobot import v21, v30
from praxia.data.lerobot.features import V30, Info, read_info
from praxia.data.lerobot.meta import EpisodeEntry, Meta, read_parquet, row_count
from praxia.errors import DataError, unknown


def read_meta(root: Path | str) -> Meta:
    """Read the meta folder of a v3.0, v2.1 or v2.0 dataset; the version is detected."""
    info = read_info(root)
    return (v30 if info.version == V30 else v21).read_meta(Path(root), info)


def as_array(column: pa.ChunkedArray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A parquet column as [N, width] (lists) or [N] (scalars). Lists of unequal length or nulls raise DataError."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if array.null_count:
        raise DataError(f"{where}: {array.null_count} rows are null; fill or drop them")
    rows, width = len(array), int(np.prod(shape, dtype=np.int64))
    while pa.types.is_fixed_size_list(array.type) or pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        array = array.flatten()
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return np.asarray(array.to_pylist(), object)
    if pa.types.is_boolean(array.type):
        values = np.asarray(array.to_numpy(zero_copy_only=False), bool)
    else:
        values = np.asarray(array.to_numpy(zero_copy_only=False))
    if values.size != rows * width:
        raise DataError(f"{where}: {values.size} numbers in {rows} rows; info.json says {width} a row (shape {list(shape)}): correct one of them")
    return values if width == 1 and not _is_list(column.type) else values.reshape(rows, width)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)


class Tables:
    """Episodes and numeric columns of one dataset folder. Columns are read on first use and kept."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.meta = read_meta(root)
        self._columns: dict[str, np.ndarray] = {}

    @property
    def info(self) -> Info:
        """`meta/info.json`."""
        return self.meta.info

    @property
    def files(self) -> tuple[Path, ...]:
        """Data parquet files in row order."""
        return self.meta.files

    @property
    def episodes(self) -> tuple[EpisodeEntry, ...]:
        """All episodes in order."""
        return self.meta.episodes

    def __len__(self) -> int:
        return self.meta.episodes[-1].stop

    def vector_keys(self) -> tuple[str, ...]:
        """Features that are columns of numbers."""
        return tuple(k for k, f in self.info.features.items() if not f.is_picture and f.dtype not in ("string", "language"))

    @cached_property
    def file_rows(self) -> np.ndarray:
        """int64 [files + 1]: first row of each file; checked against the episodes."""
        counts = [row_count(path) for path in self.files]
        starts = np.concatenate([[0], np.cumsum(counts)])
        if starts[-1] != len(self):
            raise DataError(
                f"{self.root}: {starts[-1]} rows in the data files, {len(self)} in the episodes' metadata; "
                f"the dataset is truncated or was edited: copy or download it again"
            )
        return starts

    def column(self, key: str) -> np.ndarray:
        """All rows of a vector feature: [N, width] or, for scalar columns, [N]; dtype as stored, read-only."""
        if key not in self._columns:
            feature = self.info.features.get(key)
            if feature is None or feature.is_picture:
                raise DataError(f"{self.root}: " + unknown("vector feature", key, self.vector_keys()))
            assert self.file_rows is not None  # counts are checked before anything is indexed by row
            tables = [read_parquet(path, [key]) for path in self.files]
            for path, table in zip(self.files, tables, strict=True):
                if key not in table.column_names:
                    raise DataError(f"data file {path} has no column {key!r} although info.json declares it; the file belongs to another dataset")
            column = pa.chunked_array([chunk for t in tables for chunk in t.column(key).chunks], tables[0].schema.field(key).type)
            values = as_array(column, feature.shape, f"{self.root}, column {key!r}")
            values.setflags(write=False)
            self._columns[key] = values
        return self._columns[key]

    def picture_bytes(self, key: str, file: int) -> pa.ChunkedArray:
        """Encoded pictures (binary [rows of the file]) of an image feature."""
        column = read_parquet(self.files[file], [key]).column(key)
        if pa.types.is_struct(column.type):  # {bytes, path}
            column = pa.chunked_array([chunk.field("bytes") for chunk in column.chunks], pa.binary())
        return column
