"""Average precision: hand-worked cases, COCO's own evaluator on rectangles, and the rules that are special to 3-D."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest

from praxia.errors import DataError
from praxia.evaluate.average_precision import (
    OMNI3D_THRESHOLDS,
    RECALLED,
    Scene,
    ap15_release,
    average_precision,
    average_recall,
    match,
    omni3d_ap,
    oriented_ap,
    rectangle_iou,
)
from praxia.geometry.boxes import Boxes
from praxia.geometry.rotations import euler_to_matrix


def boxes(centres, sizes=1.0, angles=0.0) -> Boxes:
    centres = np.asarray(centres, float).reshape(-1, 3)
    turns = np.broadcast_to(np.asarray(angles, float).reshape(-1, 1), (len(centres), 1)) * [0.0, 1.0, 0.0]
    R = euler_to_matrix(turns) if len(centres) else np.zeros((0, 3, 3))
    return Boxes(centres, R, np.broadcast_to(np.asarray(sizes, float), centres.shape).copy())


def scene(truths, found, scores, **more) -> Scene:
    return Scene(boxes(truths), boxes(found), np.asarray(scores, float), **more)


def test_a_case_worked_by_hand():
    """Two cups; found in order: right, wrong, right. Precision 1 up to recall 1/2, then 2/3: 51 and 50 of the 101 recalls."""
    one = scene([[0, 0, 2], [5, 0, 2]], [[0, 0, 2], [20, 0, 2], [5, 0, 2]], [0.9, 0.8, 0.7])
    assert oriented_ap({"cup": [one]})["cup"] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    two = replace(one, scores=np.array([0.9, 0.7, 0.8]))  # the wrong one comes last
    assert oriented_ap({"cup": [two]}) == {"cup": pytest.approx(1.0), "mean": pytest.approx(1.0)}
    missed = scene([[0, 0, 2], [5, 0, 2]], [[0, 0, 2]], [0.5])
    assert oriented_ap({"cup": [missed], "mug": [two], "hat": [scene([], [[1, 1, 1]], [0.3])]})["mean"] == pytest.approx((51 / 101 + 1) / 2)
    double = scene([[0, 0, 2]], [[0, 0, 2], [0, 0, 2]], [0.9, 0.8])  # a second detection of one truth is wrong, but costs no recall
    assert oriented_ap({"cup": [double]})["cup"] == pytest.approx(1.0)
    assert oriented_ap({"cup": [double, missed]})["cup"] < 1.0


def test_the_oriented_iou_counts_not_the_hull():
    """Two thin rods that cross at a right angle, each at 45 degrees to the axes: their hulls are the same box."""
    rod, turned = boxes([[0, 0, 2]], [[2.0, 0.1, 0.1]], [0.0]), boxes([[0, 0, 2]], [[2.0, 0.1, 0.1]], [np.pi / 4])
    across = boxes([[0, 0, 2]], [[2.0, 0.1, 0.1]], [-np.pi / 4])
    some = {"rod": [Scene(turned, across, np.array([1.0]))]}
    assert oriented_ap(some)["rod"] == 0.0 and ap15_release(some) == 1.0
    assert oriented_ap({"rod": [Scene(rod, rod, np.array([1.0]))]})["rod"] == 1.0


def test_the_released_rules_sort_by_the_iou_itself_and_pool_all_categories():
    right_last = scene([[0, 0, 2]], [[9, 0, 2], [0, 0, 2]], [0.9, 0.1])
    assert oriented_ap({"cup": [right_last]})["cup"] == pytest.approx(0.5) and ap15_release({"cup": [right_last]}) == 1.0
    nothing = scene([[0, 0, 2], [3, 0, 2], [6, 0, 2]], [], [])
    assert oriented_ap({"cup": [right_last], "hat": [nothing]})["mean"] == pytest.approx(0.25)
    assert ap15_release({"cup": [right_last], "hat": [nothing]}) == pytest.approx(26 / 101)  # 1 of 4 found: recalls 0 .. 0.25


def rectangles(rng, count):
    corner = rng.uniform(0, 80, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(5, 60, (count, 2))], axis=1)


def test_matching_and_precision_are_those_of_cocos_own_evaluator():
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    low, high = 30.0**2, 1e5  # rectangles below are ignored, as COCO does by area
    truths, found, ours = [], [], []
    for image in range(40):
        a = rectangles(rng, int(rng.integers(0, 7)))
        b = np.concatenate([a + rng.normal(0, 4, a.shape), rectangles(rng, int(rng.integers(0, 5)))])
        b[:, 2:] = np.maximum(b[:, 2:], b[:, :2] + 1)
        scores = np.round(rng.random(len(b)), 1)  # many ties
        area = lambda r: (r[:, 2:] - r[:, :2]).prod(1)  # noqa: E731
        for r in a:
            box = {"image_id": image, "category_id": 1, "bbox": [*r[:2], *(r[2:] - r[:2])]}
            truths.append(box | {"id": len(truths) + 1, "area": float(area(r[None])[0]), "iscrowd": 0})
        for r, s in zip(b, scores, strict=True):
            found.append({"image_id": image, "category_id": 1, "bbox": [*r[:2], *(r[2:] - r[:2])], "score": float(s)})
        outside = (area(a) < low) | (area(a) > high)
        ours.append(match(rectangle_iou(b, a), scores, OMNI3D_THRESHOLDS, outside, (area(b) < low) | (area(b) > high)))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": i} for i in range(40)], "annotations": truths, "categories": [{"id": 1}], "info": {}}
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluator.params.iouThrs, evaluator.params.areaRng, evaluator.params.areaRngLbl = OMNI3D_THRESHOLDS, [[low, high]], ["some"]
        evaluator.evaluate()
        evaluator.accumulate()
    expected = evaluator.eval["precision"][:, :, 0, 0, -1].mean(axis=1)
    np.testing.assert_allclose(average_precision(ours), expected, atol=1e-9)
    assert 0.2 < expected.min() < expected.max() < 0.95
    for place, most in enumerate(RECALLED):  # COCO's own counts of detections
        np.testing.assert_allclose(average_recall(ours, most), evaluator.eval["recall"][:, 0, 0, place], atol=1e-9)
    assert average_recall(ours, 1).mean() < 0.6 * average_recall(ours, 10).mean()


def test_omni3d_counts_by_depth_and_forgives_what_nobody_annotated():
    near, far = scene([[0, 0, 5]], [[0, 0, 5]], [0.9]), scene([[0, 0, 50]], [[9, 0, 50]], [0.9])
    report = omni3d_ap({"car": [near, far]})
    assert report["APn"] == 1.0 and report["APf"] == 0.0 and np.isnan(report["APm"])
    assert report["AP3D"] == pytest.approx(51 / 101) and report["AP15"] == report["AP50"] == pytest.approx(report["AP3D"])
    shifted = scene([[0, 0, 5]], [[0.5, 0, 5]], [0.9])  # IoU 1/3
    assert omni3d_ap({"car": [shifted]})["AP25"] == 1.0 and omni3d_ap({"car": [shifted]})["AP50"] == 0.0
    assert omni3d_ap({"car": [shifted]})["AP3D"] == pytest.approx(0.6)  # of 0.05 .. 0.5, six thresholds are below 1/3

    extra = scene([[0, 0, 5]], [[7, 0, 5], [0, 0, 5]], [0.9, 0.8])
    report = omni3d_ap({"car": [extra]})
    assert report["AP15"] == pytest.approx(0.5) and (report["AR1"], report["AR10"]) == (0.0, 1.0)
    rectangles = {"truth_rectangles": np.array([[0, 0, 10, 10]]), "found_rectangles": np.array([[40, 0, 50, 10], [1, 0, 10, 10]])}
    report = omni3d_ap({"car": [replace(extra, exhaustive=False, **rectangles)]})
    assert report["AP15"] == 1.0 and report["AR1"] == 0.0  # the surest detection is of something that nobody annotated
    with pytest.raises(DataError, match="give truth_rectangles"):
        replace(extra, exhaustive=False)
    ignored = replace(extra, truths=boxes([[0, 0, 5], [7, 0, 5]]), ignored=np.array([False, True]))
    assert omni3d_ap({"car": [ignored]})["AP15"] == 1.0  # the first detection is about something that is not to be found
    with pytest.raises(DataError, match="1 detections have 2 scores"):
        scene([], [[0, 0, 1]], [0.1, 0.2])
