"""Camera poses that are rigid transforms and still wrong are found by what the pictures show."""

import shutil

import numpy as np
import pytest
from columns import rewrite_column

from praxia.data.calibration import fixed_camera_quality, wrist_camera_spread
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
    quality = fixed_camera_quality(source, "head", arm)
    assert quality.faults == [] and quality.inside == 1 and quality.on_robot > 0.7 and quality.moves_with > 0.9
    distance, angle = wrist_camera_spread(source, "wrist", arm)
    assert distance < 0.002 and angle < 0.01
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
