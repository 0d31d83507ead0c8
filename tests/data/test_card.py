"""dataset.yaml: round trip, and messages for the mistakes people make in it; drafting one for a foreign dataset."""

import re

import numpy as np
import pytest
import recordings as R
from old_format import write_v21

from praxia.data.card import CARD, read_card, write_card
from praxia.data.inspect import draft_card, inspect, write_draft
from praxia.data.lerobot.features import Feature
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.lerobot.shard import EpisodeData
from praxia.data.lerobot.writer import LeRobotWriter
from praxia.errors import DataError, PraxiaError


def edited(root, *edits: tuple[str, str]):
    text = (root / CARD).read_text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    (root / CARD).write_text(text)
    return root


def test_a_card_comes_back_as_it_was(tmp_path):
    write_card(tmp_path, R.card())
    assert read_card(tmp_path) == R.card()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("embodiment:", "embodyment:", "embodiment missing"),
        ("licence:", "license:", "did you mean 'licence'"),
        ("depth_unit: mm", "depth_unt: mm", "did you mean 'depth_unit'"),
        ("depth_unit: mm", "depth_unit: cm", "unknown depth_unit 'cm'"),
        ("kind: position", "kind: postion", r"state.dims\[0\]|action.dims\[0\] 'x': unknown kind 'postion'; did you mean 'position'"),
        ("reference: delta", "reference: relative", "unknown reference 'relative'"),
        ("sense: open_positive", "sense: open", "unknown sense 'open'; did you mean 'open_positive'"),
        ("unit: m,", "unit: metre,", "unknown unit 'metre'"),
        (", sense: open_positive", "", "a gripper needs sense"),
        ("fps: 20.0", "fps: 30.0", "fps is 30.0, info.json says 20.0"),
        ("fps: 20.0", "fps: 0", "fps is 0"),
        (
            "image: observation.images.head",
            "image: observation.images.top",
            r"pictures: observation.images.head.*did you mean 'observation.images.head'",
        ),
        ("action_key: action", "action_key: actions", "vectors: observation.state, action, "),
        ("K: null", "K: [0, 60, 31.5, 23.5]", "K is not invertible|K is"),
        ("K: null", "K: [60, 60, 31.5]", "expected"),
        ("T_base_cam: null", f"T_base_cam: {[0.0] * 16}", "T_base_cam is given without K"),
        ("mirrored: false", "mirrored: true", "mirrored is true beside a calibration"),
        ("extrinsics_form: T_base_cam", "extrinsics_form: T_cam_bse", "did you mean 'T_cam_base'"),
        ("fps: 20.0", "fps: [", "not valid YAML"),
    ],
)
def test_mistakes_are_named_with_the_nearest_choice(copy_little, old, new, message):
    with pytest.raises(PraxiaError, match=message):
        LeRobotSource(edited(copy_little(), (old, new)))


def test_a_missing_card_says_how_to_draft_one(copy_little):
    root = copy_little()
    (root / CARD).unlink()
    with pytest.raises(DataError, match=r"praxia data inspect .* --write-card"):
        LeRobotSource(root)


def test_two_views_cannot_share_a_role(copy_little):
    root = copy_little()
    card = read_card(root)
    write_card(root, card.__class__(**card.__dict__ | {"views": card.views * 2}))
    with pytest.raises(DataError, match=r"roles .* repeat"):
        read_card(root)


def test_inspection_reports_a_foreign_dataset(tmp_path):
    found = inspect(write_v21(tmp_path / "old"))
    assert (found.version, found.episodes, found.frames, found.fps) == ("v2.1", 3, 24, 20.0)
    text = found.text()
    assert "v2.1" in text and "push the red box" in text and "observation.images.head: video [48, 64, 3]" in text


