"""Clips of hands and what was annotated of them, as training reads them."""

import shutil
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from praxia.data.hand_clips import CommonCamera, HandMotions, HandQuestions, RecordedClips
from praxia.data.hand_clips.tables import CATEGORIES, MOTIONS, SCHEMAS, Annotated
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError, SpecMismatch
from praxia.geometry.camera import project, unproject
from praxia.geometry.se3 import apply, invert
from praxia.specs.hands import SIDES, WRIST


def test_questions_come_with_their_pictures_in_order(annotated_hands):
    source = HandQuestions(str(annotated_hands)).open()
    assert len(source) > 30 and source.cameras[0].height == 96 and len(source.texts()) > 20
    for index in range(len(source)):
        sample = source.sample(index, Needs())
        times = [v.time for v in sample.views]
        assert 1 <= len(times) <= 4 and times == sorted(times) and times[-1] == 0 and sample.category in CATEGORIES
        assert sample.question.endswith(("?", ".")) and "{" not in sample.question and sample.answer
        assert all(v.image.shape == (96, 96, 3) and v.camera.T_base_cam is not None and v.role == "head" for v in sample.views)
        if sample.category in ("hand_movement", "camera_movement"):
            assert len(times) == 2
        elif len(times) > 1:
            assert np.allclose(np.diff(times), 1.0, atol=0.21), "one picture a second"
    assert source.sample(0, Needs(pictures=False)).views == ()


def test_splits_share_no_clip_and_one_task_is_whole(annotated_hands, hand_clips):
    clips = RecordedClips(str(hand_clips)).open()
    seen = {split: HandQuestions(str(annotated_hands), split).open() for split in ("train", "held_out")}
    train, held = (set(source.episodes.tolist()) for source in seen.values())
    assert not train & held and {clips.clip(i).task for i in train} == {"reach", "move"}
    assert {i for i in range(len(clips)) if clips.clip(i).task == "pour"} <= held and held - {
        i for i in range(len(clips)) if clips.clip(i).task == "pour"
    }
    for index in range(len(seen["held_out"])):
        origin = seen["held_out"].sample(index, Needs(pictures=False)).provenance
        assert origin.unseen_task == (clips.clip(origin.episode).task == "pour")
    assert not seen["train"].sample(0, Needs(pictures=False)).provenance.unseen_task
    motions = {split: set(HandMotions(str(annotated_hands), split).open().episodes.tolist()) for split in ("train", "held_out")}
    assert motions["train"] <= train and motions["held_out"] <= held


def test_wrist_paths_are_those_of_the_recording(annotated_hands, hand_clips):
    clips = RecordedClips(str(hand_clips)).open()
    source = HandMotions(str(annotated_hands)).open()
    families = set()
    for index in range(len(source)):
        sample = source.sample(index, Needs())
        paths, number, now = sample.wrists, sample.provenance.episode, sample.provenance.frame
        clip = clips.clip(number)
        families.add(paths.family)
        assert sample.instruction == clip.instruction and paths.rate_hz == 15 and len(sample.views) == 1
        to_camera = invert(sample.views[0].camera.T_base_cam)
        for side, path in paths.future.items():
            wrists = apply(to_camera, clip.hands.joints[:, SIDES.index(side), WRIST])
            assert np.allclose(path, wrists[now + 1 : now + 1 + len(path)], atol=2e-6) and len(path) % 15 == 0
            if paths.family == "contextual":
                assert np.allclose(paths.past[side], wrists[now + 1 - len(paths.past[side]) : now + 1], atol=2e-6)
        assert paths.family == "contextual" or not paths.past
    assert families >= {"instructional", "contextual"}


