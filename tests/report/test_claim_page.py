"""The page of a claim says what was compared, what came out and how sure it is."""

import pytest

from praxia.report.claim_page import HAND_SCORES, POSE_SCORES, budget_rows, claim_page, common_error, learnt_rows, pace_rows, success_rows, verdict
from praxia.report.curves import updates_until
from praxia.report.tables import Table
from praxia.report.words import value

PRIMARY = {"first": "poses", "second": "placebo", "seeds": [0, 1, 2], "not_paired": [], "planned_seeds": 3, "least": 0.05}
DECIDED = PRIMARY | {"difference": 0.12, "low": 0.03, "high": 0.21, "by_seed": [0.15, 0.02, 0.19], "verdict": "holds"}


def run(rate: float) -> dict:
    stages = [{"name": "base_vlm", "samples": 8000, "target_tokens": 4.2}, {"name": "robot", "samples": 11200, "target_tokens": 0.0}]
    where = {"machine": {"cpu": "a cpu", "cores": 2, "gpu": ""}, "versions": {"torch": "2.13"}, "git_commit": "f" * 40}
    return {
        "success": {"rate": rate},
        "per_task": {"reach": {"rate": rate}, "pick_and_place": {"rate": rate / 2}},
        "stages": stages,
        "first_stage": "a",
    } | where


ROWS = [
    {"name": "poses", "about": "with poses", "world": {}, "seeds": {"0": run(0.4), "1": run(0.5)}},
    {"name": "placebo", "about": "names | colours", "world": {}, "seeds": {"0": run(0.3)}},
    {"name": "none", "about": "straight away", "world": {"head_azimuth": [12.0, 16.0]}, "seeds": {"0": run(0.2)}},
]


@pytest.mark.parametrize("word", ["holds", "does not hold", "undecided"])
def test_the_verdict_stands_first_with_its_interval_and_its_seeds(word):
    said = verdict(DECIDED | {"verdict": word})
    assert said.startswith(f"**{word.capitalize()}**: poses - placebo = +12.0 points (+3.0 to +21.0) over 3 training seeds (by seed +15, +2, +19)")
    assert "Left out" not in said and "seeds 1, 4" in verdict(DECIDED | {"verdict": word, "not_paired": [1, 4]})


def test_before_all_planned_seeds_are_there_nothing_is_decided():
    assert "needs the 5 planned training seeds of both, 1 are there" in verdict(PRIMARY | {"seeds": [0], "planned_seeds": 5})
    early = {k: v for k, v in DECIDED.items() if k != "verdict"} | {"planned_seeds": 5}
    assert verdict(early).startswith("**Not decided yet, 3 of 5 planned seeds**: poses - placebo = +12.0")


def test_exploratory_rows_stand_apart():
    found = {
        "statement": "Poses help.", "benchmark": "tabletop", "plan": {"episodes": 100, "hash": "abc"}, "primary": DECIDED, "variants": ROWS,
        "published": [["theirs", "70 %"]],
    }  # fmt: skip
    page = claim_page(found)
    parts = page.split("## ")
    assert "| poses | 45" in parts[0] and "| none" not in parts[0] and "none" in parts[1] and parts[1].startswith("Exploratory, without a verdict")
    assert "names \\| colours" in page and "a cpu, 2 cores, torch 2.13, commit ffffffffff." in page and "| theirs | 70 % |" in page
    assert "`none` is judged in another world: head_azimuth = [12.0, 16.0]." in parts[1] and "another first stage" not in page
    apart = ROWS[2] | {"seeds": {"0": run(0.2) | {"first_stage": "b"}}}
    assert "other inputs" not in page and "inputs): none." in claim_page(found | {"variants": [*ROWS[:2], apart]})
    assert "Exploratory" not in claim_page(found | {"variants": ROWS[:2]})


def test_rows_say_seeds_tasks_and_budgets():
    assert [cell.replace("\u202f", " ") for cell in success_rows(ROWS).rows[0]] == ["poses", "45 %", "40, 50", "45 %", "22 %"]
    assert budget_rows(ROWS).rows[0][2].replace("\u202f", " ") == "base vlm 8 000 x 4; robot 11 200"


