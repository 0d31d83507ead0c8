"""Exact box IoU against an independent construction: half-space intersection and convex hull volume by scipy."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

from praxia.errors import DataError
from praxia.geometry import se3
from praxia.geometry.boxes import SIGNS, Boxes, box_iou, box_iou_matrix, corners, hull_iou, outline_area
from praxia.geometry.rotations import axis_angle_to_matrix


def half_spaces(centre, R, size):
    """Rows (normal, offset) with normal . x + offset <= 0 inside."""
    normals = np.concatenate((R.T, -R.T))
    return np.column_stack((normals, -normals @ centre - np.tile(size, 2) / 2))


def scipy_iou(a, b, i):
    """IoU of pair i by linear programming (a deepest inner point), half-space intersection and hull volume."""
    volume_a, volume_b = a.size[i].prod(), b.size[i].prod()
    planes = np.concatenate([half_spaces(x.centre[i], x.R[i], x.size[i]) for x in (a, b)])
    deepest = linprog((0, 0, 0, -1), np.column_stack((planes[:, :3], np.ones(12))), -planes[:, 3], bounds=[(None, None)] * 3 + [(0, None)])
    if deepest.status != 0 or deepest.x[3] < 1e-9:
        return 0.0
    shared = ConvexHull(HalfspaceIntersection(planes, deepest.x[:3]).intersections).volume
    return shared / (volume_a + volume_b - shared)


def join(*parts):
    return Boxes(*(np.concatenate([getattr(p, field) for p in parts]) for field in ("centre", "R", "size")))


def random_boxes(draw, count, spread=0.4):
    R = axis_angle_to_matrix(draw.normal(size=(count, 3)))
    return Boxes(draw.uniform(-spread, spread, (count, 3)), R, draw.uniform(0.1, 1.0, (count, 3)))


def beside(boxes, draw, gap):
    """Copies that touch along a random own axis (gap 0), overlap (gap < 0) or stand apart (gap > 0)."""
    axis = draw.integers(3, size=len(boxes.centre))
    step = np.take_along_axis(boxes.size, axis[:, None], 1) + gap
    return Boxes(boxes.centre + step * boxes.R[np.arange(len(axis)), :, axis], boxes.R, boxes.size)


def hard_pairs(draw):
    """Pairs by name: the ordinary and the ones implementations get wrong."""
    A, B, C, D = (random_boxes(draw, 60) for _ in range(4))
    quarter = np.stack([axis_angle_to_matrix(np.eye(3)[k % 3] * np.pi / 2) for k in range(60)])
    turns = axis_angle_to_matrix(draw.normal(size=(60, 3)))
    yaws = axis_angle_to_matrix(np.array((0, 0, 1.0)) * draw.uniform(-3, 3, (60, 1)))
    upright = np.broadcast_to(np.eye(3), (60, 3, 3))

    def on_grid(R):
        return Boxes(np.round(draw.uniform(-2, 2, (60, 3))) / 4, R, np.round(draw.uniform(1, 4, (60, 3))) / 4)

    def on_floor(box, R):
        return Boxes(box.centre * (1, 1, 0), R, box.size * (1, 1, 0) + (0, 0, 0.5))

    renamed_size = np.abs(quarter.transpose(0, 2, 1) @ A.size[..., None])[..., 0]
    face_shared = A.centre + A.R[..., 0] * A.size[:, :1] / 4
    inner_cube = np.repeat(B.size.min(axis=-1, keepdims=True) * 0.5, 3, axis=-1)
    return {
        "random": (random_boxes(draw, 420), random_boxes(draw, 420)),
        "identical": (A, A),
        "almost identical": (A, Boxes(A.centre + 1e-9, A.R, A.size + 1e-9)),
        "same box, axes renamed": (A, Boxes(A.centre, A.R @ quarter, renamed_size)),
        "touching faces": (B, beside(B, draw, 0.0)),
        "shifted along an own axis": (C, beside(C, draw, -0.05)),
        "apart by a hair": (D, beside(D, draw, 1e-6)),
        "nested, same axes": (A, Boxes(A.centre, A.R, A.size * 0.5)),
        "nested, turned": (B, Boxes(B.centre, turns, inner_cube)),
        "nested, one face shared": (A, Boxes(face_shared, A.R, A.size * (0.5, 1, 0.7))),
        "upright on a grid": (on_grid(upright), on_grid(upright)),
        "quarter turns on a grid": (on_grid(upright), on_grid(quarter)),
        "yaw only, common floor": (on_floor(C, yaws), on_floor(D, upright)),
        "thin as paper": (Boxes(C.centre, C.R, C.size * (1, 1, 1e-3)), D),
    }


@pytest.fixture(scope="module")
def pairs():
    return hard_pairs(np.random.default_rng(0))


def test_there_are_over_a_thousand_pairs_and_most_of_them_meet(pairs):
    a, b = join(*(p[0] for p in pairs.values())), join(*(p[1] for p in pairs.values()))
    assert len(a.centre) >= 1000
    assert (box_iou(a, b) > 0.01).sum() > 500


@pytest.mark.parametrize("kind", hard_pairs(np.random.default_rng(0)))
def test_box_iou_agrees_with_half_space_volume(pairs, kind):
    a, b = pairs[kind]
    expected = [scipy_iou(a, b, i) for i in range(len(a.centre))]
    np.testing.assert_allclose(box_iou(a, b), expected, atol=1e-6, rtol=0)
    np.testing.assert_allclose(box_iou(b, a), expected, atol=1e-6, rtol=0)


def test_known_values_come_out():
    unit = Boxes(np.zeros(3), np.eye(3), np.ones(3))
    assert box_iou(unit, unit) == pytest.approx(1, abs=1e-9)
    assert box_iou(unit, Boxes(np.array((0.5, 0, 0)), np.eye(3), np.ones(3))) == pytest.approx(1 / 3, abs=1e-9)
    assert box_iou(unit, Boxes(np.array((1.0, 0, 0)), np.eye(3), np.ones(3))) == pytest.approx(0, abs=1e-9)
    eighth = axis_angle_to_matrix(np.array((0, 0, np.pi / 4)))
    octagon = 2 * (np.sqrt(2) - 1)  # area shared by a unit square and itself turned by 45 degrees
    assert box_iou(unit, Boxes(np.zeros(3), eighth, np.ones(3))) == pytest.approx(octagon / (2 - octagon), abs=1e-9)


def test_boxes_without_volume_have_no_overlap():
    flat = Boxes(np.zeros((3, 3)), np.broadcast_to(np.eye(3), (3, 3, 3)), np.array(((1.0, 1, 0), (0, 0, 0), (1, 1, 1))))
    solid = Boxes(np.zeros((3, 3)), flat.R, np.ones((3, 3)))
    np.testing.assert_allclose(box_iou(flat, solid), (0, 0, 1), atol=1e-9)
    np.testing.assert_allclose(hull_iou(flat, flat), (0, 0, 1), atol=1e-9)


def test_iou_does_not_depend_on_the_frame_nor_on_the_unit(pairs):
    a, b = pairs["random"]
    T = se3.pose(axis_angle_to_matrix(np.array((0.3, 1.0, -2.0))), np.array((30.0, -20, 50)))
    moved = [Boxes(1000 * se3.apply(T, x.centre), T[:3, :3] @ x.R, 1000 * x.size) for x in (a, b)]
    np.testing.assert_allclose(box_iou(*moved), box_iou(a, b), atol=1e-8)


def test_float32_annotations_match_themselves(pairs):
    a = pairs["random"][0]
    rounded = Boxes(a.centre.astype(np.float32), a.R.astype(np.float32), a.size.astype(np.float32))
    np.testing.assert_allclose(box_iou(rounded, rounded), 1, atol=1e-9)
    np.testing.assert_allclose(box_iou(rounded, a), 1, atol=1e-5)


def test_the_matrix_holds_every_pair():
    draw = np.random.default_rng(1)
    a, b = random_boxes(draw, 7), random_boxes(draw, 5)
    matrix = box_iou_matrix(a, b)
    assert matrix.shape == (7, 5)
    for i in range(7):
        np.testing.assert_allclose(matrix[i], [box_iou(a[i], b[j]) for j in range(5)], atol=1e-12)
    assert box_iou_matrix(a[:0], b).shape == (0, 5) and box_iou_matrix(a, b[:0]).shape == (7, 0)


def test_corners_come_in_the_documented_order():
    R = axis_angle_to_matrix(np.array((0.2, -0.5, 1.1)))
    box = Boxes(np.array((1.0, 2, 3)), R, np.array((0.4, 0.6, 0.8)))
    eight = corners(box)
    for k, signs in enumerate(((-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1))):
        np.testing.assert_array_equal(SIGNS[k], signs)
        np.testing.assert_allclose(eight[k], box.centre + R @ (np.array(signs) * (0.2, 0.3, 0.4)), atol=1e-12)


def test_the_axis_aligned_hull_reads_higher_and_is_exact_for_upright_boxes(pairs):
    a, b = pairs["upright on a grid"]
    np.testing.assert_allclose(hull_iou(a, b), box_iou(a, b), atol=1e-9)
    a, b = pairs["random"]
    assert (hull_iou(a, b) - box_iou(a, b)).mean() > 0.05


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((np.zeros(3), np.eye(3), (1, -1, 1)), "side lengths >= 0"),
        ((np.full(3, np.nan), np.eye(3), np.ones(3)), "centre has non-finite"),
        ((np.zeros(3), 2 * np.eye(3), np.ones(3)), "no rotation"),
        ((np.zeros(3), np.diag((1.0, 1, -1)), np.ones(3)), "no rotation"),
        ((np.zeros((2, 3)), np.eye(3), np.ones((2, 3))), "box R has shape"),
    ],
)
def test_numbers_that_are_no_box_are_refused(fields, message):
    with pytest.raises(DataError, match=message):
        Boxes(*fields)


def test_comparing_different_numbers_of_boxes_points_to_the_matrix():
    draw = np.random.default_rng(2)
    with pytest.raises(DataError, match="box_iou_matrix"):
        box_iou(random_boxes(draw, 3), random_boxes(draw, 4))


def test_the_outline_s_area_is_that_of_the_convex_hull():
    rng = np.random.default_rng(5)
    R = axis_angle_to_matrix(rng.normal(size=(50, 3)))
    points = corners(Boxes(rng.uniform((-0.5, -0.5, 2), (0.5, 0.5, 4), (50, 3)), R, rng.uniform(0.01, 1.5, (50, 3))))
    pixels = 100 * points[..., :2] / points[..., 2:]
    np.testing.assert_allclose(outline_area(pixels), [ConvexHull(some).volume for some in pixels], rtol=1e-9)
    flat = corners(Boxes(np.array([0.0, 0.0, 2.0]), np.eye(3), np.array([1.0, 0.0, 1.0])))  # a plate seen from its edge
    assert outline_area(flat[:, :2] / flat[:, 2:]) == 0
