"""Curves are what the trainer wrote."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from praxia.errors import DataError
from praxia.report.curve_plots import curve_plots
from praxia.report.curves import Curve, read_curves


def metrics(run):
    return run / "stages" / "robot" / "metrics.jsonl"


def test_losses_held_out_values_and_rate_are_read_as_the_trainer_wrote_them(run):
    curves = read_curves(metrics(run))
    assert set(curves.training) == {"loss", "flow"} and curves.skipped == 3
    expected = 2.0 / np.arange(1, 101)
    expected[49] = np.nan
    np.testing.assert_array_equal(curves.training["loss"].value, expected)
    assert curves.rate is not None and curves.rate.value[-1] == pytest.approx(1e-3)
    assert list(curves.held_out["action_error"].step) == [50, 100]
    assert set(curves.held_out_of("flow")) == {"action_chunk/flow"} and set(curves.held_out_of("loss")) == {"loss"}


def test_a_line_cut_off_by_a_kill_is_left_out_and_other_damage_is_named(run):
    path = metrics(run)
    whole = path.read_text()
    path.write_text(whole + '{"step": 101, "kind": "st')
    assert read_curves(path).training["loss"].step[-1] == 100
    path.write_text(whole.replace('"step": 7,', '"stp": 7,'))
    with pytest.raises(DataError, match="line 7 is damaged"):
        read_curves(path)


def test_smoothing_keeps_a_line_straight_and_passes_over_nan():
    step = np.arange(200)
    values = 3.0 + 0.0 * step
    values[[0, 50, 199]] = np.nan
    np.testing.assert_allclose(Curve(step, values).smoothed(21), 3.0)
    slope = Curve(step, 0.5 * step).smoothed(21)
    np.testing.assert_allclose(slope[10:-10], 0.5 * step[10:-10])


@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_shortest_stages_have_curves_too(length):
    curve = Curve(np.arange(length), np.arange(length, dtype=float))
    assert curve.smoothed(length // 40).shape == (length,) and curve.end() == length - 1


def test_all_nan_has_no_end():
    assert Curve(np.arange(3), np.full(3, np.nan)).end() is None


def test_plots_are_xml_that_points_nowhere_else_and_say_in_words_what_they_show(run):
    plots = curve_plots(read_curves(metrics(run)))
    assert len(plots) == 4  # one loss, action error, gradient norm, learning rate
    for plot in plots:
        svg = base64.b64decode(re.findall(r"base64,([^\"]+)", plot)[0])
        root = ElementTree.fromstring(svg)
        addresses = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(a.startswith("#") for a in addresses)
        assert re.search(r'alt="[^"]{10,}"', plot)
