"""How experts move: commands to the benchmark's own OSC controller (7 numbers: metres, radians, gripper), a function of the present scene.

The controller is a critically damped spring towards tool + command, set anew at every step. A command of 1.5 times what is missing therefore comes to
rest without overshoot worth speaking of, and a full command travels at 0.3 m/s.
"""

import numpy as np
from scipy.spatial.transform import Rotation

OPEN, CLOSED = -1.0, 1.0
MOST, TURN = 0.05, 0.5  # limits of a command
GAIN = 1.5
FREE = 0.07  # m between the fingers, of 0.08 when open
PALM = 0.032  # m, from the fingertips' middle up to the palm


def downward(closing: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] of a tool that points down and closes along the horizontal direction `closing` [3]."""
    x = np.array([closing[0], closing[1], 0.0]) / np.hypot(closing[0], closing[1])
    z = np.array([0.0, 0.0, -1.0])
    return np.stack((x, np.cross(z, x), z), axis=1)


def pointing(tool: np.ndarray, ahead: np.ndarray, closing: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] of a tool that points along the unit vector `ahead` [3] and closes along `closing` [3], at right angles to it, or its opposite:
    whichever turns the hand less."""
    both = [np.stack((x, np.cross(ahead, x), ahead), axis=1) for x in (closing, -closing)]
    return min(both, key=lambda R: angle_between(tool, R))


def nearest_closing(tool: np.ndarray, closing: np.ndarray) -> np.ndarray:
    """`closing` or its opposite, whichever turns the hand less: the fingers are alike."""
    return closing if tool[:3, 0] @ closing >= 0 else -closing


def towards(tool: np.ndarray, target: np.ndarray, R: np.ndarray, gripper: float, hold: float = 0.0, fastest: float = TURN) -> np.ndarray:
    """Command float32 [7] towards position `target` [3] and rotation R [3, 3]; hold in [0, 1] slows the sideways part; fastest: radians."""
    step = GAIN * (target - tool[:3, 3])
    step[:2] *= 1.0 - hold
    step *= min(1.0, MOST / max(float(np.abs(step).max()), 1e-9))
    turn = Rotation.from_matrix(R @ tool[:3, :3].T).as_rotvec()
    turn *= min(1.0, fastest / max(float(np.linalg.norm(turn)), 1e-9))
    return np.array([*step, *turn, gripper], np.float32)


def from_above(tool: np.ndarray, target: np.ndarray, R: np.ndarray, gripper: float, travel: float, reach: float = 0.05) -> np.ndarray:
    """Command towards `target` through a funnel: at height `travel` while far aside, down only right above it.

    reach: sideways distance (m) from which on the tool keeps the travel height.
    """
    aside = float(np.linalg.norm(target[:2] - tool[:2, 3]))
    share = float(np.clip((aside - 0.006) / (reach - 0.006), 0.0, 1.0))
    height = target[2] + share * max(travel - target[2], 0.0)
    too_low = float(np.clip((height - tool[2, 3] - 0.02) / 0.03, 0.0, 1.0))
    return towards(tool, np.array([target[0], target[1], height]), R, gripper, too_low)


def angle_between(tool: np.ndarray, R: np.ndarray) -> float:
    """Radians between the hand and R."""
    return float(np.linalg.norm(Rotation.from_matrix(R @ tool[:3, :3].T).as_rotvec()))
