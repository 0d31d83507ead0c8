"""Oriented 3-D boxes: corners and exact intersection over union (data_and_metrics §1.5)."""

from dataclasses import dataclass

import numpy as np

from praxia.errors import DataError
from praxia.geometry.rotations import nearest_rotation

# Corner k = centre + R (SIGNS[k] * size / 2). The order of Omni3D's v0..v7: the face z = -1/2 around, then z = +1/2.
SIGNS = np.array(
    ((-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)),
    np.float64,
)
# The six faces as quads of corner indices in a cycle: -x, +x, -y, +y, -z, +z.
_FACES = np.array(((0, 3, 7, 4), (1, 2, 6, 5), (0, 1, 5, 4), (3, 2, 6, 7), (0, 1, 2, 3), (4, 5, 6, 7)))
# Share of a pair's extent by which one box is grown so that no two faces coincide; far above rounding, far below any tolerance.
_GROWTH = 1e-11
_PAIRS_AT_ONCE = 2048


@dataclass(frozen=True)
class Boxes:
    """Boxes with any leading dims. Axes are the object's own: there is no width, height or length.

    centre: float64 [..., 3] metres; R: float64 [..., 3, 3], object to reference frame; size: float64 [..., 3] full side lengths along object x, y, z.
    Raises DataError for non-finite numbers, negative sizes or an R that is no rotation; a side of zero is allowed (its volume is zero).
    """

    centre: np.ndarray
    R: np.ndarray
    size: np.ndarray

    def __post_init__(self):
        for name, tail in (("centre", (3,)), ("R", (3, 3)), ("size", (3,))):
            value = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, value)
            if value.shape != (*self.centre.shape[:-1], *tail):
                raise DataError(f"box {name} has shape {value.shape}: expected {(*self.centre.shape[:-1], *tail)} to go with the centre")
            if not np.isfinite(value).all():
                raise DataError(f"box {name} has non-finite numbers: expected metres; fix: drop boxes without valid 3-D annotation first")
        if (self.size < 0).any():
            raise DataError(f"box size is {self.size.min():g}: expected side lengths >= 0 (-1 marks 'unavailable' in Omni3D: drop those first)")
        error = np.abs(self.R @ np.swapaxes(self.R, -1, -2) - np.eye(3)).max(initial=0)
        if error > 1e-3 or (np.linalg.det(self.R) < 0).any():
            raise DataError(f"box R is no rotation (off orthonormal by {error:.2g}, or mirrored): expected object-to-frame matrices, columns = axes")

    def __getitem__(self, index) -> "Boxes":
        """Boxes picked along the leading dims."""
        return Boxes(self.centre[index], self.R[index], self.size[index])

    @property
    def volume(self) -> np.ndarray:
        """Cubic metres [...]."""
        return self.size.prod(axis=-1)


def corners(boxes: Boxes) -> np.ndarray:
    """float64 [..., 8, 3] in the order of `SIGNS`."""
    return boxes.centre[..., None, :] + (SIGNS * boxes.size[..., None, :] / 2) @ np.swapaxes(boxes.R, -1, -2)


def outline_area(pixels: np.ndarray) -> np.ndarray:
    """Area [...] of the outline (convex hull) of a box's eight projected corners [..., 8, 2], in the order of `SIGNS`, all in front of the camera.

    Every line of sight through a convex body passes two of its faces, so the areas of all projected faces add up to twice the outline's.
    """
    u, v = np.moveaxis(pixels[..., _FACES, :], -1, 0)
    twice = (u * np.roll(v, -1, -1) - v * np.roll(u, -1, -1)).sum(-1)  # of each face, with its sense of rotation
    return np.abs(twice).sum(-1) / 4


def box_iou(a: Boxes, b: Boxes) -> np.ndarray:
    """Exact 3-D IoU [...] of boxes pair by pair (same leading dims): volume of the intersection of two convex bodies.

    Faces of each box are clipped by the other, the volume follows from the divergence theorem. Coincident faces (identical, stacked or
    quantised boxes) would count double or not at all; one box of each pair is therefore grown by 1e-11 of the pair's extent.
    Boxes without volume have IoU 0.
    """
    if a.centre.shape != b.centre.shape:
        raise DataError(f"box_iou compares pair by pair: got {a.centre.shape[:-1]} and {b.centre.shape[:-1]} boxes; fix: use box_iou_matrix")
    lead = a.centre.shape[:-1]
    a, b = (Boxes(x.centre.reshape(-1, 3), x.R.reshape(-1, 3, 3), x.size.reshape(-1, 3)) for x in (a, b))
    out = np.zeros(len(a.centre))
    candidates = np.nonzero(_may_meet(a, b))[0]
    for start in range(0, len(candidates), _PAIRS_AT_ONCE):
        index = candidates[start : start + _PAIRS_AT_ONCE]
        out[index] = _iou(a[index], b[index])
    return out.reshape(lead)


def box_iou_matrix(a: Boxes, b: Boxes) -> np.ndarray:
    """Exact 3-D IoU [N, M] of every box of a [N] with every box of b [M]; far pairs cost next to nothing."""
    i, j = np.divmod(np.arange(len(a.centre) * len(b.centre)), max(1, len(b.centre)))
    return box_iou(a[i], b[j]).reshape(len(a.centre), len(b.centre))


