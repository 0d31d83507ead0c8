"""A hand's skeleton: where its 21 joints are for a wrist pose and a closing; lengths of an adult's hand in metres.

Wrist frame of the right hand: x to the thumb's side, y to the middle knuckle, z out of the palm; the left hand is its mirror image in x.
"""

from functools import cache

import numpy as np

from praxia.geometry import hands, se3
from praxia.specs.hands import FINGERS, JOINTS, KNUCKLES, TIPS

RADIUS, PALM_RADIUS = 0.0085, 0.012  # metres of flesh around the bones of fingers and of the palm
_BASES = {  # of the fingers, wrist frame
    "thumb": (0.026, 0.028, 0.010),
    "index": (0.023, 0.091, 0.0),
    "middle": (0.0, 0.095, 0.0),
    "ring": (-0.020, 0.088, 0.0),
    "little": (-0.038, 0.079, 0.0),
}
_LENGTHS = {
    "thumb": (0.042, 0.034, 0.028),
    "index": (0.042, 0.026, 0.022),
    "middle": (0.046, 0.029, 0.024),
    "ring": (0.043, 0.027, 0.024),
    "little": (0.034, 0.020, 0.021),
}
_SPREAD = {"index": 0.10, "middle": 0.0, "ring": -0.08, "little": -0.18}  # rad to the thumb's side
_OPEN, _CLOSED = np.radians((8.0, 14.0, 8.0)), np.radians((62.0, 56.0, 22.0))  # how much each joint of a finger bends
_THUMB_OPEN, _THUMB_CLOSED = np.array((0.80, 0.55, 0.25)), np.array((0.02, 0.50, 0.86))


@cache
def _local(step: int) -> np.ndarray:
    """Right hand's joints [21, 3] in the wrist frame at a closing of step / 100."""
    share = step / 100
    joints = np.zeros((len(JOINTS), 3))
    for finger, base in zip(FINGERS, KNUCKLES):
        joints[base] = _BASES[finger]
        if finger == "thumb":
            direction = (1 - share) * _THUMB_OPEN + share * _THUMB_CLOSED
            directions = [direction / np.linalg.norm(direction)] * 3
        else:
            bends = np.cumsum((1 - share) * _OPEN + share * _CLOSED)
            side = _SPREAD[finger] * (1 - share)  # fingers close side by side
            directions = [np.array((np.sin(side) * np.cos(b), np.cos(side) * np.cos(b), np.sin(b))) for b in bends]
        for i, (length, along) in enumerate(zip(_LENGTHS[finger], directions, strict=True)):
            joints[base + 1 + i] = joints[base + i] + length * along
    return joints


def local_joints(side: str, closing: float, scale: float = 1.0) -> np.ndarray:
    """Joints float64 [21, 3] in the wrist frame. closing: 0 = flat .. 1 = thumb and fingers together; scale: of all lengths."""
    at = 100 * float(np.clip(closing, 0, 1))
    low = min(int(at), 99)
    joints = scale * ((low + 1 - at) * _local(low) + (at - low) * _local(low + 1))
    return joints if side == "right" else joints * (-1, 1, 1)


def joints_at(T_base_wrist: np.ndarray, side: str, closing: float, scale: float = 1.0) -> np.ndarray:
    """Joints float64 [21, 3] in the base frame."""
    return se3.apply(T_base_wrist, local_joints(side, closing, scale))


@cache
def _apertures() -> np.ndarray:
    """Aperture at closings 0, 0.01 .. 1 of a hand of scale 1."""
    return np.array([hands.aperture(_local(i)) for i in range(101)])


def closing_for(aperture: float, scale: float = 1.0) -> float:
    """The closing (0..1) at which the tips of thumb and index finger are `aperture` apart."""
    table = _apertures()
    return float(np.interp(aperture / scale, table[::-1], np.linspace(1, 0, len(table))))


def pinch_point(side: str, closing: float, scale: float = 1.0) -> np.ndarray:
    """Middle between thumb and fingers [3] in the wrist frame: where something that is held has its middle."""
    joints = local_joints(side, closing, scale)
    return (joints[TIPS[0]] + joints[[TIPS[1], TIPS[2]]].mean(axis=0)) / 2
