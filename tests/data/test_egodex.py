"""EgoDex's documented layout, in a small file made after it: world poses, joint order, confidence, the conditioning camera."""

import collections
import shutil
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from safetensors.torch import save_file

from praxia.annotate.hands import HandRules, Looks, annotate_hands
from praxia.annotate.hands.motions import motions
from praxia.cli.main import main
from praxia.data.hand_clips.egodex import EgoDex, is_egodex, joint_names
from praxia.data.hand_clips.tables import CLIPS, MOTIONS
from praxia.data.lerobot import video
from praxia.data.lerobot.meta import read_parquet
from praxia.errors import ConfigError, DataError
from praxia.files import write_json
from praxia.geometry.camera import project
from praxia.geometry.se3 import apply, invert, pose
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.registry import to_json
from praxia.specs.hands import JOINTS, SIDES, WRIST
from praxia.workflows.annotate_hands import annotate, clip_spec
from praxia.worlds.hands.motion import hand_rotation
from praxia.worlds.hands.skeleton import local_joints

h5py = pytest.importorskip("h5py")
N, HEIGHT, WIDTH = 120, 108, 192
K = np.array([[73.66339, 0, 96.0], [0, 73.66339, 54.0], [0, 0, 1]])  # a tenth of EgoDex's


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two tasks with a pair each: a right hand that moves to the left, a left one that nobody is sure of, a head that turns."""
    root = tmp_path_factory.mktemp("egodex") / "part1"
    for task, instruction in (("stack_cups", "Stack the cups."), ("fold_towel", "Fold the towel.")):
        (root / task).mkdir(parents=True)
        turn = np.linspace(0, 0.3, N)
        looks = hand_looks = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])  # camera axes in a world with z up: it looks along y
        cameras = np.stack([pose(_about_z(a) @ looks, np.array((0.1, 0.0, 1.2))) for a in turn])
        assert np.linalg.det(hand_looks) == pytest.approx(1)
        with h5py.File(root / task / "0.hdf5", "w") as file:
            file["camera/intrinsic"] = K.astype(np.float32)
            file["transforms/camera"] = cameras.astype(np.float32)
            for side, x in (("left", -0.1), ("right", 0.2)):
                for j, name in enumerate(joint_names(side)):
                    local = local_joints(side, 0.3)[j]
                    wrist = np.stack([np.array((x - 0.2 * t if side == "right" else x, 0.45, 1.0)) for t in np.linspace(0, 1, N)])
                    file[f"transforms/{name}"] = np.stack([pose(np.eye(3), w + hand_rotation(1.57, 0.4, 0, side) @ local) for w in wrist]).astype(
                        np.float32
                    )
                    if side == "left" or name.endswith("Tip"):
                        file[f"confidences/{name}"] = np.full(N, 0.1 if side == "left" else 0.9, np.float32)
                file[f"transforms/{side}IndexFingerMetacarpal"] = np.zeros((N, 4, 4), np.float32)
            file.attrs.update({"llm_description": instruction, "llm_description2": "Unstack them", "llm_objects": "['cup', \"tall cup\"]"})
            file.attrs.update({"llm_type": "reversible", "which_llm_description": "2"} if task == "stack_cups" else {"llm_type": "plain"})
        shades = np.linspace(0, 200, N).astype(np.uint8)
        video.encode(root / task / "0.mp4", (np.full((HEIGHT, WIDTH, 3), s, np.uint8) for s in shades), 30.0)
    return root


def _saved(net, root):
    """A geometry net with weights of its own in a folder."""
    (root / "net").mkdir()
    save_file(net.build().state_dict(), root / "net" / "weights.safetensors")
    write_json(root / "net" / "geometry.json", {"net": to_json(net)})
    return replace(net, checkpoint=str(root / "net"))


def _about_z(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))


def test_names_are_those_of_the_joints_in_our_order():
    names = joint_names("left")
    assert len(names) == len(JOINTS) == 21 and names[0] == "leftHand" and names[1:5] == tuple(f"leftThumb{b}" for b in _bones())
    assert names[5] == "leftIndexFingerKnuckle" and names[20] == "leftLittleFingerTip" and not any("Metacarpal" in n for n in names)


def _bones():
    return ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip")


def test_a_clip_is_what_the_file_says(folder):
    clips = EgoDex(str(folder), size=96).open()
    assert len(clips) == 2 and not clips.depth and clips.licence == "cc-by-nc-nd-4.0" and clips.size == (54, 96)
    fold, stack = clips.clip(0), clips.clip(1)
    assert (stack.task, stack.instruction, fold.instruction) == ("stack_cups", "Unstack them", "Fold the towel.")
    assert stack.objects == ("cup", "tall cup") and stack.rate_hz == 15 and len(stack) == N // 2
    assert np.allclose(stack.hands.joints[:, 1, WRIST], np.stack([(0.2 - 0.2 * t, 0.45, 1.0) for t in np.linspace(0, 1, N)[::2]]), atol=1e-6)
    assert (stack.hands.confidence[:, 0] == np.float32(0.1)).all() and (stack.hands.confidence[:, 1, WRIST] == 1).all()
    view = clips.view(1, 30)
    assert view.image.shape == (54, 96, 3) and abs(int(view.image.mean()) - int(np.linspace(0, 200, N)[60])) < 4, "the 60th frame"
    assert np.allclose(view.camera.K[0, 0], K[0, 0] / 2) and np.allclose(view.camera.T_base_cam, stack.T_base_cam[30])
    pixel, z = project(view.camera.K, apply(invert(view.camera.T_base_cam), stack.hands.joints[30, 1]))
    assert (z > 0.3).all() and ((pixel > 0) & (pixel < (96, 54))).all(), "no axis is flipped"


def test_paths_are_in_the_camera_of_the_conditioning_picture(folder):
    clips = EgoDex(str(folder)).open()
    clip = clips.clip(1)
    found = motions(clip, partial(clips.view, 1), HandRules(motions=20), np.random.default_rng(0), __import__("collections").Counter())
    assert len(found) > 5
    for motion in found:
        assert set(motion.future) == {"right"}, "nobody is sure of the left hand"
        path = motion.future["right"]
        world = clip.hands.joints[motion.frame + 1 : motion.frame + 1 + len(path), SIDES.index("right"), WRIST]
        assert np.allclose(path, apply(invert(clip.T_base_cam[motion.frame]), world), atol=1e-6)
        assert path[-1, 0] < path[0, 0], "to the left in the picture that conditions it, though the head turns"


def test_the_engine_needs_a_net_and_a_detector_for_it(folder, tmp_path):
    assert is_egodex(folder) and isinstance(clip_spec(folder), EgoDex)
    with pytest.raises(Exception, match="--net"):
        annotate(folder, tmp_path / "out", HandRules())


def test_motions_alone_need_no_net_and_no_detector(folder, tmp_path, monkeypatch, capsys):
    command = ["praxia", "annotate", "hands", str(folder), "--out", str(tmp_path / "out"), "--only", "motions", "--workers", "1", "--shown", "1"]
    monkeypatch.setattr(sys, "argv", command)
    main()
    said = capsys.readouterr().out
    assert "2 clips, 2 without questions" in said and "no questions wanted" in said and "<figure>" in (tmp_path / "out" / "sheet.html").read_text()
    assert {row["name"] for row in read_parquet(tmp_path / "out" / MOTIONS).to_pylist()} == {"stack_cups/0", "fold_towel/0"}
    with pytest.raises(ConfigError, match="leave out --net"):
        annotate(folder, tmp_path / "other", HandRules(questions=0), net="cut3r")


def test_parts_with_tasks_of_one_name_are_told_apart_and_the_test_part_is_held_out(folder, tmp_path):
    for part in ("part1", "test"):
        shutil.copytree(folder, tmp_path / "all" / part)
    done = annotate_hands(EgoDex(str(tmp_path / "all"), size=96), tmp_path / "out", HandRules(questions=0, held_out=0), workers=1)
    rows = read_parquet(tmp_path / "out" / CLIPS).to_pylist()
    assert done.clips == 4 and {row["name"]: row["split"] for row in rows} == {
        f"{part}/{task}/0": "held_out" if part == "test" else "train" for part in ("part1", "test") for task in ("fold_towel", "stack_cups")
    }
    assert {EgoDex(str(folder / "fold_towel")).open().label(0)} == {("fold_towel/0", "fold_towel")}, "the folder of a task itself"


def test_an_unreadable_clip_has_a_row_and_the_rest_goes_on(folder, tmp_path):
    root, rules = tmp_path / "part1", HandRules(held_out=0)
    shutil.copytree(folder, root)
    for name in ("0_no_video", "0_no_hdf5"):
        shutil.copytree(folder / "stack_cups", root / name)
    (root / "0_no_video" / "0.mp4").write_bytes(b"no video")
    (root / "0_no_hdf5" / "0.hdf5").write_bytes(b"no hdf5")
    done = annotate_hands(EgoDex(str(root), size=96), tmp_path / "out", rules, workers=1)
    assert done.clips == 4 and done.rejected == {"unreadable": 4}, "the other two have no depth"
    rows = {row["name"]: row for row in read_parquet(tmp_path / "out" / CLIPS).to_pylist()}
    assert "cannot be read as EgoDex" in rows["0_no_hdf5/0"]["rejected"] and rows["0_no_hdf5/0"]["steps"] == 0
    assert "cannot be opened" in rows["0_no_video/0"]["rejected"] and "picture cannot be read" in rows["0_no_video/0"]["rejections"]
    moved = {row["name"] for row in read_parquet(tmp_path / "out" / MOTIONS).to_pylist()}
    assert moved == {"stack_cups/0", "fold_towel/0"}, "motions need no depth, but a picture"


def test_joints_without_a_place_are_not_known_and_odd_files_have_a_row_that_says_why(folder, tmp_path):
    root = tmp_path / "part1"
    for name in ("holes", "scalar", "lost_camera", "small_video"):
        shutil.copytree(folder / "stack_cups", root / name)
    with h5py.File(root / "holes" / "0.hdf5", "a") as file:
        for joint in ("rightHand", "rightIndexFingerTip"):
            poses = file[f"transforms/{joint}"][...]
            poses[10:60:2] = np.nan
            file[f"transforms/{joint}"][...] = poses
    with h5py.File(root / "scalar" / "0.hdf5", "a") as file:
        file["confidences/rightHand"] = 0.5
    with h5py.File(root / "lost_camera" / "0.hdf5", "a") as file:
        poses = file["transforms/camera"][...]
        poses[40] = 0
        file["transforms/camera"][...] = poses
    with h5py.File(root / "small_video" / "0.hdf5", "a") as file:
        file["camera/intrinsic"][...] = 10 * K
    clip = EgoDex(str(root)).open().clip(0)
    assert np.isnan(clip.hands.joints[5:30, 1, WRIST]).all() and (clip.hands.confidence[5:30, 1, WRIST] == 0).all()
    net = TabletopGeometry(image_size=32, patch_size=16, width=16, layers=1, heads=2)
    annotate_hands(
        EgoDex(str(root), size=96), tmp_path / "out", HandRules(held_out=0, calibrate=False, extent=0.02), Looks(_saved(net, tmp_path)), workers=1
    )
    rows = {row["task"]: row["rejected"] for row in read_parquet(tmp_path / "out" / CLIPS).to_pylist()}
    assert rows["holes"] == "" and "cannot be read as EgoDex" in rows["scalar"] and "step 40" in rows["lost_camera"]
    assert "the video has 192 x 108" in rows["small_video"]
    assert {row["task"] for row in read_parquet(tmp_path / "out" / MOTIONS).to_pylist()} == {"holes"}


def test_what_the_words_are_about_is_asked_about(folder, tmp_path):
    """Objects come in the order of the words; without words there is no task to ask about and no motion to be told."""
    for name, words in (("cup", "Lift the tall cup off the table."), ("none", "Do it."), ("silent", "")):
        shutil.copytree(folder / "fold_towel", tmp_path / "part1" / name)
        with h5py.File(tmp_path / "part1" / name / "0.hdf5", "a") as file:
            file.attrs.update({"llm_description": words, "llm_objects": "['table', 'cup', 'tall cup']"})
    clips = EgoDex(str(tmp_path / "part1")).open()
    cup, none, silent = (clips.clip(i) for i in range(3))
    assert cup.objects == ("tall cup", "cup", "table") and cup.named
    assert none.objects == ("table", "cup", "tall cup") and not none.named and not silent.named
    counts = collections.Counter()
    assert motions(silent, partial(clips.view, 2), HandRules(), np.random.default_rng(0), counts) == [] and counts == {
        "no instruction for motions": 1
    }


def test_broken_files_and_a_missing_library_say_what_to_do(folder, tmp_path, monkeypatch):
    (tmp_path / "task").mkdir()
    with pytest.raises(DataError, match="no pairs"):
        EgoDex(str(tmp_path)).open()
    (tmp_path / "task" / "0.hdf5").write_bytes(b"no hdf5")
    (tmp_path / "task" / "0.mp4").write_bytes((folder / "stack_cups" / "0.mp4").read_bytes())
    with pytest.raises(DataError, match="cannot be read as EgoDex"):
        EgoDex(str(tmp_path)).open().clip(0)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"pip install -e '.\[egodex\]'"):
        EgoDex(str(folder)).open()