def hull_iou(a: Boxes, b: Boxes) -> np.ndarray:
    """IoU [...] of the AXIS-ALIGNED hulls of rotated boxes, pair by pair: what some released scorers report, larger than the exact one.

    Only for comparison with such numbers; depends on the frame the boxes are given in.
    """
    low_a, high_a, low_b, high_b = (f(corners(x), axis=-2) for x in (a, b) for f in (np.min, np.max))
    shared = np.clip(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0, None).prod(axis=-1)
    union = (high_a - low_a).prod(axis=-1) + (high_b - low_b).prod(axis=-1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _may_meet(a: Boxes, b: Boxes) -> np.ndarray:
    """bool [P]: both have volume, and neither bounding spheres nor axis-aligned hulls keep them apart."""
    apart = np.linalg.norm(a.centre - b.centre, axis=-1) > (np.linalg.norm(a.size, axis=-1) + np.linalg.norm(b.size, axis=-1)) / 2
    reach = (np.abs(a.R) @ a.size[..., None] + np.abs(b.R) @ b.size[..., None])[..., 0] / 2
    apart |= (np.abs(a.centre - b.centre) > reach).any(axis=-1)
    return ~apart & (a.volume > 0) & (b.volume > 0)


def _iou(a: Boxes, b: Boxes) -> np.ndarray:
    """Exact IoU [P] of pairs with volume."""
    extent = np.maximum(np.linalg.norm(a.size, axis=-1), np.linalg.norm(b.size, axis=-1))[:, None]
    half_a, half_b = a.size / extent / 2, b.size / extent / 2 + _GROWTH
    # annotations carry float32 rounding, which would tilt coincident faces
    R_a, R_b = nearest_rotation(a.R), nearest_rotation(b.R)
    R_a_b = np.swapaxes(R_a, -1, -2) @ R_b
    b_in_a = (np.swapaxes(R_a, -1, -2) @ ((b.centre - a.centre) / extent)[..., None])[..., 0]
    corners_a, corners_b = SIGNS * half_a[:, None], SIGNS * half_b[:, None]
    faces_a = ((corners_a - b_in_a[:, None]) @ R_a_b)[:, _FACES]  # in b's frame, where b's faces are axis-aligned
    faces_b = (corners_b @ np.swapaxes(R_a_b, -1, -2) + b_in_a[:, None])[:, _FACES]
    # Divergence theorem about a's centre: volume = 1/3 sum of (clipped face area) x (signed distance of the face plane).
    distance_a = np.repeat(half_a, 2, axis=-1)
    along = (b_in_a[:, None] @ R_a_b)[:, 0]
    distance_b = np.stack((half_b - along, half_b + along), axis=-1).reshape(-1, 6)
    shared = ((_clipped_area(faces_a, half_b) * distance_a).sum(-1) + (_clipped_area(faces_b, half_a) * distance_b).sum(-1)) / 3
    volume_a, volume_b = (a.size / extent).prod(-1), (b.size / extent).prod(-1)
    shared = np.clip(shared, 0, np.minimum(volume_a, volume_b))
    return shared / (volume_a + volume_b - shared)


def _clipped_area(faces: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Area [P, 6] of the part of each quad [P, 6, 4, 3] inside the axis-aligned box of half sides [P, 3] about the origin.

    Sutherland-Hodgman on all polygons at once: vertices are kept packed to the left, `count` says how many there are.
    """
    pairs = len(faces)
    polygons = faces.reshape(pairs * 6, 4, 3)
    count = np.full(pairs * 6, 4)
    limit = np.repeat(half, 6, axis=0)
    rows = np.arange(pairs * 6)[:, None]
    for axis in range(3):
        for sign in (-1.0, 1.0):
            slot = np.arange(polygons.shape[1])
            following = np.where(slot + 1 < count[:, None], slot + 1, 0)
            outside = sign * polygons[:, :, axis] - limit[:, axis, None]
            outside_next = outside[rows, following]
            used = slot < count[:, None]
            keep = used & (outside <= 0)
            cross = used & ((outside <= 0) != (outside_next <= 0))
            fraction = np.divide(outside, outside - outside_next, out=np.zeros_like(outside), where=cross)
            cut = polygons + fraction[..., None] * (polygons[rows, following] - polygons)
            # Each vertex is followed by the cut of its outgoing edge; then the used ones move to the front, in order.
            merged = np.stack((polygons, cut), axis=2).reshape(len(polygons), -1, 3)
            flags = np.stack((keep, cross), axis=2).reshape(len(polygons), -1)
            count = flags.sum(axis=1)
            order = np.argsort(~flags, axis=1, kind="stable")[:, : max(1, count.max(initial=0))]
            polygons = merged[rows, order]
    first = polygons[:, :1]
    fan = np.where((np.arange(polygons.shape[1]) < count[:, None])[..., None], polygons - first, 0)
    return 0.5 * np.linalg.norm(np.cross(fan[:, :-1], fan[:, 1:]).sum(axis=1), axis=-1).reshape(pairs, 6)
