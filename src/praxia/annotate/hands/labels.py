"""Labels beside directions (`geometry.directions`): contact, and rotations of the camera as words (VIPA-VLA §3.3)."""

import numpy as np

_TURNS = (("up", "down"), ("right", "left"), ("clockwise", "counterclockwise"))  # of the camera about +, - x, y, z
IN_CONTACT, NOT_IN_CONTACT = "in contact", "not in contact"


def rotation_text(rotvec: np.ndarray) -> str:
    """`left, 12.384 degrees`: the axis with the largest share names the direction, the angle is of the whole rotation.

    rotvec [3]: of the camera from the first to the last picture, in the frame of the first (radians).
    """
    axis = int(np.argmax(np.abs(rotvec)))
    return f"{_TURNS[axis][0 if rotvec[axis] > 0 else 1]}, {np.degrees(np.linalg.norm(rotvec)):.3f} degrees"
