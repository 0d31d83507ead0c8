"""Paths of a wrist: key poses joined by minimum-jerk motions, as people reach (Flash and Hogan 1985), each with a small detour."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from praxia.geometry.se3 import pose


@dataclass(frozen=True)
class Key:
    """Where a hand is to be after `seconds` more. position: wrist float64 [3]; R: of the wrist [3, 3]; closing: 0..1. detour: [3] m, halfway."""

    seconds: float
    position: np.ndarray
    R: np.ndarray
    closing: float
    detour: np.ndarray


@dataclass(frozen=True)
class Track:
    """Key poses in order; the first is where the hand is at time 0."""

    keys: tuple[Key, ...]

    @property
    def seconds(self) -> float:
        """When the last key is reached."""
        return sum(k.seconds for k in self.keys[1:])

    def at(self, time: float) -> tuple[np.ndarray, float]:
        """T_base_wrist float64 [4, 4] and closing at a time; it rests at the last key."""
        for before, after in zip(self.keys, self.keys[1:], strict=False):
            if time < after.seconds:
                u = time / after.seconds
                share = u**3 * (10 - 15 * u + 6 * u * u)
                turn = Rotation.from_matrix(before.R.T @ after.R).as_rotvec()
                R = before.R @ Rotation.from_rotvec(share * turn).as_matrix()
                position = before.position + share * (after.position - before.position) + 16 * (u * (1 - u)) ** 2 * after.detour
                return pose(R, position), before.closing + share * (after.closing - before.closing)
            time -= after.seconds
        last = self.keys[-1]
        return pose(last.R, last.position), last.closing


def hand_rotation(yaw: float, pitch: float, roll: float, side: str) -> np.ndarray:
    """R_base_wrist of a palm that looks down: fingers along `yaw` (0 = away from the person, + = left) and `pitch` down; roll lifts the thumb."""
    c, s = np.cos(pitch), np.sin(pitch)
    y, z = np.array((c, 0.0, -s)), np.array((-s, 0.0, -c))
    flat = np.stack([np.cross(y, z), y, z], axis=1)
    lift = -roll if side == "right" else roll
    turn = Rotation.from_euler("z", yaw).as_matrix()
    return turn @ flat @ Rotation.from_euler("y", lift).as_matrix()
