"""Waypoint errors on hand-made paths."""

import numpy as np
import pytest

from praxia.evaluate.waypoints import SaidPath, waypoint_scores
from praxia.geometry.rotations import axis_angle_to_matrix


def path(*points, turn=0.0):
    T = np.tile(np.eye(4), (len(points), 1, 1))
    T[:, :3, 3] = points
    T[:, :3, :3] = axis_angle_to_matrix(np.array([0, 0, turn]))
    return T


TRUTH = path([0, 0, 1.0], [0.1, 0, 1.0], [0.2, 0, 1.0])


def test_errors_are_those_of_the_first_and_the_last_waypoint():
    said = path([0.01, 0, 1.0], [0.5, 0, 1.0], [0.2, 0.05, 1.0], turn=0.2)
    scores = waypoint_scores([SaidPath("head", TRUTH, said)])
    assert scores["first_cm"] == pytest.approx(1) and scores["last_cm"] == pytest.approx(5) and scores["still_cm"] == pytest.approx(20)
    assert scores["last_of_still"] == pytest.approx(0.25) and scores["last_deg"] == pytest.approx(np.rad2deg(0.2)) and scores["said"] == 1


def test_standing_still_is_the_measure():
    still = path(*[[0, 0, 1.0]] * 3)
    assert waypoint_scores([SaidPath("head", TRUTH, still)])["last_of_still"] == pytest.approx(1)
    assert np.isnan(waypoint_scores([SaidPath("head", still, still)])["last_of_still"])


def test_an_arm_that_is_not_listed_counts_as_not_said():
    scores = waypoint_scores([SaidPath("head", TRUTH, TRUTH), SaidPath("head", TRUTH, None)])
    assert scores["said"] == 0.5 and scores["last_cm"] == 0
    assert waypoint_scores([SaidPath("head", TRUTH, None)])["said"] == 0 and np.isnan(waypoint_scores([])["said"])
