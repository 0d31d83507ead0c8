"""Intervals against hand values, against one another and against simulation."""

from math import comb

import numpy as np
import pytest
from pytest import approx

from praxia.errors import ConfigError
from praxia.evaluate.intervals import difference, paired, stratified, wilson


def test_wilson_gives_the_textbook_values():
    assert (wilson(118, 160).low, wilson(118, 160).high) == approx((0.664, 0.800), abs=1e-3)
    z, n = 1.959964, 20
    assert wilson(0, n).high == approx(z**2 / (n + z**2), abs=1e-6)  # closed form at the border
    assert wilson(0, n).low == 0 and wilson(n, n).high == 1


def test_one_task_has_the_wilson_interval_and_many_alike_nearly_the_pooled_one():
    one, alone = stratified([13], [20]), wilson(13, 20)
    assert (one.low, one.high) == approx((alone.low, alone.high), abs=1e-9)
    many, pooled = stratified([13] * 8, [20] * 8), wilson(13 * 8, 160)
    assert (many.low, many.high) == approx((pooled.low, pooled.high), abs=0.015)


def test_the_macro_mean_weighs_tasks_not_episodes():
    assert stratified([10, 0], [10, 90]).rate == approx(0.5)
    assert stratified([10, 0], [10, 90], weights=[3, 1]).rate == approx(0.75)


def test_stratified_intervals_cover_as_often_as_they_say():
    random = np.random.default_rng(0)
    for rates in ([0.5] * 8, [0.95, 0.9, 0.99, 0.2], [0.02, 0.98, 0.5, 1.0, 0.0]):
        episodes = [20] * len(rates)
        hits = [(r := stratified(random.binomial(episodes, rates), episodes)).low <= np.mean(rates) <= r.high for _ in range(250)]
        assert np.mean(hits) > 0.91, rates


def test_mcnemar_is_the_exact_binomial_on_discordant_episodes():
    first = [True] * 40 + [True] * 9 + [False] * 2 + [False] * 10
    second = [True] * 40 + [False] * 9 + [True] * 2 + [False] * 10
    result = paired(first, second)
    assert (result.only_first, result.only_second) == (9, 2)
    assert result.p_value == approx(2 * sum(comb(11, k) for k in range(3)) / 2**11)
    assert result.difference == approx(7 / 61) and result.low < 7 / 61 < result.high
    mirror = paired(second, first)
    assert (mirror.low, mirror.high, mirror.p_value) == approx((-result.high, -result.low, result.p_value))


def test_equal_policies_differ_by_nothing():
    same = paired([True, False] * 10, [True, False] * 10)
    assert same.p_value == 1 and same.difference == 0 and same.low < 0 < same.high


def test_paired_beats_unpaired_where_episodes_are_hard_alike():
    base = [True] * 50 + [False] * 50
    better = [True] * 60 + [False] * 40
    assert paired(better, base).p_value < 0.01 and wilson(60, 100).low < wilson(50, 100).high


@pytest.mark.parametrize("call", [lambda: wilson(3, 2), lambda: wilson(0, 0), lambda: stratified([], []), lambda: paired([True], [True, False])])
def test_impossible_counts_are_refused(call):
    with pytest.raises(ConfigError, match="expected"):
        call()


def test_the_difference_of_two_rates_is_newcombe_s():
    """56 of 70 against 48 of 80: his own example, 0.0524 to 0.3339."""
    gap, low, high = difference(wilson(56, 70), wilson(48, 80))
    assert (gap, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
