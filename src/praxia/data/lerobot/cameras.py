"""Cameras of one view over a whole dataset: constants of the card or per-frame columns, in the stored or the shown picture."""

import numpy as np

from praxia.data.card import check_intrinsics, check_pose
from praxia.data.lerobot.tables import Tables
from praxia.errors import DataError
from praxia.geometry.camera import Camera
from praxia.specs import ViewKeys

_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])


class CameraTrack:
    """K and T_base_cam of one view by dataset row, for the picture that is shown.

    The shown picture is the stored one after `affine` (float64 [2, 3], stored pixel -> shown pixel); when the card says `rotate180`
    the picture is turned upright after that, and the camera with it: its x and y axes flip, so the same ray meets the same pixel.
    """

    def __init__(self, tables: Tables, view: ViewKeys, affine: np.ndarray, shown_size: tuple[int, int], where: str) -> None:
        self._affine = np.vstack([affine, [0.0, 0.0, 1.0]])
        if view.rotate180:
            height, width = shown_size
            self._affine = np.array([[-1.0, 0, width - 1], [0, -1.0, height - 1], [0, 0, 1]]) @ self._affine
        self._turn = np.diag([-1.0, -1.0, 1.0, 1.0]) if view.rotate180 else np.eye(4)
        self._form = view.extrinsics_form
        self._K = _constant_or_column(tables, view.K, view.intrinsics)
        self._T = _constant_or_column(tables, view.T_base_cam, view.extrinsics)
        if self._K is not None:
            check_intrinsics(self._K[0], f"{where}, intrinsics of row 0")
        if self._T is not None:
            check_pose(self._pose(0), f"{where}, extrinsics of row 0")
        constant = self._K is not None and len(self._K) == 1 and (self._T is None or len(self._T) == 1)
        self._fixed = self._camera(0) if constant else None

    @property
    def calibrated(self) -> bool:
        """K is known; T_base_cam may still be unknown."""
        return self._K is not None

    def at(self, row: int) -> Camera | None:
        """Camera of the shown picture at a dataset row; None when the view is uncalibrated."""
        if self._fixed is not None:
            return self._fixed
        return self._camera(row) if self._K is not None else None

    def _camera(self, row: int) -> Camera:
        assert self._K is not None
        k = self._K[row if len(self._K) > 1 else 0]
        K = np.array([[k[0], 0, k[2]], [0, k[1], k[3]], [0, 0, 1]], np.float64) if k.size == 4 else k.reshape(3, 3).astype(np.float64)
        K = self._affine @ K
        if self._turn[0, 0] < 0:  # flip the camera's x and y so that focal lengths stay positive
            K = K @ self._turn[:3, :3]
        return Camera(K, None if self._T is None else self._pose(row) @ self._turn)

    def _pose(self, row: int) -> np.ndarray:
        assert self._T is not None
        T = np.asarray(self._T[row if len(self._T) > 1 else 0], np.float64)
        T = np.vstack([T.reshape(3, 4), [0.0, 0, 0, 1]]) if T.size == 12 else T.reshape(4, 4)
        if self._form == "T_cam_base":
            try:
                return np.linalg.inv(T)
            except np.linalg.LinAlgError as error:
                raise DataError(
                    "extrinsics cannot be inverted: zeros are how missing calibration is often written; remove the key from the card"
                ) from error
        return T @ _GL_TO_CV if self._form == "T_base_cam_gl" else T


def _constant_or_column(tables: Tables, constant: tuple[float, ...] | None, key: str) -> np.ndarray | None:
    """[1, n] of the constant, or [N, n] of the column; the column wins because it is per frame."""
    if key:
        return tables.column(key)
    return np.asarray([constant], np.float64) if constant is not None else None
