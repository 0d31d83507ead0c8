"""Statistics of vectors per dim: exact from arrays, pooled from parts, and of a whole dataset from its parquet alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.cache import cache_folder, content_key
from praxia.data.lerobot.tables import Tables
from praxia.data.lerobot.v21 import episode_statistics
from praxia.errors import DataError, unknown
from praxia.files import read_json, write_json
from praxia.registry import from_json, register

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


@register("data/statistics")
@dataclass(frozen=True)
class Statistics:
    """Per dim of one vector feature, over all rows of a dataset. Quantiles are empty where only pooled moments are known."""

    min: tuple[float, ...]
    max: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]  # population standard deviation
    count: int  # rows
    q01: tuple[float, ...] = ()
    q10: tuple[float, ...] = ()
    q50: tuple[float, ...] = ()
    q90: tuple[float, ...] = ()
    q99: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Dims."""
        return len(self.mean)

    def arrays(self) -> dict[str, np.ndarray]:
        """As float64 arrays [D] under LeRobot's names; `count` is int64 [1]."""
        out = {f.name: np.asarray(getattr(self, f.name), np.float64) for f in fields(self) if f.name != "count" and getattr(self, f.name)}
        return out | {"count": np.asarray([self.count], np.int64)}


def statistics_of(values: np.ndarray) -> Statistics:
    """Exact statistics of float [N, D] (or [N]). NaN entries (absent values) are left out; a dim without any value is all zeros."""
    values = np.asarray(values, np.float64).reshape(len(values), -1)
    if not len(values):
        raise DataError("statistics of zero rows were asked for; expected at least one")
    absent = np.isnan(values)
    low, high, mean, std, quantile = np.min, np.max, np.mean, np.std, np.quantile
    if absent.any():  # the NaN-aware functions are several times slower
        values = np.where(absent.all(axis=0), 0.0, values)
        low, high, mean, std, quantile = np.nanmin, np.nanmax, np.nanmean, np.nanstd, np.nanquantile
    q = quantile(values, list(QUANTILES.values()), axis=0)
    return Statistics(
        min=_row(low(values, axis=0)),
        max=_row(high(values, axis=0)),
        mean=_row(mean(values, axis=0)),
        std=_row(std(values, axis=0)),
        count=len(values),
        **{name: _row(row) for name, row in zip(QUANTILES, q, strict=True)},
    )


def pool(parts: Sequence[Statistics], approximate_quantiles: bool = False) -> Statistics:
    """Statistics of the union of disjoint parts: weighted means and pooled variance.

    Quantiles cannot be pooled; with `approximate_quantiles` they are weighted means of the parts' (good enough for pixels).
    """
    if not parts:
        raise DataError("no statistics to pool; expected at least one part")
    counts = np.asarray([p.count for p in parts], np.float64)[:, None]
    weight = counts / counts.sum()
    mean = (weight * [p.mean for p in parts]).sum(axis=0)
    variance = (weight * (np.square([p.std for p in parts]) + np.square(np.asarray([p.mean for p in parts]) - mean))).sum(axis=0)
    quantiles = {}
    if approximate_quantiles:
        quantiles = {name: _row((weight * [getattr(p, name) for p in parts]).sum(axis=0)) for name in QUANTILES}
    return Statistics(
        min=_row(np.min([p.min for p in parts], axis=0)),
        max=_row(np.max([p.max for p in parts], axis=0)),
        mean=_row(mean),
        std=_row(np.sqrt(variance)),
        count=int(counts.sum()),
        **quantiles,
    )


def dataset_statistics(root: Path | str, keys: Iterable[str]) -> dict[str, Statistics]:
    """Exact statistics of the named vector features from the parquet files (no video is opened), cached by content hash."""
    tables, keys = Tables(root), tuple(keys)
    for key in keys:
        if key not in tables.info.features or tables.info.features[key].is_picture:
            raise DataError(f"{root}: " + unknown("vector feature", key, tables.vector_keys()))
    path = cache_folder("statistics") / f"{content_key(tables.files, 1, keys)}.json"
    if path.is_file():
        return {key: from_json(value) for key, value in read_json(path).items()}
    found = {key: statistics_of(tables.column(key)) for key in keys}
    write_json(path, found)
    return found


def declared_statistics(root: Path | str) -> dict[str, Statistics]:
    """What the dataset's own meta folder says of its vector features: stats.json (v3.0, v2.0), or v2.1's per-episode statistics pooled.

    Files of v2.1 hold no quantiles and many v3.0 files lack them; use `dataset_statistics` for anything that is trained on.
    """
    tables = Tables(root)
    path = tables.root / "meta" / "stats.json"
    if path.is_file():
        parts = [read_json(path)]
    else:
        parts = episode_statistics(tables.root)
    found = {}
    for key in tables.vector_keys():
        of_key = [_declared(part[key], sum(e.stop - e.start for e in tables.episodes)) for part in parts if "mean" in part.get(key, {})]
        if of_key:
            found[key] = of_key[0] if len(of_key) == 1 else pool(of_key)
    return found


def _declared(values: dict[str, Any], rows: int) -> Statistics:
    flat = {name: _row(np.asarray(values[name], np.float64).reshape(-1)) for name in ("min", "max", "mean", "std", *QUANTILES) if name in values}
    return Statistics(count=int(np.asarray(values.get("count", rows)).reshape(-1)[0]), **flat)


def _row(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
