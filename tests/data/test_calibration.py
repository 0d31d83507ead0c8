"""Camera poses that are rigid transforms and still wrong are found by what the pictures show."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from columns import rewrite_column

from praxia.data.calibration import ALONE, fixed_camera_quality, together, wrist_camera_spread
from praxia.data.card import read_card, write_card
from praxia.data.lerobot.reader import LeRobotSource
from praxia.data.making import make_dataset
from praxia.data.verify import verify
from praxia.geometry.rotations import euler_to_matrix
from praxia.geometry.se3 import invert, pose

HEAD = "observation.cameras.head.T_base_cam"
WRIST = "observation.cameras.wrist.T_base_cam"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Episodes with a picture at every step."""
    root = tmp_path_factory.mktemp("calibration") / "data"
    make_dataset(
        "praxia.worlds.tabletop:Tabletop", {"size": 64}, root=root, tasks=("reach", "push"), episodes=2, seed=0, masks=True, workers=1, progress=False
    )
    return root


def damaged(root, tmp_path, column, change):
    """A copy of the dataset whose camera poses went through `change` (float64 [4, 4] -> [4, 4])."""
    copy = shutil.copytree(root, tmp_path / "copy")
    rewrite_column(copy, column, lambda T: change(np.asarray(T, np.float64).reshape(4, 4)).ravel())
    return copy


def turned(T):
    return T @ pose(euler_to_matrix(np.array([0.0, np.deg2rad(5), 0.0])), np.zeros(3))


def test_sound_poses_are_trusted(recorded):
    source = LeRobotSource(recorded, store=False)
    (arm,) = source.card.tool_keys
    by_episode = fixed_camera_quality(source, "head", arm)
    assert list(by_episode) == [0, 1, 2, 3]
    for quality in by_episode.values():
        assert quality.faults(ALONE) == [] and quality.inside == 1
    quality = together(by_episode.values())
    assert quality.faults() == [] and quality.on_robot > 0.7 and quality.moves_with > 0.9
    spread = wrist_camera_spread(source, "wrist", arm)
    assert list(spread) == [0, 1, 2, 3] and all(distance < 0.002 and angle < 0.01 for distance, angle in spread.values())
    assert verify(recorded) == []


@pytest.mark.parametrize(
    ("change", "said"), [(invert, "the tool is in the picture in only"), (turned, "the projected tool lies on the robot in only")]
)
def test_wrong_poses_of_an_outside_camera_are_named(recorded, tmp_path, change, said):
    findings = verify(damaged(recorded, tmp_path, HEAD, change))
    assert any("view 'head'" in f.message and said in f.message and "inverted (base-to-camera)" in f.message for f in findings)


def test_a_wrist_camera_that_does_not_sit_on_its_arm_is_named(recorded, tmp_path):
    (error,) = [f for f in verify(damaged(recorded, tmp_path, WRIST, invert)) if f.level == "error"]
    assert "view 'wrist'" in error.message and "that it should sit on" in error.message


def in_episodes(root, tmp_path, column, change, episodes):
    """As `damaged`, in some episodes only."""
    of = iter(np.concatenate([np.full(e.stop - e.start, e.index) for e in LeRobotSource(root, store=False).episodes]).tolist())
    return damaged(root, tmp_path, column, lambda T: change(T) if next(of) in episodes else T)


@pytest.mark.parametrize(
    ("column", "change", "view"),
    [(HEAD, turned, "head"), (WRIST, lambda T: T @ pose(np.eye(3), np.array([0.1, 0, 0])), "wrist")],
    ids=["head", "wrist"],
)
def test_the_episodes_are_named_whose_poses_are_wrong(recorded, tmp_path, column, change, view):
    """A camera that was moved for one episode of four."""
    (error,) = [f for f in verify(in_episodes(recorded, tmp_path, column, change, {2})) if f.level == "error"]
    assert f"view '{view}'" in error.message and "in 1 of 4 episodes looked at: episode 2: " in error.message
    assert "episode 0" not in error.message and "episode 1" not in error.message and "episode 3" not in error.message


def test_with_two_arms_a_wrist_camera_is_held_against_the_arm_that_its_role_names(recorded, tmp_path):
    """The other arm, here the same tool 30 cm aside and turning on its own, cannot be meant."""
    card = read_card(recorded)
    (tool,) = card.tool_keys.values()
    copy = shutil.copytree(recorded, tmp_path / "two")
    wrist = next(v for v in card.views if v.role == "wrist")
    for role, faulty in (("wrist_left", False), ("wrist_right", True), ("wrist", None)):
        views = tuple(replace(v, role=role) if v is wrist else v for v in card.views)
        write_card(copy, replace(card, tool_keys={"left": tool, "right": "observation.cameras.head.T_base_cam"}, views=views))
        said = [f.message for f in verify(copy) if f"view '{role}'" in f.message]
        if faulty is None:
            assert len(said) == 1 and "which of left, right carries this camera?" in said[0]
        else:
            assert bool(said) == faulty and all("the tool of 'right'" in message for message in said)
