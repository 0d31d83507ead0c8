"""Camera: intrinsics K and pose T_base_cam (OpenCV axes: x right, y down, z forward; integer (u, v) = pixel centre)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from praxia.errors import ConfigError, DataError
from praxia.geometry import se3

# MuJoCo cameras look along -z with y up (OpenGL); redefining the axes on the camera side gives OpenCV.
_OPENGL_OPENCV = np.diag((1.0, -1.0, -1.0, 1.0))
_PERSPECTIVE = 0  # mujoco.mjtProjection.mjPROJ_PERSPECTIVE


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at one time.

    K: float64 [3, 3] in pixels of the image it belongs to. T_base_cam: float64 [4, 4], maps camera points to base points; None if unknown.
    """

    K: np.ndarray
    T_base_cam: np.ndarray | None = None


def camera_from(K: np.ndarray | None, T_base_cam: np.ndarray | None, where: str) -> Camera:
    """A checked Camera from recorded numbers.

    K: [3, 3], [9] row-major or [4] = (fx, fy, cx, cy). T_base_cam: [4, 4] or [16] row-major; None = unknown.
    where: names the source in messages, e.g. "dataset 'x', episode 3, view 'head'".
    Raises DataError naming the field, the fault and the fix.
    """
    if K is None:
        raise DataError(f"{where}: K is missing: expected 3x3 intrinsics or fx, fy, cx, cy; fix: add `K` to the view in dataset.yaml")
    matrix = _intrinsics(K, where)
    if T_base_cam is None:
        return Camera(matrix)
    T = np.array(T_base_cam, np.float64)
    T = T.reshape(4, 4) if T.size == 16 else T
    fault = se3.rigid_fault(T)
    if not fault and np.array_equal(T, np.eye(4)):
        fault = "is the identity, which recordings use as a placeholder (a camera that IS the base frame is built as Camera(K, np.eye(4)))"
    if fault:
        raise DataError(
            f"{where}: T_base_cam {fault}: expected a rigid camera-to-base transform in metres; "
            "fix: correct the calibration, or leave it out so that the view counts as uncalibrated"
        )
    return Camera(matrix, T)


def _intrinsics(K: np.ndarray, where: str) -> np.ndarray:
    """K as float64 [3, 3], or DataError."""
    numbers = np.array(K, np.float64)
    fix = "fix: give K in pixels of the stored image as fx, fy, cx, cy"
    if numbers.size == 4:
        fx, fy, cx, cy = numbers.ravel()
        numbers = np.array(((fx, 0, cx), (0, fy, cy), (0, 0, 1)))
    if numbers.size != 9:
        raise DataError(f"{where}: K has shape {numbers.shape}: expected [3, 3] or fx, fy, cx, cy; {fix}")
    numbers = numbers.reshape(3, 3)
    if not np.isfinite(numbers).all():
        raise DataError(f"{where}: K has non-finite numbers {numbers.tolist()}; {fix}")
    if not numbers.any():
        raise DataError(f"{where}: K is all zeros (written where a calibration is missing); {fix}, or leave the camera out")
    if not np.array_equal(numbers[2], (0, 0, 1)):
        raise DataError(f"{where}: K has last row {numbers[2].tolist()}, expected [0, 0, 1] (stored transposed?); {fix}")
    if abs(np.linalg.det(numbers)) < 1e-9:
        raise DataError(f"{where}: K is not invertible, {numbers.tolist()}; {fix}")
    if numbers[0, 0] <= 0 or numbers[1, 1] <= 0 or numbers[1, 0] != 0:
        raise DataError(f"{where}: K is {numbers.tolist()}: expected fx > 0, fy > 0 and K[1][0] = 0; {fix}; turns belong into T_base_cam, not into K")
    return numbers


