"""Tool paths in the anchor's camera frame."""

import numpy as np

from praxia.geometry import se3
from praxia.geometry.camera import Camera
from praxia.geometry.paths import path_in_camera, project_path
from praxia.geometry.rotations import axis_angle_to_matrix

K = np.array(((60.0, 0, 31.5), (0, 60.0, 23.5), (0, 0, 1)))
T_BASE_CAM = se3.pose(axis_angle_to_matrix(np.array((2.0, 0.4, -0.3))), np.array((0.2, -0.1, 1.0)))


def test_a_path_in_the_camera_frame_maps_back_to_the_base_frame():
    draw = np.random.default_rng(0)
    path = se3.pose(axis_angle_to_matrix(draw.normal(size=(9, 3))), draw.normal(size=(9, 3)))
    seen = path_in_camera(path, T_BASE_CAM)
    np.testing.assert_allclose(se3.compose(T_BASE_CAM, seen), path, atol=1e-12)


def test_points_off_the_picture_behind_or_too_near_are_not_visible():
    positions = np.array(((0, 0, 1.0), (0.52, 0, 1.0), (0.54, 0, 1.0), (0, 0, -1.0), (0, 0, 0.04), (0, -0.39, 1.0), (0, -0.41, 1.0)))
    pixels, visible = project_path(se3.pose(np.eye(3), positions), Camera(K), (48, 64))
    assert visible.tolist() == [True, True, False, False, False, True, False]
    np.testing.assert_allclose(pixels[0], (31.5, 23.5))
    assert np.isnan(pixels[3]).all()
