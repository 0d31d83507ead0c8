"""Statistics: exact, from parquet alone, cached by content, pooled correctly."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from praxia.data.statistics import QUANTILES, dataset_statistics, pool, statistics_of
from praxia.errors import DataError
from praxia.registry import from_json, to_json


def test_statistics_agree_with_numpy(rng):
    values = rng.normal(3, 2, (500, 4)).astype(np.float32)
    found = statistics_of(values)
    assert np.allclose(found.mean, values.mean(axis=0)) and np.allclose(found.std, values.std(axis=0), atol=1e-5)
    for name, q in QUANTILES.items():
        assert np.allclose(getattr(found, name), np.quantile(values.astype(np.float64), q, axis=0))
    assert found.count == 500 and found.width == 4 and found.arrays()["q99"].shape == (4,)
    assert from_json(to_json(found)) == found


def test_absent_values_do_not_count(rng):
    values = rng.normal(size=(100, 2))
    values[50:, 0] = np.nan
    found = statistics_of(np.c_[values, np.full(100, np.nan)])
    assert np.allclose(found.mean, [values[:50, 0].mean(), values[:, 1].mean(), 0.0]) and np.isfinite(found.q01).all()


def test_pooling_parts_equals_the_whole(rng):
    parts = [rng.normal(m, 1 + m, (n, 3)) for m, n in ((0, 40), (2, 7), (-1, 200))]
    whole, pooled = statistics_of(np.concatenate(parts)), pool([statistics_of(p) for p in parts])
    for name in ("min", "max", "mean", "std", "count"):
        assert np.allclose(getattr(pooled, name), getattr(whole, name))
    assert pooled.q50 == ()


def test_dataset_statistics_open_no_video_and_follow_the_content(copy_little):
    root = copy_little()
    shutil.rmtree(root / "videos")
    before = dataset_statistics(root, ["action"])["action"]
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    place = table.column_names.index("action")
    doubled = table.column("action").combine_chunks()
    doubled = type(doubled).from_arrays(doubled.flatten().to_numpy() * 2, 2)
    pq.write_table(table.set_column(place, table.schema.field("action"), doubled), root / "data/chunk-000/file-000.parquet")
    after = dataset_statistics(root, ["action"])["action"]
    assert np.allclose(np.multiply(before.q90, 2), after.q90)
    assert dataset_statistics(root, ["action"])["action"] == after


def test_unknown_keys_are_named(shared_little):
    with pytest.raises(DataError, match="did you mean 'action'"):
        dataset_statistics(shared_little, ["acton"])
