"""Changing one column of a dataset on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def rewrite_column(root: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Every row's vector through `change`, in every file that has the column."""
    for path in Path(root).glob("data/**/*.parquet"):
        table = pq.read_table(path)
        rows = [np.asarray(change(np.asarray(row)), np.float32) for row in table[name].to_pylist()]
        place = table.schema.get_field_index(name)
        pq.write_table(table.set_column(place, table.schema.field(name), pa.array(list(rows), type=table.schema.field(name).type)), path)