def project(K: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera-frame points [..., 3] in metres -> pixels (u, v) [..., 2] and z [...]; pixels are NaN where z <= 0."""
    points = np.asarray(points, np.float64)
    z = points[..., 2]
    homogeneous = points @ np.asarray(K, np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.where((z > 0)[..., None], homogeneous[..., :2] / z[..., None], np.nan)
    return pixels, z


def picture_frame(K: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """T_picture_cam float64 [4, 4] for intrinsics K of a picture of size (height, width): the camera frame sheared so that its z axis goes
    through the middle of the picture. Depth stays; the identity where the principal point is the middle."""
    T = np.eye(4)
    T[0, 2] = (K[0, 2] - (size[1] - 1) / 2) / K[0, 0]
    T[1, 2] = (K[1, 2] - (size[0] - 1) / 2) / K[1, 1]
    return T


def unproject(K: np.ndarray, pixels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Pixels (u, v) [..., 2] at metric depth z [...] -> camera-frame points [..., 3]."""
    pixels = np.asarray(pixels, np.float64)
    homogeneous = np.concatenate((pixels, np.ones_like(pixels[..., :1])), axis=-1)
    return homogeneous @ np.linalg.inv(K).T * np.asarray(z, np.float64)[..., None]


def rays(K: np.ndarray, size: tuple[int, int], valid: np.ndarray | None = None) -> np.ndarray:
    """Viewing rays r = ((u - cx) / fx, (v - cy) / fy, 1) of every pixel, float32 [3, H, W]; depth times ray is the point.

    size: (height, width). valid: bool [H, W]; rays are zero where it is False (padding, turned-in corners).
    """
    height, width = size
    v, u = np.mgrid[:height, :width]
    grid = unproject(K, np.stack((u, v), axis=-1), np.ones(size))
    if valid is not None:
        grid[~valid] = 0.0
    return np.ascontiguousarray(grid.transpose(2, 0, 1), np.float32)


def from_mujoco(model: Any, data: Any, camera: int | str, height: int, width: int) -> Camera:
    """The camera of the picture `mujoco.Renderer(model, height, width)` takes (upright, row 0 on top); base frame = MuJoCo world.

    model, data: mujoco.MjModel and MjData (taken by shape, so that geometry does not load a simulator).
    `data` must be up to date (`mj_forward`). From fovy: f = H / (2 tan(fovy / 2)), principal point ((W - 1) / 2, (H - 1) / 2);
    cameras with a sensor size use their own focal lengths and principal point. A picture turned by 180 degrees is
    `image_transform.rotate` on the View, never a change of K alone.
    Raises ConfigError for an unknown or an orthographic camera.
    """
    names = [model.camera(i).name for i in range(model.ncam)]
    index = (names.index(camera) if camera in names else -1) if isinstance(camera, str) else camera
    if not 0 <= index < model.ncam:
        raise ConfigError(f"camera {camera!r} is not in the MuJoCo model: expected one of {names}")
    if model.cam_projection[index] != _PERSPECTIVE:
        raise ConfigError(f"camera {camera!r} is orthographic: expected a perspective camera; fix: set projection='perspective' in the XML")
    centre = np.array(((width - 1) / 2, (height - 1) / 2))
    if model.cam_sensorsize[index, 1] > 0:
        pixels_per_metre = np.array((width, height)) / model.cam_sensorsize[index]
        focal = model.cam_intrinsic[index, :2] * pixels_per_metre
        centre = centre - model.cam_intrinsic[index, 2:] * pixels_per_metre  # both signs settled by rendering, see the test
    else:
        focal = np.full(2, 0.5 * height / np.tan(np.deg2rad(model.cam_fovy[index]) / 2))
    K = np.array(((focal[0], 0, centre[0]), (0, focal[1], centre[1]), (0, 0, 1)), np.float64)
    T_world_opengl = se3.pose(data.cam_xmat[index].reshape(3, 3), data.cam_xpos[index])
    return Camera(K, T_world_opengl @ _OPENGL_OPENCV)
