"""LeRobotDataset v3.0: what is written is what is read."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import recordings as R

from praxia.data.lerobot.features import FRESH, OBJECT_POSES, Feature, read_info
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.lerobot.shard import EpisodeData, write_shard
from praxia.data.lerobot.video import VideoReader, decode_in_order, encode
from praxia.data.lerobot.writer import LeRobotWriter, assemble, work_folder
from praxia.errors import DataError

ALL = Want(horizon=8, history=3, depth=True, masks=True, objects=True, tool_horizon=5)
STARTS = np.concatenate([[0], np.cumsum(R.LENGTHS)])


def test_every_row_comes_back_with_all_its_parts(shared_little):
    source = LeRobotSource(shared_little)
    assert len(source) == sum(R.LENGTHS) and [e.stop - e.start for e in source.episodes] == list(R.LENGTHS)
    for episode, length in enumerate(R.LENGTHS):
        for step in range(length):
            sample = source.sample_at(int(STARTS[episode]) + step, ALL)
            assert sample.instruction == R.TASKS[episode] and sample.target == "red box" and sample.embodiment == "arm"
            assert (sample.provenance.episode, sample.provenance.frame, sample.provenance.licence) == (episode, step, "CC0-1.0")
            assert np.array_equal(sample.state, R.vectors(episode, length)["observation.state"][step])
            view = sample.views[0]
            assert np.abs(view.image.astype(int) - R.picture(episode, step)).mean() < 2.5
            assert np.allclose(view.depth, R.depth(step), atol=1e-6) and view.depth.dtype == np.float32
            assert np.array_equal(view.mask, R.mask(step)) and view.mask.dtype == np.int32
            assert np.allclose(view.camera.K, [[60, 0, 31.5], [0, 61, 23.5], [0, 0, 1]])
            assert np.allclose(view.camera.T_base_cam, R.camera_pose(step), atol=1e-6)
            truth = R.objects(step)
            assert [o.name for o in sample.objects] == [o.name for o in truth]
            for ours, theirs in zip(sample.objects, truth, strict=True):
                assert np.allclose(ours.T_base_object, theirs.T_base_object, atol=1e-6)
                assert np.allclose(ours.size, theirs.size) and (ours.category, ours.colour, ours.instance) == ("box", "red", 300)


def test_windows_stop_at_the_edges_of_an_episode(shared_little):
    source = LeRobotSource(shared_little)
    first, last = source.sample_at(7, ALL), source.sample_at(18, ALL)
    assert first.past.valid.tolist() == [False] * 3 and first.future.valid.all()
    assert last.past.valid.all() and last.future.valid.tolist() == [True] + [False] * 7
    actions = R.vectors(1, 12)["action"]
    assert np.array_equal(first.future.actions, actions[:8]) and np.array_equal(last.past.actions, actions[8:11])
    assert np.array_equal(first.past.actions, np.repeat(actions[:1], 3, axis=0))  # repeated, never another episode's
    assert np.array_equal(last.future.states, np.repeat(source.states[18:19], 8, axis=0))
    assert first.tool_path["arm"].shape == (5, 4, 4) and last.tool_path["arm"].shape == (1, 4, 4)
    assert np.allclose(first.tool_path["arm"][2], R.tool_pose(2), atol=1e-6)


def test_absent_parts_are_absent(shared_little):
    sample = LeRobotSource(shared_little).sample_at(0, Want(horizon=0, roles=()))
    assert sample.views == () and sample.past is None and sample.future is None and sample.objects == () and sample.tool_path == {}


def test_shrunk_pictures_carry_their_camera(shared_little):
    source = LeRobotSource(shared_little, max_side=32)
    view = source.sample_at(3, ALL).views[0]
    assert view.image.shape == (24, 32, 3) and view.depth.shape == view.mask.shape == (24, 32)
    assert np.allclose(view.camera.K, [[30, 0, 15.5], [0, 30.5, 11.5], [0, 0, 1]])  # (c + 0.5) / 2 - 0.5
    full = R.picture(0, 3).astype(float)
    assert np.abs(view.image - full.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))).mean() < 6
    assert set(np.unique(view.mask)) == {0, 300}


def test_an_upside_down_view_is_turned_with_its_camera(shared_little):
    card = R.card()
    turned = card.__class__(**card.__dict__ | {"views": (card.views[0].__class__(**card.views[0].__dict__ | {"rotate180": True}),)})
    before = LeRobotSource(shared_little).sample_at(2, ALL).views[0]
    after = LeRobotSource(shared_little, turned).sample_at(2, ALL).views[0]
    assert np.array_equal(after.image, before.image[::-1, ::-1]) and np.array_equal(after.mask, before.mask[::-1, ::-1])
    point = np.array([0.1, 0.05, 0.3, 1.0])  # in the base frame

    def pixel(camera):
        p = camera.K @ (np.linalg.inv(camera.T_base_cam) @ point)[:3]
        return p[:2] / p[2]

    assert after.camera.K[0, 0] > 0 and after.camera.K[1, 1] > 0
    assert np.allclose(pixel(after.camera), [R.W - 1, R.H - 1] - pixel(before.camera))


def test_stored_and_decoded_on_demand_are_the_same_pictures(shared_little):
    stored, direct = LeRobotSource(shared_little), LeRobotSource(shared_little, store=False)
    for row in (0, 11, 6, 23, 12, 7):
        a, b = stored.sample_at(row, ALL).views[0], direct.sample_at(row, ALL).views[0]
        assert np.array_equal(a.image, b.image) and np.array_equal(a.depth, b.depth) and np.array_equal(a.mask, b.mask)
        assert np.array_equal(a.image, direct.frame("observation.images.head", row))


def test_a_repeated_picture_is_stored_once(tmp_path):
    root = R.write_little(tmp_path / "every3", picture_every=3)
    source = LeRobotSource(root, cache=tmp_path / "cache")
    assert source.rows().tolist() == [r for s, n in zip(STARTS, R.LENGTHS, strict=False) for r in range(s, s + n, 3)]
    for row in (0, 1, 2, 7, 9, 10):
        step = row - (7 if row >= 7 else 0)
        shown = R.picture(int(row >= 7), step - step % 3)
        assert np.abs(source.sample_at(row, ALL).views[0].image.astype(int) - shown).mean() < 2.5
    frames = next((tmp_path / "cache").glob("*/frames.npy"))
    assert len(np.load(frames, mmap_mode="r")) == len(source.rows()) < len(source)


def test_equal_inputs_give_equal_bytes(shared_little, tmp_path):
    def digest(root: Path) -> dict[str, str]:
        return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}

    assert digest(R.write_little(tmp_path / "again")) == digest(shared_little)


def test_nothing_is_published_before_the_end(tmp_path):
    root = tmp_path / "unfinished"
    writer = LeRobotWriter(root, R.FEATURES, R.FPS, card=R.card())
    writer.add(R.episode(0, 5, "push"))
    assert not root.exists()
    with pytest.raises(DataError, match="columns have 5 rows"):
        broken = R.episode(1, 5, "push")
        writer.add(EpisodeData(broken.task, broken.columns, {"observation.images.head": [R.picture(0, 0)] * 3}, broken.pictures))
    writer.finalize()
    assert len(LeRobotSource(root).episodes) == 1 and not work_folder(root).exists()
    with pytest.raises(DataError, match="exists"):
        LeRobotWriter(root, R.FEATURES, R.FPS)


def test_files_are_split_at_the_size_limit_and_read_as_one(tmp_path):
    root = tmp_path / "split"
    shards = [write_shard(work_folder(root) / "shards" / str(i), R.episode(i, 9, f"task {i}"), R.FEATURES, R.FPS) for i in range(4)]
    assemble(root, shards, R.FEATURES, R.FPS, card=R.card(), data_file_mb=0.01, video_file_mb=0.004)
    assert len(list(root.glob("data/*/*.parquet"))) > 1 and len(list(root.glob("videos/*/*/*.mp4"))) > 1
    source = LeRobotSource(root)
    for episode in range(4):
        sample = source.sample_at(9 * episode + 4, ALL)
        assert sample.instruction == f"task {episode}" and sample.state[1] == episode
        assert np.abs(sample.views[0].image.astype(int) - R.picture(episode, 4)).mean() < 2.5 and np.array_equal(sample.views[0].mask, R.mask(4))


def test_meta_says_what_lerobot_expects(shared_little):
    info = read_info(shared_little)
    assert info.version == "v3.0" and info.features["observation.depth.head"].info["depth_unit"] == "mm"
    assert info.raw["splits"] == {"train": "0:3"} and info.features[FRESH].dtype == "bool" and info.features[OBJECT_POSES].shape == (7,)
    stats = json.loads((shared_little / "meta" / "stats.json").read_text())
    values = np.concatenate([R.vectors(i, n)["action"] for i, n in enumerate(R.LENGTHS)])
    assert np.allclose(stats["action"]["q10"], np.quantile(values, 0.1, axis=0)) and stats["action"]["count"] == [len(values)]
    assert np.shape(stats["observation.images.head"]["mean"]) == (3, 1, 1) and 0 < stats["observation.images.head"]["mean"][0][0][0] < 1
    episodes = pq.read_table(shared_little / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert np.allclose(episodes[1]["stats/action/mean"], R.vectors(1, 12)["action"].mean(axis=0)) and episodes[1]["seed"] == 11


def test_any_frame_is_found_in_any_order(tmp_path, rng):
    frames = [R.picture(0, step) for step in range(40)]
    assert encode(tmp_path / "a.mp4", frames, 12.5) == 40
    inorder, reader = dict(decode_in_order(tmp_path / "a.mp4", range(40))), VideoReader(tmp_path / "a.mp4")
    assert len(reader) == 40 and abs(reader.fps - 12.5) < 1e-6 and np.allclose(reader.times(), np.arange(40) / 12.5)
    for number in [*rng.permutation(40), 0, 39, 39, 38]:
        assert np.array_equal(reader.read(int(number)), inorder[number])
    some = dict(decode_in_order(tmp_path / "a.mp4", {3, 17}))
    assert list(some) == [3, 17] and np.array_equal(some[17], inorder[17])


def test_odd_picture_sides_are_refused(tmp_path):
    with pytest.raises(DataError, match="even"):
        encode(tmp_path / "odd.mp4", [np.zeros((33, 48, 3), np.uint8)], 10)


def test_channels_first_shapes_are_understood():
    assert Feature("video", (3, 48, 64), ["channels", "height", "width"]).size == (48, 64)
    assert Feature("image", (48, 64, 3)).size == (48, 64) and Feature("image", (3, 48, 64)).size == (48, 64)


def test_a_source_survives_pickling_without_its_pictures(shared_little):
    import pickle

    source = LeRobotSource(shared_little)
    before = source.sample_at(5, ALL)
    data = pickle.dumps(source)
    assert len(data) < 200_000
    assert np.array_equal(pickle.loads(data).sample_at(5, ALL).views[0].image, before.views[0].image)
