"""Said paths beside the truth, constant velocity and the mean path."""

import numpy as np
import pytest

from praxia.evaluate.hand_motion import SaidMotion, constant_velocity, mean_path, motion_scores


def test_errors_are_in_millimetres_of_the_hands_that_are_there():
    truth = np.zeros((10, 3))
    off = np.linspace(0.01, 0.1, 10)[:, None] * [1.0, 0, 0]
    scores = motion_scores([SaidMotion("instructional", {"left": truth, "right": truth}, {"left": off, "right": None, "third": truth})])
    assert scores == pytest.approx({"said": 0.5, "hands": 2, "mean_mm": 55.0, "final_mm": 100.0, "final_median_mm": 100.0})
    assert motion_scores([]) == {} and motion_scores([SaidMotion("x", {"left": truth}, {})]) == {"said": 0.0, "hands": 1.0}


def test_constant_velocity_is_exact_on_a_straight_path_and_stands_where_nothing_moved():
    path = np.arange(40)[:, None] * np.array([0.01, -0.02, 0.0])
    np.testing.assert_allclose(constant_velocity(path[:15], 25), path[15:])
    np.testing.assert_allclose(constant_velocity(path[3:4], 5), np.repeat(path[3:4], 5, 0))


def test_the_mean_path_starts_where_the_hand_is_if_that_is_told():
    ones = np.ones((3, 3))
    mean = mean_path([("left", ones, np.zeros(3)), ("left", 3 * np.ones((5, 3)), np.ones(3)), ("right", ones, None)])
    np.testing.assert_allclose(mean("left", 6, None)[:, 0], [2, 2, 2, 3, 3, 3])
    np.testing.assert_allclose(mean("left", 2, np.full(3, 10.0)), np.full((2, 3), 11.5))
    assert mean("right", 2, np.zeros(3)) is None and mean("other", 2, None) is None
