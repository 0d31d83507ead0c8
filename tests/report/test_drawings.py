"""Dots, intervals and points are where the numbers are."""

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from rich.console import Console
from tests.report.contents import summary_of

from praxia.report.conditions import conditions
from praxia.report.intervals_plot import intervals_plot
from praxia.report.overlays import ANSWERED, EXPECTED, around, lines_legend, lines_on, points_on
from praxia.report.tables import Table, success_table


def test_each_dot_and_each_interval_is_at_its_rate():
    summary = summary_of((20, 10), (0, 5), (0, 0))
    root = ElementTree.fromstring(intervals_plot(conditions(summary)))
    rows = [row for row in root.iter("div") if row.get("class") in ("row", "row mean")]
    assert len(rows) == 3
    expected = [summary["per_task"]["reach"], summary["per_task"]["pick_and_place"], summary["success"]]
    for row, rate in zip(rows, expected, strict=True):
        lane = next(row.iter("g"))
        line, dot = lane.find("line"), lane.find("svg")
        assert line is not None and dot is not None
        seen = [float(str(x).rstrip("%")) for x in (line.get("x1"), dot.get("x"), line.get("x2"))]
        assert seen == pytest.approx([100 * rate[k] for k in ("low", "rate", "high")], abs=0.01)


def test_a_reader_who_cannot_see_the_plot_gets_the_numbers_in_words():
    plot = intervals_plot(conditions(summary_of((20, 10), (0, 5), (0, 0))))
    words = re.findall(r'aria-label="([^"]+)"', plot)
    assert len(words) == 3 and "the policy 50" in words[1] and "20 episodes" in words[1] and "images blanked 0" in words[1]


def test_ring_and_cross_are_on_their_pixels_of_the_picture():
    image = np.zeros((30, 40, 3), np.uint8)
    drawn = points_on(image, (10.0, 20.0), (13.5, 4.0), "where")
    assert 'viewBox="-0.5 -0.5 40 30"' in drawn  # pixel (0, 0) covers -0.5 to 0.5
    assert 'cx="10.0" cy="20.0"' in drawn
    start, end = re.findall(r"M([\d.-]+) ([\d.-]+)L([\d.-]+) ([\d.-]+)", drawn)[0][:2], re.findall(r"L([\d.-]+) ([\d.-]+)", drawn)[0]
    centre = [(float(a) + float(b)) / 2 for a, b in zip(start, end, strict=True)]
    assert centre == pytest.approx([13.5, 4.0])


def test_without_a_point_nothing_is_drawn():
    drawn = points_on(np.zeros((30, 40, 3), np.uint8), None, None, "where")
    assert "<circle" not in drawn and "<path" not in drawn


def test_terminal_and_page_show_the_same_cells():
    table = success_table(conditions(summary_of((18, 15), (2, 1), (0, 1))))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table.rich())
    terminal, page = console.export_text(), table.html()
    for cell in {cell for row in table.rows for cell in row} | set(table.columns):
        assert cell in terminal and cell in page


def test_texts_with_brackets_do_not_become_terminal_markup():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(Table(("task",), (("[bold]x[/bold]",),)).rich())
    assert "[bold]x[/bold]" in console.export_text()


def test_true_and_said_lines_are_on_their_pixels_and_legends_say_whose_they_are():
    square = (((1.0, 2.0), (5.0, 2.0)), ((5.0, 2.0), (5.0, 6.0)))
    drawn = lines_on(np.zeros((30, 40, 3), np.uint8), square, (((7.0, 8.0), (9.5, 10.25)),), "detect the mug")
    root = ElementTree.fromstring(re.sub(r"<img[^>]*>", "", drawn))
    paths = {path.get("stroke"): path.get("d") for path in root.iter("path")}
    assert paths[EXPECTED] == "M1.00 2.00L5.00 2.00M5.00 2.00L5.00 6.00" and paths[ANSWERED] == "M7.00 8.00L9.50 10.25"
    assert EXPECTED in lines_legend() and "where the model says it is" in lines_legend()
    assert "<path" not in lines_on(np.zeros((30, 40, 3), np.uint8), (), (), "nothing")


def test_the_border_of_a_mask_encloses_its_pixels_and_no_other():
    mask = np.random.default_rng(0).random((6, 9)) < 0.4
    height, width = 60, 45  # pixels of the picture that the mask covers: 10 x 5 of them for each of its own
    lines = around(mask, (height, width))
    upright = [(a, b) for a, b in lines if a[0] == b[0]]
    assert upright and all(a[0] == b[0] or a[1] == b[1] for a, b in lines)
    for row in range(height):
        crossings = np.array(sorted(a[0] for a, b in upright if min(a[1], b[1]) < row < max(a[1], b[1])))
        inside = [int((crossings < column).sum()) % 2 == 1 for column in range(width)]
        assert inside == [bool(mask[row // 10, column // 5]) for column in range(width)], f"row {row}"
    assert around(np.zeros((4, 4), bool), (8, 8)) == () and len(around(np.ones((4, 4), bool), (8, 8))) == 4, "straight borders are one line each"
