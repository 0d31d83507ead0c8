"""Scores of object poses on hand-made answers."""

import numpy as np
import pytest

from praxia.evaluate.object_poses import Seen, object_scores, shown_rectangles
from praxia.geometry.boxes import Boxes
from praxia.geometry.rotations import axis_angle_to_matrix, euler_to_matrix, nearest_rotation

SIZE = np.array([0.10, 0.06, 0.08])


def boxes(*centres, turn=0.0, size=SIZE):
    n = len(centres)
    return Boxes(np.reshape(centres, (n, 3)), np.tile(axis_angle_to_matrix(np.array([0, 0, turn])), (n, 1, 1)), np.tile(size, (n, 1)))


TRUTHS = boxes([0, 0, 1.0], [0.3, 0, 1.2])


def test_perfect_answers_score_a_hundred_and_have_no_error():
    scores = object_scores([Seen("mug", TRUTHS, TRUTHS, np.array([0.9, 0.8]))])
    assert scores["ap15"] == scores["ap15_release"] == pytest.approx(100) and scores["listed"] == 1
    assert max(scores[k] for k in ("translation_cm", "rotation_deg", "size_cm")) == pytest.approx(0, abs=1e-5)


def test_errors_are_those_of_the_nearest_pairs_and_each_box_counts_once():
    found = boxes([0.02, 0, 1.0], [0.02, 0.01, 1.0], [0.3, 0.04, 1.2], turn=0.1)
    scores = object_scores([Seen("mug", TRUTHS, found, np.array([0.9, 0.8, 0.7]))])
    assert scores["translation_cm"] == pytest.approx(3) and scores["rotation_deg"] == pytest.approx(np.rad2deg(0.1)) and scores["listed"] == 1


def test_answers_that_do_not_look_are_the_mean_of_the_class_in_other_pictures():
    alone = Seen("car", boxes([0, 0, 5.0]), boxes([0, 0, 5.0]), np.ones(1))
    two, one = Seen("mug", boxes([0, 0, 1.0], [0, 0, 1.2]), TRUTHS, np.ones(2)), Seen("mug", boxes([0, 0, 1.7], turn=0.4), TRUTHS[:0], np.zeros(0))
    scores = object_scores([two, one, alone])
    assert scores["mean_pose_translation_cm"] == pytest.approx(60)  # 1.7 for 1 and for 1.2, 1.1 for 1.7
    assert scores["mean_pose_rotation_deg"] == pytest.approx(np.rad2deg(0.4)) and scores["mean_pose_size_cm"] == pytest.approx(0, abs=1e-9)
    assert scores["mean_pose_ap15"] == 0 and np.isnan(object_scores([alone])["mean_pose_translation_cm"])
    still = [Seen("mug", boxes([0, 0, 1.0]), TRUTHS[:0], np.zeros(0))] * 3
    assert object_scores(still)["mean_pose_ap15"] == pytest.approx(100), "who guesses right is right"


def test_the_mean_of_rotations_is_a_rotation_half_way():
    turns = [euler_to_matrix(np.array([0, 0, a])) for a in (0.2, 1.0)]
    np.testing.assert_allclose(nearest_rotation(np.mean(turns, axis=0)), euler_to_matrix(np.array([0, 0, 0.6])), atol=1e-12)
    opposed = nearest_rotation(np.mean([np.eye(3), np.diag([-1.0, -1.0, 1.0])], axis=0))
    assert np.linalg.det(opposed) == pytest.approx(1)


def test_missing_and_invented_boxes_cost_precision_and_recall():
    one = object_scores([Seen("mug", TRUTHS, TRUTHS[:1], np.array([0.9]))])
    assert one["listed"] == 0.5 and 49 < one["ap15"] < 51.5
    invented = boxes([0, 0, 1.0], [0.3, 0, 1.2], [-0.5, 0, 1.0])
    first, last = (object_scores([Seen("mug", TRUTHS, invented, np.array(s))])["ap15"] for s in ([0.5, 0.4, 0.9], [0.9, 0.8, 0.1]))
    assert first < 70 and last == pytest.approx(100), "the order is by certainty"
    assert object_scores([Seen("mug", TRUTHS, TRUTHS[:0], np.zeros(0))])["ap15"] == 0


def test_classes_count_alike_and_nothing_to_find_is_nan():
    good, bad = Seen("mug", TRUTHS, TRUTHS, np.ones(2)), Seen("car", TRUTHS, boxes([5, 0, 1], [6, 0, 1]), np.ones(2))
    assert object_scores([good, good, bad])["ap15"] == pytest.approx(50)
    assert np.isnan(object_scores([])["ap15"]) and np.isnan(object_scores([])["translation_cm"])


def test_who_lists_an_object_that_need_not_be_listed_is_neither_right_nor_wrong():
    hidden = boxes([-0.4, 0, 1.1])
    found = boxes([-0.4, 0, 1.1], [0, 0, 1.0], [0.3, 0, 1.2])  # the hidden one is listed first
    scores = np.array([0.9, 0.8, 0.7])
    lenient = object_scores([Seen("mug", TRUTHS, found, scores, hidden)])
    strict = object_scores([Seen("mug", TRUTHS, found, scores)])
    for name in ("ap15", "ap15_release", "ap3d"):
        assert lenient[name] == pytest.approx(100), name
        assert strict[name] < 100 or name == "ap15_release", name  # which puts the best overlaps first, as published
    assert lenient["listed"] == 1
    alone = object_scores([Seen("mug", TRUTHS, TRUTHS[:0], np.zeros(0), hidden)])
    assert alone["ap15"] == 0 and alone["listed"] == 0, "it is not missed either: the others are"
    assert np.isnan(object_scores([Seen("mug", TRUTHS[:0], hidden, np.ones(1), hidden)])["ap15"])


def test_where_not_everything_is_annotated_an_answer_about_another_place_is_not_wrong():
    K = np.array([[100.0, 0, 32], [0, 100, 32], [0, 0, 1]])
    found = boxes([-0.3, 0, 1.0], [0, 0, 1.0])
    scores = np.array([0.9, 0.8])
    all_known = object_scores([Seen("mug", TRUTHS[:1], found, scores)])
    some_known = object_scores([Seen("mug", TRUTHS[:1], found, scores, picture=(K, (64, 64)))])
    assert all_known["ap3d"] == pytest.approx(50) and some_known["ap3d"] == pytest.approx(100)
    assert all_known["ap15"] == some_known["ap15"] == pytest.approx(50)  # ours counts whatever is said


def test_rectangles_are_around_the_corners_and_end_at_the_picture():
    K = np.array([[100.0, 0, 32], [0, 100, 32], [0, 0, 1]])
    ahead, aside, behind = shown_rectangles(boxes([0, 0, 1.04], [0.4, 0, 1.04], [0, 0, 0.01]), K, (64, 48))
    np.testing.assert_allclose(ahead, [27, 29, 37, 35])  # of 0.1 x 0.06 m, its near face a metre off
    assert aside[0] > 47 and aside[2] == 47.5 and not behind.any()
