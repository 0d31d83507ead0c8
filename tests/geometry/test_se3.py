"""Rigid transforms: group laws, frames that read through, and refusals in words."""

import numpy as np
import pytest

from praxia.geometry import se3
from praxia.geometry.rotations import axis_angle_to_matrix


def random_poses(count, seed=0):
    draw = np.random.default_rng(seed)
    return se3.pose(axis_angle_to_matrix(draw.normal(size=(count, 3))), draw.normal(size=(count, 3)))


def test_a_transform_times_its_inverse_is_the_identity():
    T = random_poses(20).reshape(4, 5, 4, 4)
    np.testing.assert_allclose(se3.compose(T, se3.invert(T)), np.broadcast_to(np.eye(4), T.shape), atol=1e-12)


def test_applying_a_composition_equals_applying_one_after_the_other():
    T_a_b, T_b_c = random_poses(2)
    points = np.random.default_rng(1).normal(size=(7, 3))
    np.testing.assert_allclose(se3.apply(se3.compose(T_a_b, T_b_c), points), se3.apply(T_a_b, se3.apply(T_b_c, points)), atol=1e-12)


def test_apply_agrees_with_homogeneous_coordinates_for_batches_and_single_points():
    T = random_poses(6)
    points = np.random.default_rng(2).normal(size=(6, 9, 3))
    expected = (np.concatenate((points, np.ones((6, 9, 1))), -1) @ T.transpose(0, 2, 1))[..., :3]
    np.testing.assert_allclose(se3.apply(T, points), expected, atol=1e-12)
    np.testing.assert_allclose(se3.apply(T[0], points[0, 0]), expected[0, 0], atol=1e-12)
    np.testing.assert_allclose(se3.apply(T, points[0, 0]), se3.apply(T, points[:1, :1])[:, 0], atol=1e-12)


def test_position_and_quaternion_carry_the_whole_pose():
    T = random_poses(30)
    position, quaternion = se3.to_position_quaternion(T)
    assert (quaternion[:, 0] >= 0).all()
    np.testing.assert_allclose(se3.from_position_quaternion(position, -2 * quaternion), T, atol=1e-12)


@pytest.mark.parametrize(
    ("T", "words"),
    [
        (np.zeros((4, 4)), "all zeros"),
        (np.full((4, 4), np.nan), "non-finite"),
        (np.eye(3), "shape"),
        (random_poses(1)[0].T, "last row"),
        (np.diag((1.1, 1, 1, 1)), "not orthonormal"),
        (np.diag((-1.0, 1, 1, 1)), "determinant -1"),
    ],
)
def test_what_is_not_rigid_is_said_in_words(T, words):
    assert words in se3.rigid_fault(T)


def test_rigid_transforms_have_no_fault():
    assert all(se3.rigid_fault(T) == "" for T in random_poses(20))
    assert se3.rigid_fault(random_poses(1)[0].astype(np.float32)) == ""
