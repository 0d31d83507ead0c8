"""Metric ways as words (VIPA-VLA §3.3): `left and down and forward, 0.44m`. Camera frame x right, y down, z forward (default 10)."""

import numpy as np

AXES = (("left", "right"), ("up", "down"), ("backward", "forward"))  # -, + of x, y, z


def directions(vector: np.ndarray, gamma: float) -> tuple[str, ...]:
    """Words in the order lateral, vertical, depth: an axis is named if its share of the vector [3] exceeds gamma. () for a vector of no length."""
    vector = np.asarray(vector, np.float64)
    length = np.linalg.norm(vector)
    if length == 0:
        return ()
    return tuple(words[int(share > 0)] for share, words in zip(vector / length, AXES, strict=True) if abs(share) > gamma)


def displacement_text(vector: np.ndarray, gamma: float) -> str:
    """`left and down and forward, 0.44m`."""
    return f"{' and '.join(directions(vector, gamma))}, {distance_text(vector)}"


def distance_text(vector: np.ndarray) -> str:
    """`0.44m`."""
    return f"{np.linalg.norm(vector):.2f}m"
