"""The interval of a contrast covers seeds and episodes; its verdict says no more than the interval does."""

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.evaluate.contrast import contrast, ratio

TASKS = ["reach"] * 20 + ["push"] * 20


def outcomes(rng, rates, episodes):
    """bool [seeds, 40]: a rate a seed, and episodes that are harder or easier for everyone."""
    return rng.random((len(rates), 40)) < np.clip(np.array(rates)[:, None] + episodes[None], 0, 1)


def test_the_difference_is_the_mean_over_tasks_and_seeds():
    first, second = np.zeros((2, 40), bool), np.zeros((2, 40), bool)
    first[0, :20] = True  # seed 0 solves every reach, seed 1 half of them
    first[1, :10] = True
    tasks = ["reach"] * 20 + ["push"] * 20
    found = contrast(first, second, tasks, draws=200)
    assert found.difference == 0.375 and found.by_seed == (0.5, 0.25)
    uneven = contrast(first[:, :25], second[:, :25], tasks[:25], draws=200)
    assert uneven.by_seed == (0.5, 0.25)  # five pushes count as much as twenty reaches
    assert found == contrast(first, second, tasks, draws=200)


def test_verdicts_follow_the_interval():
    rng = np.random.default_rng(0)
    episodes = rng.uniform(-0.2, 0.2, 40)
    high, low = (outcomes(rng, [rate] * 5, episodes) for rate in (0.8, 0.3))
    assert contrast(high, low, TASKS, draws=500).verdict == "holds"
    assert contrast(low, high, TASKS, draws=500).verdict == "does not hold"
    alike = contrast(low, low, TASKS, draws=200)
    assert (alike.difference, alike.low, alike.high, alike.verdict) == (0, 0, 0, "does not hold")
    varied = contrast(outcomes(rng, [0.9, 0.3, 0.6], episodes), outcomes(rng, [0.5] * 3, episodes), TASKS, draws=500)
    assert varied.low < 0 < varied.high and varied.verdict == "undecided"


@pytest.mark.parametrize(("seeds", "spread"), [(8, 0.05), (3, 0.2)])
def test_without_an_effect_the_interval_covers_zero_about_as_often_as_it_says(seeds, spread):
    """Also with three seeds that differ much."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(80):
        episodes = rng.uniform(-0.3, 0.3, 40)
        first, second = (outcomes(rng, rng.normal(0.5, spread, seeds), episodes) for _ in range(2))
        found = contrast(first, second, TASKS, draws=300)
        covered.append(found.low <= 0 <= found.high)
    assert np.mean(covered) > 0.88


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ConfigError, match="at least two seeds"):
        contrast(np.zeros((1, 40)), np.zeros((1, 40)), TASKS)
    with pytest.raises(ConfigError, match=r"outcomes \(2, 40\) and \(2, 39\)"):
        contrast(np.zeros((2, 40)), np.zeros((2, 39)), TASKS)


def test_a_ratio_is_a_geometric_mean_with_student_s_interval_of_its_logarithm():
    found = ratio([50, 200], [100, 100])
    assert found.ratio == pytest.approx(1.0) and found.by_seed == pytest.approx((0.5, 2.0)) and found.low < 0.01 and found.high > 100
    close = ratio([30, 33, 36, 31], [100, 101, 99, 100])
    assert close.low < close.ratio < close.high < 0.4 and close.ratio == pytest.approx(1 / ratio([100, 101, 99, 100], [30, 33, 36, 31]).ratio)
    one = ratio([1], [2])
    assert one.ratio == pytest.approx(0.5) and np.isnan(one.low)
