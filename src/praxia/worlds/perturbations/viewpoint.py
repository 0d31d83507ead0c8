"""Another viewpoint for a fixed camera of a MuJoCo model. Calibration is read from the model afterwards, so it follows by itself."""

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from praxia.worlds.perturbations.perturbation import Perturbation

_RISE = 0.2  # of an orbit's angle, upwards


def move_camera(model: Any, camera: int, found: Perturbation, height: float) -> None:
    """Orbit, step back or look aside. model: mujoco.MjModel; height: z (m) at which the optical axis meets what is looked at."""
    position = model.cam_pos[camera].copy()
    turn = Rotation.from_quat(np.roll(model.cam_quat[camera], -1))  # MuJoCo: w first
    right, _, back = turn.as_matrix().T
    pivot = position - back * (position[2] - height) / back[2]
    rng, angle = found.rng(), np.radians(found.strength)
    if found.kind.name == "orbit":
        level = np.array([right[0], right[1], 0.0]) / np.hypot(right[0], right[1])
        lifting = level if np.cross(level, back)[2] > 0 else -level  # turning about it lifts the camera, even one that hangs upside down
        moved = Rotation.from_rotvec([0.0, 0.0, rng.choice([-1.0, 1.0]) * angle]) * Rotation.from_rotvec(_RISE * angle * lifting)
        position, turn = pivot + moved.apply(position - pivot), moved * turn
    elif found.kind.name == "distance":
        position = pivot + (position - pivot) * found.strength
    else:
        way = rng.uniform(0, 2 * np.pi)
        turn = turn * Rotation.from_rotvec([angle * np.cos(way), angle * np.sin(way), 0.0])
    model.cam_pos[camera], model.cam_quat[camera] = position, np.roll(turn.as_quat(), 1)
