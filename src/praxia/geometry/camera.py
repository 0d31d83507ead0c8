"""Camera: intrinsics K and pose T_base_cam (OpenCV axes: x right, y down, z forward; integer (u, v) = pixel centre)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at one time.

    K: float64 [3, 3] in pixels of the image it belongs to. T_base_cam: float64 [4, 4], maps camera points to base points; None if unknown.
    """

    K: np.ndarray
    T_base_cam: np.ndarray | None = None