def test_a_drafted_card_is_refused_until_its_owner_has_completed_it(tmp_path):
    root = write_v21(tmp_path / "old")
    (root / CARD).unlink()
    write_draft(root)
    with pytest.raises(DataError, match=r"action.dims\[0\] 'x': reference"):
        LeRobotSource(root)
    text = (root / CARD).read_text()
    (root / CARD).write_text(text.replace("reference: unknown", "reference: delta").replace("sense: unknown", "sense: open_positive"))
    source = LeRobotSource(root)
    assert source.card.action.dims == R.card().action.dims and source.sample_at(0, Want(horizon=2)).views[0].role == "head"
    with pytest.raises(DataError, match="exists; edit it"):
        write_draft(root)


def test_names_that_say_nothing_stay_unknown_and_known_ones_do_not(tmp_path):
    root = tmp_path / "foreign"
    names = ["shoulder_pan.pos", "left_elbow", "delta_roll", "motor_7", "gripper.pos"]
    features = {
        "action": Feature("float32", (5,), {"motors": names}),
        "observation.images.cam_high": Feature("video", (R.H, R.W, 3), ["height", "width", "channels"]),
        "observation.images.wrist_image": Feature("video", (R.H, R.W, 3), ["height", "width", "channels"]),
        "sensors.cam_high.intrinsic_cv": Feature("float32", (9,)),
        "sensors.cam_high.extrinsic_cv": Feature("float32", (16,)),
    }
    T_cam_base = np.linalg.inv(R.camera_pose(3))
    K = np.array([[60, 0, 31.5], [0, 61, 23.5], [0, 0, 1]])
    columns = {
        "action": np.zeros((4, 5), np.float32),
        "sensors.cam_high.intrinsic_cv": np.tile(K.reshape(1, 9), (4, 1)),
        "sensors.cam_high.extrinsic_cv": np.tile(T_cam_base.reshape(1, 16), (4, 1)),
    }
    frames = {key: [R.picture(0, s) for s in range(4)] for key in features if "images" in key}
    writer = LeRobotWriter(root, features, R.FPS)
    writer.add(EpisodeData("wave", columns, frames))
    writer.finalize()
    draft = draft_card(root)
    dims = re.findall(r"- \{name: (\S+), kind: (\w+)", draft)
    assert dims == [(n, k) for n, k in zip(names, ["joint", "joint", "rotation", "unknown", "gripper"], strict=True)]
    assert "role: high" in draft and "role: wrist" in draft
    assert "intrinsics: sensors.cam_high.intrinsic_cv" in draft and "extrinsics_form: T_cam_base" in draft
    completed = draft.replace("kind: unknown", "kind: joint").replace("sense: unknown", "sense: close_positive")
    (root / CARD).write_text(completed)
    camera = LeRobotSource(root).sample_at(0, Want(horizon=1)).views[0].camera
    assert np.allclose(camera.K, K) and np.allclose(camera.T_base_cam, R.camera_pose(3), atol=1e-6)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("cam_high", "cam_left_wrist", "cam_right_wrist"), ["high", "wrist_left", "wrist_right"]),  # ALOHA
        (("head", "hand_left", "hand_right"), ["head", "wrist_left", "wrist_right"]),  # AgiBot
        (("base_0_rgb", "left_wrist_0_rgb"), ["base_0", "wrist"]),  # an arm's only camera, whatever its side
        (("image", "eye_in_hand", "wrist_ir"), ["head", "wrist", "wrist_2"]),
    ],
)
def test_cameras_on_arms_are_drafted_under_the_roles_that_supervisions_look_for(names, roles, tmp_path):
    features = {f"observation.images.{name}": Feature("video", (R.H, R.W, 3), ["height", "width", "channels"]) for name in names} | {
        "action": Feature("float32", (1,))
    }
    writer = LeRobotWriter(tmp_path / "arms", features, R.FPS)
    frames = {key: [R.picture(0, 0)] * 2 for key in features if key != "action"}
    writer.add(EpisodeData("wave", {"action": np.zeros((2, 1), np.float32)}, frames))
    writer.finalize()
    assert [view.role for view in inspect(tmp_path / "arms").views] == roles
