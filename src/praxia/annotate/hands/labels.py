"""Label algebra: metric vectors and rotations as words (VIPA-VLA §3.3). Camera frame x right, y down, z forward (default 10)."""

import numpy as np

_AXES = (("right", "left"), ("down", "up"), ("forward", "backward"))  # +, - of x, y, z
_TURNS = (("up", "down"), ("right", "left"), ("clockwise", "counterclockwise"))  # of the camera about +, - x, y, z
IN_CONTACT, NOT_IN_CONTACT = "in contact", "not in contact"


def directions(vector: np.ndarray, gamma: float) -> tuple[str, ...]:
    """Words in the order lateral, vertical, depth: an axis is named if its share of the vector [3] exceeds gamma. () for a vector of no length."""
    vector = np.asarray(vector, np.float64)
    length = np.linalg.norm(vector)
    if length == 0:
        return ()
    return tuple(words[0] if share > 0 else words[1] for share, words in zip(vector / length, _AXES, strict=True) if abs(share) > gamma)


def displacement_text(vector: np.ndarray, gamma: float) -> str:
    """`left and down and forward, 0.44m`."""
    return f"{' and '.join(directions(vector, gamma))}, {distance_text(vector)}"


def distance_text(vector: np.ndarray) -> str:
    """`0.44m`."""
    return f"{np.linalg.norm(vector):.2f}m"


def rotation_text(rotvec: np.ndarray) -> str:
    """`left, 12.384 degrees`: the axis with the largest share names the direction, the angle is of the whole rotation.

    rotvec [3]: of the camera from the first to the last picture, in the frame of the first (radians).
    """
    axis = int(np.argmax(np.abs(rotvec)))
    return f"{_TURNS[axis][0 if rotvec[axis] > 0 else 1]}, {np.degrees(np.linalg.norm(rotvec)):.3f} degrees"
