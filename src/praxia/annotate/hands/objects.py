"""Where a named object is: from a box in the picture and the cloud (VIPA-VLA §3.2.2, default 12)."""

from dataclasses import dataclass

import numpy as np

from praxia.annotate.hands.settings import ObjectRules

NO_BOX, FEW_POINTS = "object not found", "few points on the object"
_PICTURE = 448  # pixels a side that `least_points` is meant for


@dataclass(frozen=True)
class Seen:
    """An object in a frame. box: (u0, v0, u1, v1) pixels; points: float64 [n, 3] in its middle; point: their median [3]; camera frame, metres."""

    box: tuple[float, float, float, float]
    points: np.ndarray
    point: np.ndarray


def mask_box(mask: np.ndarray, instance: int) -> tuple[float, float, float, float] | None:
    """Box around the pixels of an instance; None if there are none."""
    rows, columns = np.nonzero(mask == instance)
    if not len(rows):
        return None
    return float(columns.min()) - 0.5, float(rows.min()) - 0.5, float(columns.max()) + 0.5, float(rows.max()) + 0.5


def object_in(box: tuple[float, float, float, float], cloud: np.ndarray, hands: np.ndarray, rules: ObjectRules) -> Seen | None:
    """The object in a box, or None with too few points. cloud: float64 [H, W, 3], z = 0 unknown; hands: bool [H, W], pixels of hands."""
    height, width = hands.shape
    u0, v0, u1, v1 = box
    inset = (1 - rules.central) / 2
    v, u = np.mgrid[:height, :width]
    inside = (u >= u0 + inset * (u1 - u0)) & (u <= u1 - inset * (u1 - u0)) & (v >= v0 + inset * (v1 - v0)) & (v <= v1 - inset * (v1 - v0))
    points = cloud[inside & ~hands & (cloud[..., 2] > 0)]
    if len(points) < least_points(rules, (height, width)):
        return None
    z = points[:, 2]
    off = np.abs(z - np.median(z))
    points = points[off <= rules.mads * 1.4826 * np.median(off) + 1e-3]
    return Seen(box, points, np.median(points, axis=0))


def least_points(rules: ObjectRules, size: tuple[int, int]) -> int:
    """`rules.least_points` for a picture of another size: as many by area, at least 5."""
    return max(5, round(rules.least_points * size[0] * size[1] / _PICTURE**2))
