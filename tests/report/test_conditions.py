"""What may be said about a policy and its controls."""

import pytest
from tests.report.contents import summary_of

from praxia.errors import DataError
from praxia.report.conditions import clear_tasks, conditions, verdict


def test_a_policy_clearly_above_both_controls_is_said_to_use_words_and_pictures():
    found = conditions(summary_of((18, 16), (2, 1), (0, 1)))
    judged = verdict(found)
    assert judged.separated and "uses its instruction and its pictures" in judged.text
    assert clear_tasks(found) == (["reach", "pick_and_place"], [])


@pytest.mark.parametrize(
    "shuffled, blanked, not_shown, clear",
    [((17, 15), (0, 0), "follows its instruction", "images blanked"), ((1, 0), (17, 15), "uses its pictures", "instruction shuffled")],
)
def test_a_control_at_the_policys_level_is_named_and_never_praised(shuffled, blanked, not_shown, clear):
    judged = verdict(conditions(summary_of((18, 16), shuffled, blanked)))
    assert judged.separated is False
    assert judged.text.startswith("It is not shown that the policy " + not_shown)
    assert f"clearly above {clear}" in judged.text


def test_intervals_that_touch_are_not_separated():
    summary = summary_of((18, 16), (0, 0), (0, 0))
    summary["controls"]["images_blanked"]["high"] = summary["success"]["low"]
    assert verdict(conditions(summary)).separated is False


def test_a_high_mean_does_not_hide_a_task_that_any_control_solves():
    found = conditions(summary_of((20, 18), (1, 17), (0, 0)))
    assert clear_tasks(found) == (["reach"], ["pick_and_place"])


def test_without_controls_nothing_is_concluded():
    summary = summary_of((18, 16), (0, 0), (0, 0))
    assert verdict(conditions(summary | {"controls": {}})).separated is None
    assert verdict(conditions(summary | {"controls": {"instruction_shuffled": None}})).separated is None


def test_one_control_alone_is_not_called_both():
    summary = summary_of((18, 16), (1, 0), (0, 0))
    judged = verdict(conditions(summary | {"controls": {"images_blanked": summary["controls"]["images_blanked"]}}))
    assert judged.separated and "both" not in judged.text and "uses its instruction" not in judged.text


def test_a_rate_without_interval_is_refused_by_name():
    with pytest.raises(DataError, match=r"success\.per_task\.reach has no low, high"):
        conditions({"success": {"rate": 1, "low": 0, "high": 1, "episodes": 3}, "per_task": {"reach": {"rate": 1, "episodes": 3}}})
