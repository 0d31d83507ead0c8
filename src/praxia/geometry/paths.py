"""A tool's path over time, as one camera at one time sees it."""

import numpy as np

from praxia.geometry import camera as cameras
from praxia.geometry import se3
from praxia.geometry.camera import Camera

NEAREST_VISIBLE = 0.05  # metres; closer points are inside the lens housing and their pixels explode


def path_in_camera(T_base_tool: np.ndarray, T_base_cam: np.ndarray) -> np.ndarray:
    """T_cam_tool float64 [T, 4, 4] of a path T_base_tool [T, 4, 4] in the camera frame of ONE step, the anchor.

    Future poses stay in the anchor's camera frame although a moving camera moves on: inv(T_base_cam(t0)) @ T_base_tool(t0 + k).
    """
    return se3.compose(se3.invert(T_base_cam), T_base_tool)


def project_path(T_cam_tool: np.ndarray, camera: Camera, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (u, v) float64 [T, 2] of the tool points and visible bool [T].

    size: (height, width) of the picture K belongs to. Visible = in front of the camera by at least 5 cm and on the picture; occlusion is not judged.
    Pixels are NaN behind the camera.
    """
    pixels, z = cameras.project(camera.K, np.asarray(T_cam_tool)[:, :3, 3])
    height, width = size
    with np.errstate(invalid="ignore"):
        on_picture = ((pixels >= -0.5) & (pixels < (width - 0.5, height - 0.5))).all(axis=-1)
    return pixels, on_picture & (z >= NEAREST_VISIBLE)


def resampled(path: np.ndarray, rate_hz: float, wanted_hz: float, first: int = 0, include: bool = False) -> np.ndarray:
    """A path float64 [T, D] at `rate_hz`, linear between its points, at `wanted_hz`: [n, D] over the same time.

    first: number of the step that row 0 is (step k is k / rate_hz after now); the result begins one step after now, or now if `include`. Before the
    path's first point the first point is given.
    """
    times = (np.arange(len(path)) + first) / rate_hz
    count = int(np.floor(times[-1] * wanted_hz + 1e-6)) if len(path) else 0
    wanted = np.arange(0 if include else 1, count + 1) / wanted_hz
    return np.stack([np.interp(wanted, times, column) for column in path.T], axis=1) if len(path) else path
