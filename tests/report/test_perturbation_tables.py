"""Success by category and level, as a table and as plots: the numbers are where they belong, and only where there are some."""

import re

import pytest
from tests.report.contents import summary_of, write_run
from tests.report.test_page import Checker, read

from praxia.evaluate.results import success_table as tables_of
from praxia.evaluate.rollout import Record
from praxia.report import ReportContent
from praxia.report.conditions import conditions
from praxia.report.perturbation_table import level_table
from praxia.report.sections.perturbations import perturbations
from praxia.report.tables import success_table
from praxia.worlds.perturbations import CATEGORIES, LEVELS


def perturbed(falls: float) -> dict:
    """A summary in which every category starts at ten of ten and loses `falls` a level; nine of ten unperturbed."""
    outcomes = {"": 9} | {f"{c}:{n}": round(10 - falls * n) for c in CATEGORIES for n in LEVELS}
    rows = [Record(0, "reach", i, p, "", "", i < k, 9, 1, 0.0, 0.0, 0.0) for p, k in outcomes.items() for i in range(10)]
    return tables_of(rows)


@pytest.fixture
def summary() -> dict:
    blanked = perturbed(2)
    return perturbed(1) | {"controls": {"images_blanked": blanked["success"] | {"perturbed": blanked["perturbed"], "per_task": blanked["per_task"]}}}


def test_rows_are_categories_and_the_total_where_episodes_were_perturbed(summary):
    table = success_table(conditions(summary))
    assert table.columns[:3] == ("category", "the policy", "images blanked") and [row[0] for row in table.rows] == [*CATEGORIES, "Total, weighted"]
    assert table.rows[0][1].startswith("70") and table.rows[-1][2].startswith("40")
    assert success_table(conditions(summary_of((18, 15), (2, 1), (0, 1)))).rows[-1][0] == "mean over tasks"


def test_levels_stand_beside_the_unperturbed(summary):
    table = level_table(summary)
    assert table.columns == ("category", "all levels", *(f"level {n}" for n in LEVELS))
    assert table.rows[0][0] == "unperturbed" and table.rows[0][1].startswith("90") and set(table.rows[0][2:]) == {"–"}
    assert [cell[:2] for cell in table.rows[1][2:]] == ["90", "80", "70", "60", "50"] == [cell[:2] for cell in table.rows[-1][2:]]


def test_every_category_has_a_plot_with_its_numbers_in_words_and_dots_that_fall(summary):
    drawn = perturbations(summary)
    words = re.findall(r'aria-label="([^"]+)"', drawn)
    assert len(words) == 7 and all("level 5: 50" in w for w in words)
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawn)[:5]]
    assert heights == sorted(heights) and len(set(heights)) == 5
    assert perturbations(summary_of((18, 15), (2, 1), (0, 1))) == ""


def test_the_page_shows_them(summary, tmp_path):
    page, seen = read(write_run(tmp_path / "run"), ReportContent("pose_vla", "tiny", summary, evaluation={"benchmark": "tabletop-plus"}))
    assert isinstance(seen, Checker) and "By category and level of perturbation" in page and "Category by category" in page
