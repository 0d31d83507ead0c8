"""Scores of what a geometry net sees, worked by hand."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from praxia.data.true_geometry import TrueGeometry
from praxia.evaluate.reconstruction import depth_scores, mean_depth, pose_errors, reconstruction_scores
from praxia.models.geometry_nets.geometry_net import Reconstruction


def test_depth_scores_by_hand():
    truth = torch.tensor([[1.0, 2.0], [0.0, 4.0]])  # one pixel is unknown
    depth = torch.tensor([[1.1, 2.0], [9.0, 2.0]])
    scores = depth_scores(depth, truth)
    assert scores["abs_rel"] == pytest.approx((0.1 + 0 + 0.5) / 3, abs=1e-6)
    assert scores["median_cm"] == pytest.approx(10, abs=1e-4)
    assert scores["delta1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 3.0, 90.0, 179.9])
def test_rotation_errors_agree_with_scipy_from_nothing_to_half_a_turn(degrees):
    rng = np.random.default_rng(1)
    start = Rotation.random(20, rng=rng)
    axis = rng.normal(size=(20, 3))
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * axis / np.linalg.norm(axis, axis=1, keepdims=True))
    T, truth = (np.tile(np.eye(4), (20, 1, 1)) for _ in range(2))
    T[:, :3, :3], truth[:, :3, :3] = (turn * start).as_matrix(), start.as_matrix()
    T[:, :3, 3] = (0.3, 0.0, 0.4)
    moved, turned = pose_errors(torch.from_numpy(T), torch.from_numpy(truth))
    assert torch.allclose(moved, torch.full_like(moved, 0.5))
    assert np.allclose(turned, degrees, atol=1e-6)


def test_cameras_are_judged_in_the_frame_of_the_first_one():
    """A net that puts the whole scene somewhere else, but every camera right beside the first, makes no error."""
    T_first = torch.eye(4).repeat(3, 2, 1, 1)
    T_first[:, 1, :3, 3] = torch.tensor([0.1, 0.0, 0.0])
    depth, points = torch.ones(3, 2, 4, 4), torch.zeros(3, 2, 4, 4, 3)
    truth = TrueGeometry(depth, depth > 0, points, T_first, torch.eye(3).repeat(3, 2, 1, 1))
    moved = torch.eye(4)
    moved[:3, :3] = torch.from_numpy(Rotation.from_euler("z", 40, degrees=True).as_matrix()).float()
    moved[:3, 3] = torch.tensor([1.0, 2.0, 3.0])
    made = Reconstruction(1.02 * depth, depth, points + torch.tensor([0.0, 0.03, 0.04]), depth, moved @ T_first, truth.K)
    scores = reconstruction_scores(("head", "head_2"), made, truth, {"head": torch.full((4, 4), 1.1), "head_2": torch.ones(4, 4)})
    assert scores["head_2/translation_cm"] == pytest.approx(0, abs=1e-4) and scores["head_2/rotation_deg"] == pytest.approx(0, abs=1e-4)
    assert scores["head/points_cm"] == pytest.approx(5, abs=1e-4)
    assert scores["head/abs_rel"] == pytest.approx(0.02, abs=1e-6) and scores["head/blind_abs_rel"] == pytest.approx(0.1, abs=1e-6)
    assert "head/translation_cm" not in scores


def test_mean_depth_leaves_out_what_is_unknown():
    assert torch.equal(mean_depth(torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])), torch.tensor([[2.0, 0.0]]))
