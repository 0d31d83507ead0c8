"""Geometry of hands given as 21 joints (order: `specs.hands`), metres."""

from dataclasses import dataclass

import numpy as np

from praxia.geometry.se3 import pose
from praxia.specs.hands import JOINTS, KNUCKLES, SIDES, TIPS, WRIST

_N = len(JOINTS)
_WIDTH = 4 * _N + 1  # numbers of a side: joints, confidences, contact
_INDEX, _MIDDLE, _LITTLE = KNUCKLES[1], KNUCKLES[2], KNUCKLES[4]


@dataclass(frozen=True)
class HandPair:
    """Both hands at T times, in one frame. joints: float64 [T, 2, 21, 3], side by `SIDES`; confidence: float64 [T, 2, 21] in 0..1, 0 = not known;
    contact: bool [T, 2], the hand touches an object."""

    joints: np.ndarray
    confidence: np.ndarray
    contact: np.ndarray

    def numbers(self) -> np.ndarray:
        """float32 [T, 170] in the order of `specs.hands.hand_state`."""
        T = len(self.joints)
        parts = (self.joints.reshape(T, 2, -1), self.confidence, self.contact[..., None])
        return np.concatenate(parts, axis=2).reshape(T, -1).astype(np.float32)


def hand_pair(numbers: np.ndarray) -> HandPair:
    """Inverse of `HandPair.numbers`."""
    sides = np.asarray(numbers, np.float64).reshape(len(numbers), len(SIDES), _WIDTH)
    joints = sides[..., : 3 * _N].reshape(len(numbers), len(SIDES), _N, 3)
    return HandPair(joints, sides[..., 3 * _N : 4 * _N], sides[..., -1] > 0.5)


def wrist_frame(joints: np.ndarray, side: str) -> np.ndarray:
    """T_base_wrist float64 [..., 4, 4] of joints [..., 21, 3]: y along the palm to the middle knuckle, z out of the palm (data_and_metrics §4.4)."""
    joints = np.asarray(joints, np.float64)
    origin = joints[..., WRIST, :]
    y = _unit(joints[..., _MIDDLE, :] - origin)
    normal = np.cross(joints[..., _INDEX, :] - origin, joints[..., _LITTLE, :] - origin)
    normal = normal if side == "right" else -normal
    z = _unit(normal - (normal * y).sum(-1, keepdims=True) * y)
    return pose(np.stack([np.cross(y, z), y, z], axis=-1), origin)


def palm(joints: np.ndarray) -> np.ndarray:
    """Middle of the palm [..., 3]: mean of the wrist and the five finger bases (VIPA-VLA, default 11)."""
    return np.asarray(joints)[..., (WRIST, *KNUCKLES), :].mean(axis=-2)


def aperture(joints: np.ndarray) -> np.ndarray:
    """Distance [...] from the tip of the thumb to that of the index finger."""
    joints = np.asarray(joints)
    return np.linalg.norm(joints[..., TIPS[0], :] - joints[..., TIPS[1], :], axis=-1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
