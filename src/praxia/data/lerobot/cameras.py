"""Cameras of one view over a whole dataset: constants of the card or per-frame columns, as cameras of the picture that is shown."""

import numpy as np

from praxia.data.lerobot.tables import Tables
from praxia.errors import DataError
from praxia.geometry.camera import Camera, camera_from
from praxia.geometry.image_transform import ImageTransform, intrinsics_and_turn
from praxia.specs import ViewKeys

_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])


class CameraTrack:
    """K and T_base_cam of one view by dataset row. The transform leads from the stored picture to the one that is shown."""

    def __init__(self, tables: Tables, view: ViewKeys, shown: ImageTransform, where: str) -> None:
        self._affine = np.vstack([shown.affine, (0.0, 0.0, 1.0)])
        self._form = view.extrinsics_form
        self._K = _constant_or_column(tables, view.K, view.intrinsics)
        self._T = _constant_or_column(tables, view.T_base_cam, view.extrinsics)
        self._fixed: Camera | None = None
        self._shown_K: np.ndarray | None = None
        if self._K is None:
            return
        stored = camera_from(self._K[0], None if self._T is None else self._pose(0), where)  # raises where calibration is missing or wrong
        # Shrinking and half turns have the same turn for every K, so it is worked out once.
        turn = np.eye(4)
        turn[:3, :3] = intrinsics_and_turn(shown.affine, stored.K)[1].T
        self._turn = np.rint(turn)
        self._turned = not np.array_equal(self._turn, np.eye(4))
        if (self._K[0] == self._K).all():  # a per-frame column mostly says the same in every row
            self._shown_K = self._affine @ stored.K @ self._turn[:3, :3]
            if self._T is None or len(self._T) == 1:
                self._fixed = self._camera(0)

    def at(self, row: int) -> Camera | None:
        """Camera of the shown picture at a dataset row; None when the view is uncalibrated."""
        if self._fixed is not None or self._K is None:
            return self._fixed
        return self._camera(row)

    def _camera(self, row: int) -> Camera:
        assert self._K is not None
        if self._shown_K is not None:
            K = self._shown_K
        else:
            k = self._K[row].astype(np.float64)
            K = (
                self._affine
                @ (k.reshape(3, 3) if k.size == 9 else np.array(((k[0], 0.0, k[2]), (0.0, k[1], k[3]), (0.0, 0.0, 1.0))))
                @ self._turn[:3, :3]
            )
        T = None if self._T is None else self._pose(row)
        return Camera(K, T @ self._turn if T is not None and self._turned else T)

    def _pose(self, row: int) -> np.ndarray:
        assert self._T is not None
        T = self._T[row if len(self._T) > 1 else 0].astype(np.float64)
        T = np.vstack([T.reshape(3, 4), (0.0, 0.0, 0.0, 1.0)]) if T.size == 12 else T.reshape(4, 4)
        if self._form == "T_cam_base":
            if not np.linalg.det(T):
                raise DataError("extrinsics cannot be inverted: zeros are how missing calibration is often written; remove the key from the card")
            return np.linalg.inv(T)
        return T @ _GL_TO_CV if self._form == "T_base_cam_gl" else T


def _constant_or_column(tables: Tables, constant: tuple[float, ...] | None, key: str) -> np.ndarray | None:
    """[N, n] of the column, which wins because it is per frame, or [1, n] of the constant."""
    if key:
        return tables.column(key)
    return np.asarray([constant], np.float64) if constant is not None else None
