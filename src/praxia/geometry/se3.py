"""Rigid transforms as 4x4 matrices: `T_a_b` maps points of frame b to frame a (metres, float64)."""

from functools import reduce

import numpy as np

from praxia.geometry.rotations import matrix_to_quaternion, quaternion_to_matrix


def pose(R: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Matrix [..., 4, 4] float64 from rotation [..., 3, 3] and position [..., 3]; leading dims broadcast."""
    R, position = np.asarray(R, np.float64), np.asarray(position, np.float64)
    lead = np.broadcast_shapes(R.shape[:-2], position.shape[:-1])
    T = np.zeros((*lead, 4, 4))
    T[..., :3, :3] = R
    T[..., :3, 3] = position
    T[..., 3, 3] = 1.0
    return T


def compose(*transforms: np.ndarray) -> np.ndarray:
    """`compose(T_a_b, T_b_c, ...)` is the product, so the frames read through: T_a_c. Leading dims broadcast."""
    return reduce(np.matmul, (np.asarray(T, np.float64) for T in transforms), np.eye(4))


def invert(T: np.ndarray) -> np.ndarray:
    """T_b_a from T_a_b [..., 4, 4]; uses that the rotation block is orthonormal."""
    T = np.asarray(T, np.float64)
    R_inverse = np.swapaxes(T[..., :3, :3], -1, -2)
    return pose(R_inverse, -np.einsum("...ij,...j->...i", R_inverse, T[..., :3, 3]))


def apply(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of frame b in frame a: T [..., 4, 4] and point sets [..., N, 3] (or one transform and one point [3]).

    Leading dims of T broadcast against those of the *set*: one point per transform is `apply(T, points[:, None])[:, 0]`.
    """
    T = np.asarray(T, np.float64)
    points = np.asarray(points, np.float64)
    if points.ndim == 1:
        return T[..., :3, :3] @ points + T[..., :3, 3]
    return points @ np.swapaxes(T[..., :3, :3], -1, -2) + T[..., None, :3, 3]


def from_position_quaternion(position: np.ndarray, quaternion: np.ndarray) -> np.ndarray:
    """Matrix [..., 4, 4] from position [..., 3] and quaternion [..., 4] in (w, x, y, z) order, any non-zero norm."""
    return pose(quaternion_to_matrix(quaternion), position)


def to_position_quaternion(T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position [..., 3] and unit quaternion [..., 4] in (w, x, y, z) order with w >= 0."""
    T = np.asarray(T, np.float64)
    return T[..., :3, 3].copy(), matrix_to_quaternion(T[..., :3, :3])


def rigid_fault(T: np.ndarray, tolerance: float = 1e-3) -> str:
    """Why T [4, 4] is not a rigid transform, in words; "" if it is one (rotation orthonormal within `tolerance`, det +1)."""
    T = np.asarray(T)
    if T.shape != (4, 4):
        return f"has shape {T.shape}, expected (4, 4)"
    if not np.isfinite(T).all():
        return "has non-finite numbers"
    if not T.any():
        return "is all zeros (several dataset releases write zeros where a calibration is missing)"
    if not np.allclose(T[3], (0, 0, 0, 1), atol=1e-6):
        return f"has last row {T[3].tolist()}, expected [0, 0, 0, 1] (is it stored transposed?)"
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=tolerance):
        return f"has a rotation block that is not orthonormal (largest error {np.abs(R @ R.T - np.eye(3)).max():.3g})"
    if np.linalg.det(R) < 0:
        return "has a rotation block with determinant -1 (a mirror: one axis is flipped)"
    return ""