def test_what_poses_were_learnt_stands_beside_their_trivial_answers():
    stages = [[{"name": "waypoints", "metrics": {"waypoints/outside_last_cm": cm, "waypoints/outside_still_cm": 12.0}}] for cm in (5.0, 7.0)]
    stages[0][0]["metrics"]["object_poses/ap15"] = 80.0  # the other seed said nothing
    rows = [ROWS[0] | {"seeds": {str(i): run(0.4) | {"stages": some} for i, some in enumerate(stages)}}, ROWS[2]]
    table = learnt_rows(rows, POSE_SCORES)
    assert [dict(zip(table.columns, line, strict=True)) for line in table.rows] == [
        dict.fromkeys(table.columns, "–") | {"variant": "poses", "last waypoint, cm": "6", "standing still, cm": "12"}
    ]


def test_what_hands_taught_stands_beside_the_model_before_and_answers_that_do_not_look():
    """The paper's three rows: raw is a variant's own model without its geometry; a variant without encoder has none."""
    hands = {"spatial_vqa/all/direction": 2.1, "spatial_vqa/all/direction/no_geometry": 2.0, "spatial_vqa/all/direction/majority": 1.7}
    made = [
        ROWS[0] | {"seeds": {"0": run(0.4) | {"stages": [{"name": "spatial_vqa", "metrics": hands}]}}},
        ROWS[1] | {"seeds": {"0": run(0.4) | {"stages": [{"name": "spatial_vqa", "metrics": {"spatial_vqa/all/direction": 2.0}}]}}},
        ROWS[2],
    ]
    table = learnt_rows(made, HAND_SCORES)
    assert [line[:4] for line in table.rows] == [("poses", "2.1", "2", "1.7"), (ROWS[1]["name"], "2", "–", "–")]


def test_markdown_of_a_table_is_read_as_a_table():
    lines = Table(("a", "b"), (("x", "1"), ("y|z", "2")), frozenset({1}), frozenset({1})).markdown().splitlines()
    assert lines == ["| a | b |", "| --- | --: |", "| x | 1 |", "| **y\\|z** | **2** |"]


def pace(*errors: float, loss: float = 1.0) -> dict:
    """A run whose held-out action error was looked at every ten updates."""
    curve = [[10 * i, error] for i, error in enumerate(errors)]
    return run(0.5) | {"learning": {"first_losses": {"flow_matching": loss}, "first_gradient_norm": 3.0, "action_error": curve}}


def test_the_page_says_how_many_updates_each_variant_needed():
    rows = [
        ROWS[0] | {"seeds": {"0": pace(0.5, 0.2, 0.1, loss=0.25), "1": pace(0.5, 0.2, 0.15, loss=0.25)}},
        ROWS[1] | {"seeds": {"0": pace(0.6, 0.4, 0.2), "1": pace(0.6, 0.4, 0.15)}},
        ROWS[2] | {"seeds": {"0": pace(0.6, 0.5, 0.3)}},
    ]
    assert common_error(rows[:2]) == 0.2 and updates_until([[0, 0.6], [10, 0.4], [20, 0.2]], 0.3) == pytest.approx(15)
    assert updates_until([[0, 0.6], [10, 0.5]], 0.3) is None and updates_until([[0, 0.2]], 0.3) == 0
    lines = pace_rows(rows, ("poses", "placebo")).rows
    assert lines[0] == ("poses", "0.25", "3", "0.5", "10", "0.125") and lines[1][4] == value((20 + 18) / 2) and lines[2][4] == "–"
    found = {"statement": "Faster.", "benchmark": "b", "plan": {"episodes": 1, "hash": "h"}, "primary": DECIDED, "variants": rows, "published": []}
    page = claim_page(found)
    assert "Updates to an action error of 0.200, poses / placebo: **0.53** (" in page and "over 2 seeds" in page
    aside = {"title": "Which half?", "about": "The decoder, or the latent.", "variants": ["poses", "placebo", "never run"]}
    asked = claim_page(found | {"asides": [aside, aside | {"title": "One alone", "variants": ["poses"]}]})
    assert "## Which half?\n\nThe decoder, or the latent.\n\n| variant" in asked and "One alone" not in asked
    robots = DECIDED | {"by_benchmark": {"tabletop": {"difference": 0.05, "low": -0.02, "high": 0.11}}}
    assert "| tabletop | +5.0 | -2.0 to +11.0 |" in claim_page(found | {"primary": robots})
    assert "How the last stage began" not in claim_page(found | {"variants": ROWS}), "runs of before this was kept say nothing"
