"""Rotation forms at the edges: 3x3 matrices <-> quaternion (w, x, y, z), axis-angle, Euler extrinsic xyz, 6-D.

Every function takes and returns float64 arrays and batches over leading dims.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from praxia.errors import DataError


def quaternion_to_matrix(quaternion: np.ndarray) -> np.ndarray:
    """[..., 4] (w, x, y, z), any non-zero norm -> [..., 3, 3]. Raises DataError for a zero or non-finite quaternion."""
    wxyz = _checked("quaternion (w, x, y, z)", quaternion, (4,))
    if not (np.linalg.norm(wxyz, axis=-1) > 1e-12).all():
        raise DataError("quaternion (w, x, y, z) has zero norm: expected a rotation; fix: drop the frame or write the identity 1, 0, 0, 0")
    return _batched(lambda q: Rotation.from_quat(q[:, [1, 2, 3, 0]]).as_matrix(), wxyz, 1)


def matrix_to_quaternion(R: np.ndarray) -> np.ndarray:
    """[..., 3, 3] -> unit quaternion [..., 4] (w, x, y, z) with w >= 0, so that equal rotations have equal numbers."""
    return _batched(lambda m: Rotation.from_matrix(m).as_quat(canonical=True)[:, [3, 0, 1, 2]], _checked_matrix(R), 2)


def axis_angle_to_matrix(rotvec: np.ndarray) -> np.ndarray:
    """[..., 3] rotation vector (axis times angle, radians) -> [..., 3, 3]."""
    return _batched(lambda v: Rotation.from_rotvec(v).as_matrix(), _checked("axis-angle", rotvec, (3,)), 1)


def matrix_to_axis_angle(R: np.ndarray) -> np.ndarray:
    """[..., 3, 3] -> rotation vector [..., 3] with norm in [0, pi]."""
    return _batched(lambda m: Rotation.from_matrix(m).as_rotvec(), _checked_matrix(R), 2)


def euler_to_matrix(angles: np.ndarray) -> np.ndarray:
    """[..., 3] angles (radians) about the fixed x, then y, then z axis -> R = Rz @ Ry @ Rx, [..., 3, 3]."""
    return _batched(lambda a: Rotation.from_euler("xyz", a).as_matrix(), _checked("Euler angles", angles, (3,)), 1)


def matrix_to_euler(R: np.ndarray) -> np.ndarray:
    """[..., 3, 3] -> extrinsic xyz angles [..., 3]; y in [-pi/2, pi/2]. At gimbal lock (|y| = pi/2) z is set to 0."""
    R = _checked_matrix(R)
    # Written out because the library warns at gimbal lock, where any split of x and z is the same rotation.
    cosine = np.hypot(R[..., 0, 0], R[..., 1, 0])
    locked = cosine < 1e-9
    x = np.where(locked, np.arctan2(-R[..., 1, 2], R[..., 1, 1]), np.arctan2(R[..., 2, 1], R[..., 2, 2]))
    z = np.where(locked, 0.0, np.arctan2(R[..., 1, 0], R[..., 0, 0]))
    return np.stack((x, np.arctan2(-R[..., 2, 0], cosine), z), axis=-1)


def rotation_6d_to_matrix(columns: np.ndarray) -> np.ndarray:
    """[..., 6] = first column, second column -> [..., 3, 3] by Gram-Schmidt (Zhou et al., arXiv 1812.07035).

    Any two independent vectors give a rotation. Raises DataError if they are parallel or zero.
    """
    columns = _checked("6-D rotation", columns, (6,))
    first, second = columns[..., :3], columns[..., 3:]
    third = np.cross(first, second)
    scale = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    if not (np.linalg.norm(third, axis=-1) > 1e-9 * scale).all() or not (scale > 0).all():
        raise DataError("6-D rotation has zero or parallel columns: expected two independent vectors (the first two COLUMNS of R)")
    x = first / np.linalg.norm(first, axis=-1, keepdims=True)
    z = third / np.linalg.norm(third, axis=-1, keepdims=True)
    return np.stack((x, np.cross(z, x), z), axis=-1)


def matrix_to_rotation_6d(R: np.ndarray) -> np.ndarray:
    """[..., 3, 3] -> [..., 6]: first column, then second column."""
    R = _checked_matrix(R)
    return np.concatenate((R[..., :, 0], R[..., :, 1]), axis=-1)


def angle_between(R_a: np.ndarray, R_b: np.ndarray) -> np.ndarray:
    """Geodesic angle [...] in radians, in [0, pi]; exact also for tiny angles, where the arc cosine of the trace is not."""
    relative = np.asarray(R_a, np.float64) @ np.swapaxes(np.asarray(R_b, np.float64), -1, -2)
    return np.linalg.norm(matrix_to_axis_angle(relative), axis=-1)


def nearest_rotation(M: np.ndarray) -> np.ndarray:
    """The rotations [..., 3, 3] nearest to matrices in the Frobenius norm: of a mean of rotations, their chordal mean (Moakher 2002)."""
    U, _, Vt = np.linalg.svd(M)
    U[..., 2] *= np.linalg.det(U @ Vt)[..., None]  # 1, or -1 where the nearest orthogonal matrix is a reflection
    return U @ Vt


def _checked(name: str, value: np.ndarray, tail: tuple[int, ...]) -> np.ndarray:
    value = np.asarray(value, np.float64)
    if value.shape[-len(tail) :] != tail:
        raise DataError(f"{name} has shape {value.shape}: expected [..., {', '.join(map(str, tail))}]")
    if not np.isfinite(value).all():
        raise DataError(f"{name} has non-finite numbers: expected a rotation; fix: drop the frame or repair the recording")
    return value


def _checked_matrix(R: np.ndarray) -> np.ndarray:
    R = _checked("rotation matrix", R, (3, 3))
    if not (np.linalg.det(R) > 0).all():
        raise DataError("rotation matrix has determinant <= 0: expected a right-handed rotation; fix: one axis is mirrored or the matrix is empty")
    return R


def _batched(convert: Callable[[np.ndarray], np.ndarray], value: np.ndarray, item_dims: int) -> np.ndarray:
    """Run a function of one leading dim over any number of leading dims (also none, also empty)."""
    lead, item = value.shape[: value.ndim - item_dims], value.shape[value.ndim - item_dims :]
    if 0 in lead:  # the library refuses empty batches; the item shape of the answer comes from an identity
        probe = convert(np.eye(3)[None] if item_dims == 2 else np.eye(1, item[0]))
        return np.zeros((*lead, *probe.shape[1:]))
    flat = convert(value.reshape(-1, *item))
    return flat.reshape(*lead, *flat.shape[1:])
