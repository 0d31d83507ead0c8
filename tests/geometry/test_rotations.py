"""Rotation forms: round trips, fixed conventions, equal rotations have equal numbers."""

import warnings

import numpy as np
import pytest

from praxia.errors import DataError
from praxia.geometry import rotations as rot

FORMS = {
    "quaternion": (rot.matrix_to_quaternion, rot.quaternion_to_matrix, 4),
    "axis_angle": (rot.matrix_to_axis_angle, rot.axis_angle_to_matrix, 3),
    "euler": (rot.matrix_to_euler, rot.euler_to_matrix, 3),
    "6d": (rot.matrix_to_rotation_6d, rot.rotation_6d_to_matrix, 6),
}


def random_matrices(count, seed=0):
    """Rotations by QR, independent of the library under the functions."""
    Q, R = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, 3, 3)))
    Q = Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None]
    Q[:, :, 0] *= np.linalg.det(Q)[:, None]
    return Q


@pytest.mark.parametrize("form", FORMS)
def test_every_form_round_trips_over_any_leading_dims(form):
    there, back, width = FORMS[form]
    R = random_matrices(60).reshape(3, 4, 5, 3, 3)
    numbers = there(R)
    assert numbers.shape == (3, 4, 5, width)
    np.testing.assert_allclose(back(numbers), R, atol=1e-12)
    np.testing.assert_allclose(back(there(R[0, 0, 0])), R[0, 0, 0], atol=1e-12)
    assert back(there(R[:0])).shape == (0, 4, 5, 3, 3)


def test_a_quarter_turn_about_z_has_the_documented_numbers():
    R = np.array(((0.0, -1, 0), (1, 0, 0), (0, 0, 1)))
    np.testing.assert_allclose(rot.matrix_to_quaternion(R), (np.sqrt(0.5), 0, 0, np.sqrt(0.5)), atol=1e-12)
    np.testing.assert_allclose(rot.matrix_to_axis_angle(R), (0, 0, np.pi / 2), atol=1e-12)
    np.testing.assert_allclose(rot.matrix_to_euler(R), (0, 0, np.pi / 2), atol=1e-12)
    np.testing.assert_allclose(rot.matrix_to_rotation_6d(R), (0, 1, 0, -1, 0, 0), atol=1e-12)


def test_euler_angles_turn_about_fixed_axes_in_order_x_y_z():
    x, y, z = 0.4, -0.7, 1.9
    turn = rot.axis_angle_to_matrix
    expected = turn(np.array((0, 0, z))) @ turn(np.array((0, y, 0))) @ turn(np.array((x, 0, 0)))
    np.testing.assert_allclose(rot.euler_to_matrix(np.array((x, y, z))), expected, atol=1e-12)


def test_gimbal_lock_round_trips_without_a_warning():
    R = rot.euler_to_matrix(np.array(((0.3, np.pi / 2, 0.8), (0.3, -np.pi / 2, 0.8))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        angles = rot.matrix_to_euler(R)
    np.testing.assert_allclose(rot.euler_to_matrix(angles), R, atol=1e-7)


def test_six_numbers_off_the_manifold_become_the_nearest_column_order_rotation():
    R = rot.rotation_6d_to_matrix(np.array((2.0, 0, 0, 0.5, 3.0, 0)))
    np.testing.assert_allclose(R, np.eye(3), atol=1e-12)


def test_angle_between_is_exact_for_tiny_and_for_half_turns():
    R = random_matrices(1)[0]
    for angle in (0.0, 1e-9, 0.3, np.pi - 1e-6, np.pi):
        turned = R @ rot.axis_angle_to_matrix(np.array((angle, 0, 0)))
        assert rot.angle_between(R, turned) == pytest.approx(angle, abs=1e-12 if angle < 1 else 1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rot.quaternion_to_matrix(np.zeros(4)), "zero norm"),
        (lambda: rot.quaternion_to_matrix(np.full(4, np.nan)), "non-finite"),
        (lambda: rot.quaternion_to_matrix(np.zeros(3)), "shape"),
        (lambda: rot.matrix_to_quaternion(np.zeros((3, 3))), "determinant"),
        (lambda: rot.matrix_to_euler(np.diag((1.0, 1, -1))), "determinant"),
        (lambda: rot.rotation_6d_to_matrix(np.array((1.0, 0, 0, 2, 0, 0))), "parallel"),
        (lambda: rot.rotation_6d_to_matrix(np.zeros(6)), "parallel"),
    ],
)
def test_numbers_that_are_no_rotation_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()
