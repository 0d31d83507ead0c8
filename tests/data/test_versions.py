"""Datasets of earlier versions, and the two spellings of the tasks file, read as they are."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import recordings as R
from old_format import write_v21

from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.statistics import dataset_statistics, declared_statistics
from praxia.data.verify import verify
from praxia.errors import DataError

WANT = Want(horizon=4, history=2)


@pytest.mark.parametrize("version", ["v2.1", "v2.0"])
def test_old_and_new_versions_give_the_same_samples(shared_little, tmp_path, version):
    old, new = LeRobotSource(write_v21(tmp_path / "old", version)), LeRobotSource(shared_little)
    assert old.info.version == version and len(old) == len(new)
    for row in range(len(new)):
        a, b = old.sample_at(row, WANT), new.sample_at(row, WANT)
        assert a.instruction == b.instruction and np.array_equal(a.state, b.state)
        assert np.array_equal(a.future.actions, b.future.actions) and np.array_equal(a.past.valid, b.past.valid)
        assert np.array_equal(a.views[0].image, b.views[0].image)
        assert np.allclose(a.views[0].camera.K, b.views[0].camera.K)
    assert verify(old.root) == []


def test_pooled_episode_statistics_agree_with_the_data(tmp_path):
    root = write_v21(tmp_path / "old")
    said, found = declared_statistics(root), dataset_statistics(root, ["action", "observation.state"])
    for key in found:
        for name in ("min", "max", "mean", "std", "count"):
            assert np.allclose(getattr(said[key], name), getattr(found[key], name), atol=1e-5), (key, name)
        assert said[key].q50 == () and len(found[key].q50) == found[key].width


def test_the_instruction_may_be_an_unnamed_pandas_index(copy_little):
    root = copy_little()
    path = root / "meta" / "tasks.parquet"
    table = pq.read_table(path).replace_schema_metadata(None)
    pq.write_table(table.rename_columns(["__index_level_0__" if n == "task" else n for n in table.column_names]), path)
    assert LeRobotSource(root).sample_at(8, WANT).instruction == R.TASKS[1]
    pq.write_table(table.rename_columns(["phrase" if n == "task" else n for n in table.column_names]), path)
    with pytest.raises(DataError, match="task_index and task"):
        LeRobotSource(root)


def test_an_unknown_version_is_refused_by_name(copy_little):
    root = copy_little()
    info = root / "meta" / "info.json"
    info.write_text(info.read_text().replace('"v3.0"', '"v1.6"'))
    with pytest.raises(DataError, match=r"'v1.6'; v3.0, v2.1 and v2.0 are read"):
        LeRobotSource(root)