def test_a_common_camera_moves_pixels_and_not_metres(annotated_hands):
    plain = HandMotions(str(annotated_hands)).open().sample(0, Needs())
    source = HandMotions(str(annotated_hands), camera=CommonCamera(64)).open()
    assert (source.cameras[0].height, source.cameras[0].width) == (64, 64), "what is said of the pictures is what is shown"
    warped = source.sample(0, Needs())
    view, seen = plain.views[0], warped.views[0]
    assert seen.size == (64, 64) and np.array_equal(seen.camera.T_base_cam, view.camera.T_base_cam)
    assert np.allclose(np.diag(seen.camera.K)[:2], 32 / np.tan(np.radians((52.5, 36.25))))
    assert all(np.array_equal(warped.wrists.future[s], plain.wrists.future[s]) for s in plain.wrists.future)
    points = unproject(view.camera.K, np.array([[10.0, 20.0], [80.0, 44.0]]), np.array([0.5, 0.7]))
    before, after = project(view.camera.K, points)[0], project(seen.camera.K, points)[0]
    assert np.allclose(before @ seen.affine[:, :2].T + seen.affine[:, 2], after)


def test_kinds_can_be_chosen_and_folders_can_be_moved(annotated_hands, hand_clips, tmp_path):
    chosen = HandQuestions(str(annotated_hands), categories=("hand_movement",)).open()
    assert {chosen.sample(i, Needs(pictures=False)).category for i in range(len(chosen))} == {"hand_movement"}
    shutil.copytree(hand_clips, tmp_path / "moved")
    moved = HandQuestions(str(tmp_path / "moved" / "hands"), size=48).open()
    assert moved.sample(0, Needs()).views[0].image.shape == (48, 48, 3)


def test_what_a_stage_reads_is_named_by_its_files(annotated_hands):
    for spec, table in ((HandQuestions(str(annotated_hands)), "questions"), (HandMotions(str(annotated_hands)), "motions")):
        assert [path.name for path in spec.inputs] == ["hands.json", f"{table}.parquet"] and all(path.is_file() for path in spec.inputs)


def test_wrong_folders_and_splits_say_what_is_wrong(tmp_path, hand_clips, tabletop_data, annotated_hands):
    with pytest.raises(DataError, match="praxia annotate hands CLIPS"):
        HandQuestions(str(tmp_path)).open()
    with pytest.raises(ConfigError, match="expected one of train, held_out"):
        HandQuestions(str(annotated_hands), "test").open()
    with pytest.raises(DataError, match="nothing was annotated"):
        HandQuestions(str(annotated_hands), categories=("colour",)).open()
    with pytest.raises(DataError, match="praxia data make hands"):
        RecordedClips(str(tmp_path)).open()
    with pytest.raises(SpecMismatch, match="a clip of hands"):
        RecordedClips(str(tabletop_data)).open()


def test_a_table_of_many_motions_is_not_made_into_objects(tmp_path):
    """The published set has a million motions of up to 360 points: as dicts and lists ten gigabytes (here ten thousand: a hundred megabytes)."""
    count, points = 10_000, np.linspace(0, 1, 360)
    rows = {name: [""] * count for name in ("name", "task", "instruction")} | {"split": ["train", "held_out"] * (count // 2)}
    rows |= {
        "clip": np.arange(count),
        "family": ["instructional"] * count,
        "frame": [0] * count,
        "rate_hz": [15.0] * count,
        "unseen_task": [False] * count,
    }
    paths = pa.array([points] * count, pa.list_(pa.float32()))
    rows |= {f"{side}_{when}": paths for side in ("left", "right") for when in ("past", "future")}
    pq.write_table(pa.table(rows).select(SCHEMAS[MOTIONS].names).cast(SCHEMAS[MOTIONS]), tmp_path / MOTIONS)
    tracemalloc.start()
    try:
        found = Annotated(tmp_path, None, {}).rows(MOTIONS, "held_out", ("instructional",), "family")
        assert len(found) == count // 2 and found.column("clip")[:2].tolist() == [1, 3]
        assert found[-1]["clip"] == count - 1 and np.allclose(found[7]["left_future"], points)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
