"""Cameras: checked construction, projection, rays, and MuJoCo cameras against MuJoCo's own pictures."""

import mujoco
import numpy as np
import pytest

from praxia.errors import ConfigError, DataError
from praxia.geometry import camera as cam
from praxia.geometry import se3
from praxia.geometry.rotations import axis_angle_to_matrix

K = np.array(((80.0, 0, 31.5), (0, 90.0, 23.5), (0, 0, 1)))
T = se3.pose(axis_angle_to_matrix(np.array((0.3, -0.2, 1.0))), np.array((0.1, 0.2, 0.9)))

SCENE = """
<mujoco>
  <visual><quality offsamples="0"/><global offwidth="320" offheight="240"/></visual>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="fovy" pos="0.9 -0.5 0.8" xyaxes="0.5 0.86 0 -0.5 0.3 0.8" fovy="58"/>
    <camera name="sensor" pos="0.9 -0.5 0.8" xyaxes="0.5 0.86 0 -0.5 0.3 0.8" sensorsize="0.004 0.003" resolution="320 240"
            focal="0.0031 0.0036" principal="0.0004 -0.0003"/>
    <camera name="flat" pos="0 0 2" projection="orthographic"/>
    <geom type="sphere" size="0.04" pos="0.05 -0.1 0.15"/>
    <geom type="sphere" size="0.04" pos="-0.1 0.12 0.3"/>
    <geom type="sphere" size="0.04" pos="0.2 0.1 0.05"/>
  </worldbody>
</mujoco>
"""


@pytest.mark.parametrize("name", ["fovy", "sensor"])
def test_a_mujoco_camera_projects_spheres_onto_their_segmentation_centroids(name):
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 240, 320) as renderer:
        renderer.enable_segmentation_rendering()
        renderer.update_scene(data, camera=name)
        ids = renderer.render()[..., 0]
    camera = cam.from_mujoco(model, data, name, 240, 320)
    assert camera.T_base_cam is not None
    seen = 0
    for geom in range(model.ngeom):
        v, u = np.nonzero(ids == geom)
        if len(u) < 50:
            continue
        seen += 1
        pixel, z = cam.project(camera.K, se3.apply(se3.invert(camera.T_base_cam), data.geom_xpos[geom]))
        assert z > 0
        assert np.abs(pixel - (u.mean(), v.mean())).max() < 0.3  # a wrong half pixel, sign or row order is at least 0.5
    assert seen >= 2


def test_mujoco_cameras_that_cannot_be_pinholes_are_refused():
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    with pytest.raises(ConfigError, match=r"'front' is not in the MuJoCo model.*'fovy'"):
        cam.from_mujoco(model, data, "front", 48, 64)
    with pytest.raises(ConfigError, match="orthographic"):
        cam.from_mujoco(model, data, "flat", 48, 64)


def test_unprojecting_a_projection_returns_the_point():
    points = np.random.default_rng(0).uniform((-1, -1, 0.2), (1, 1, 3), (50, 3))
    pixels, z = cam.project(K, points)
    np.testing.assert_allclose(cam.unproject(K, pixels, z), points, atol=1e-12)


def test_points_behind_the_camera_have_no_pixel():
    pixels, z = cam.project(K, np.array(((0.0, 0, -1), (0, 0, 0), (0, 0, 1))))
    assert np.isnan(pixels[:2]).all() and pixels[2].tolist() == [31.5, 23.5]
    assert z.tolist() == [-1, 0, 1]


def test_rays_follow_the_formula_and_vanish_outside_the_picture():
    valid = np.ones((48, 64), bool)
    valid[:5] = False
    rays = cam.rays(K, (48, 64), valid)
    assert rays.shape == (3, 48, 64) and rays.dtype == np.float32
    np.testing.assert_allclose(rays[:, 30, 10], ((10 - 31.5) / 80, (30 - 23.5) / 90, 1), rtol=1e-6)
    assert not rays[:, :5].any()


def test_recorded_calibration_is_accepted_in_its_usual_shapes():
    for form in (K, K.ravel(), (80, 90, 31.5, 23.5)):
        camera = cam.camera_from(form, T.ravel(), "view 'head'")
        np.testing.assert_array_equal(camera.K, K)
        np.testing.assert_array_equal(camera.T_base_cam, T)
    assert cam.camera_from(K, None, "view 'head'").T_base_cam is None


def _changed(matrix, index, value):
    matrix = matrix.copy()
    matrix[index] = value
    return matrix


@pytest.mark.parametrize(
    ("K_bad", "T_bad", "message"),
    [
        (None, T, "K is missing"),
        (np.zeros((3, 3)), T, "K is all zeros"),
        (_changed(K, (0, 0), np.nan), T, "K has non-finite"),
        (_changed(K, (0, 0), 0), T, "K is not invertible"),
        (_changed(K, (0, 0), -80), T, "K is .*expected fx > 0"),
        (K.T, T, r"K has last row .* expected \[0, 0, 1\]"),
        (np.ones(5), T, "K has shape"),
        (K, np.zeros((4, 4)), "T_base_cam is all zeros"),
        (K, np.eye(4), "T_base_cam is the identity"),
        (K, _changed(T, (0, 3), np.inf), "T_base_cam has non-finite"),
        (K, T.T, "T_base_cam has last row"),
        (K, T * (2, 2, 2, 1), "T_base_cam .*not orthonormal"),
        (K, T * (-1, 1, 1, 1), "T_base_cam .*determinant -1"),
        (K, np.ones((3, 4)), "T_base_cam has shape"),
    ],
)
def test_broken_calibration_is_refused_by_name(K_bad, T_bad, message):
    with pytest.raises(DataError, match=f"^dataset 'x', view 'head': {message}"):
        cam.camera_from(K_bad, T_bad, "dataset 'x', view 'head'")
