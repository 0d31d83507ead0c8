"""Damaged and mislabelled datasets: the message says what is wrong and what to do; `verify` finds it too."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import recordings as R

from praxia.data.card import read_card, write_card
from praxia.data.lerobot.pictures import depth_png, png
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.lerobot.video import encode
from praxia.data.verify import verify
from praxia.errors import DataError, SpecMismatch

DATA = "data/chunk-000/file-000.parquet"
VIDEO = "videos/observation.images.head/chunk-000/file-000.mp4"
ALL = Want(horizon=4, depth=True, masks=True, objects=True)


def replace_column(root, key, values: pa.Array):
    table = pq.read_table(root / DATA)
    pq.write_table(table.set_column(table.column_names.index(key), table.schema.field(key), values), root / DATA)


def vectors(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values, np.float32).reshape(-1)), values.shape[1])


def column(root, key) -> np.ndarray:
    return np.stack(pq.read_table(root / DATA).column(key).to_numpy())


def assert_verified(root, *words: str):
    messages = " ".join(f.message for f in verify(root) if f.level == "error")
    assert all(word in messages for word in words), messages


def test_a_sound_dataset_has_no_findings(shared_little):
    assert verify(shared_little) == []


def test_a_folder_that_is_no_dataset(tmp_path):
    with pytest.raises(DataError, match="no LeRobotDataset"):
        LeRobotSource(tmp_path)
    assert_verified(tmp_path, "no LeRobotDataset")


def test_an_empty_dataset(copy_little):
    root = copy_little()
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"total_episodes": 0, "total_frames": 0}))
    with pytest.raises(DataError, match="is empty"):
        LeRobotSource(root)


@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_truncated_parquet(copy_little, keep):
    root = copy_little()
    data = (root / DATA).read_bytes()
    (root / DATA).write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match=r"file-000.parquet cannot be read.*truncated or corrupt"):
        LeRobotSource(root)
    assert_verified(root, "truncated or corrupt")


def test_corrupt_parquet(copy_little):
    root = copy_little()
    data = bytearray((root / DATA).read_bytes())
    data[200:4000] = bytes(3800)
    (root / DATA).write_bytes(bytes(data))
    with pytest.raises(DataError, match="cannot be read"):
        LeRobotSource(root).sample_at(0, ALL)
    assert_verified(root, "cannot be read")


def test_missing_rows(copy_little):
    root = copy_little()
    pq.write_table(pq.read_table(root / DATA).slice(0, 20), root / DATA)
    with pytest.raises(DataError, match="20 rows in the data files, 24"):
        LeRobotSource(root)


def test_missing_data_file_and_missing_video(copy_little):
    root = copy_little()
    (root / VIDEO).unlink()
    with pytest.raises(DataError, match=r"file-000.mp4 is missing; copy or download"):
        LeRobotSource(root)
    assert_verified(root, "file-000.mp4 is missing")
    (root / DATA).unlink()
    with pytest.raises(DataError, match=r"file-000.parquet is missing"):
        LeRobotSource(root)


def test_truncated_and_short_video(copy_little):
    root = copy_little()
    data = (root / VIDEO).read_bytes()
    (root / VIDEO).write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"truncated"):
        LeRobotSource(root).sample_at(20, ALL)
    assert_verified(root, "file-000.mp4", "truncated")
    encode(root / VIDEO, (R.picture(0, s) for s in range(15)), R.FPS)
    for store in (True, False):
        with pytest.raises(DataError, match="truncated"):
            LeRobotSource(root, store=store).sample_at(20, ALL)
    assert_verified(root, "has 15 frames, its episodes need 24")


def test_a_video_of_another_rate_and_size_is_found(copy_little):
    root = copy_little()
    encode(root / VIDEO, (R.picture(0, s)[:32] for s in range(24)), 10.0)
    assert_verified(root, "32 x 64", "drift")
    for store in (True, False):
        with pytest.raises(DataError, match=r"the picture is 32 x 64, info.json says 48 x 64"):
            LeRobotSource(root, store=store).sample_at(0, ALL)


def test_an_unknown_view_is_named(shared_little):
    with pytest.raises(DataError, match=r"unknown view 'hed'; did you mean 'head'"):
        LeRobotSource(shared_little).sample_at(0, Want(horizon=1, roles=("hed",)))
    with pytest.raises(DataError, match=r"unknown vector feature 'acton'; did you mean 'action'"):
        LeRobotSource(shared_little).columns("acton")


def test_nan_in_the_state(copy_little):
    root = copy_little()
    states = column(root, "observation.state")
    states[9, 1] = np.nan
    replace_column(root, "observation.state", vectors(states))
    with pytest.raises(DataError, match=r"'observation.state' is not finite in 1 rows, first in episode 1, frame 2"):
        LeRobotSource(root)
    assert_verified(root, "'observation.state' is not finite in 1 rows of episodes [1]")


def test_action_width_differs_from_the_card(copy_little):
    root = copy_little()
    card = read_card(root)
    narrow = card.action.__class__(card.action.dims[:1], card.action.rate_hz)
    write_card(root, card.__class__(**card.__dict__ | {"action": narrow}))
    with pytest.raises(SpecMismatch, match=r"action has 1 dims \(x\), 'action' has 2 numbers"):
        LeRobotSource(root)
    assert_verified(root, "action has 1 dims")


def test_depth_in_the_wrong_unit(copy_little):
    root = copy_little()
    card = read_card(root)
    for view in (card.views[0].__class__(**card.views[0].__dict__ | {"depth_unit": "m"}),):
        write_card(root, card.__class__(**card.__dict__ | {"views": (view,)}))
    with pytest.raises(DataError, match=r"card says depth_unit 'm', info.json of 'observation.depth.head' says 'mm'"):
        LeRobotSource(root).sample_at(0, ALL)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["observation.depth.head"]["info"] = {"is_depth_map": True}
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match=r"median depth is 500 m when read as m; .* as mm it would be 0.5 m: set depth_unit: mm"):
        LeRobotSource(root).sample_at(0, ALL)
    assert_verified(root, "set depth_unit: mm")


@pytest.mark.parametrize("K", [[0, 0, 0, 0], [60, 0, 31.5, 23.5], [60, np.nan, 31.5, 23.5]])
def test_intrinsics_that_no_camera_has(copy_little, K):
    root = copy_little()
    replace_column(root, "observation.cameras.head.intrinsics", vectors(np.tile(np.float32([K]), (24, 1))))
    with pytest.raises(DataError, match=r"view 'head'.*K "):
        LeRobotSource(root).sample_at(0, ALL)
    assert_verified(root, "view 'head'")


@pytest.mark.parametrize("T", [np.zeros((4, 4)), np.eye(4), np.diag([2.0, 2, 2, 1]), np.diag([1.0, 1, -1, 1])])
def test_placeholders_for_a_camera_pose(copy_little, T):
    root = copy_little()
    replace_column(root, "observation.cameras.head.T_base_cam", vectors(np.tile(T.reshape(1, 16), (24, 1))))
    with pytest.raises(DataError, match="T_base_cam"):
        LeRobotSource(root).sample_at(0, ALL)
    assert_verified(root, "observation.cameras.head.T_base_cam")


def test_timestamps_that_drift_are_mentioned(copy_little):
    root = copy_little()
    times = pq.read_table(root / DATA).column("timestamp").to_numpy() * 1.2
    replace_column(root, "timestamp", pa.array(times.astype(np.float32)))
    assert any(f.level == "warning" and "timestamps drift" in f.message for f in verify(root))


def test_stale_statistics_are_mentioned(copy_little):
    root = copy_little()
    path = root / "meta" / "stats.json"
    stats = json.loads(path.read_text())
    stats["action"]["mean"] = [0.0, 0.0]
    path.write_text(json.dumps(stats))
    assert any("declared statistics of 'action'" in f.message for f in verify(root))


def test_depth_of_another_size_than_its_picture(copy_little):
    root = copy_little()
    info = json.loads((root / "meta/info.json").read_text())
    height, width = info["features"]["observation.images.head"]["shape"][:2]
    info["features"]["observation.depth.head"]["shape"] = [height // 2, width // 2, 1]
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(
        DataError, match=rf"pictures .* are {height} x {width}, depth of 'observation.depth.head' is {height // 2} x {width // 2}; register"
    ):
        LeRobotSource(root).sample_at(0, ALL)


def test_depth_keeps_half_a_millimetre_and_marks_the_unknown():
    depth = np.array([[0.0, 0.1234, 1.0], [np.nan, np.inf, 70.0]], np.float32)
    import io

    from PIL import Image

    codes = np.asarray(Image.open(io.BytesIO(depth_png(depth))))
    assert codes.dtype == np.uint16 and codes.tolist() == [[0, 123, 1000], [0, 0, 0]]
    with pytest.raises(DataError, match=r"0..65535"):
        png(np.array([[70000]]))
