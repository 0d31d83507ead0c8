"""Success of the policy and of its controls, read from summary.json, and what may be concluded from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from praxia.errors import DataError
from praxia.evaluate.intervals import Rate
from praxia.report.words import percent, title

LABELS = {"policy": "the policy", "instruction_shuffled": "instruction shuffled", "images_blanked": "images blanked"}


@dataclass(frozen=True)
class Condition:
    """Success under one condition. mean: None if the condition could not be judged. by: what the rows are; mean_name: what is over them."""

    name: str
    label: str
    mean: Rate | None
    per_task: Mapping[str, Rate] = field(default_factory=dict)
    by: str = "task"
    mean_name: str = "mean over tasks"


def conditions(summary: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The policy first, then its controls; () if the run has not been judged. DataError names a field that is missing."""
    if not summary.get("success"):
        return ()
    found = [_condition("policy", summary["success"], summary)]
    for name, table in (summary.get("controls") or {}).items():
        found.append(_condition(name, table, table or {}, f"controls.{name}"))
    return tuple(found)


def _condition(name: str, mean: Mapping[str, Any] | None, found: Mapping[str, Any], where: str = "success") -> Condition:
    """Row by row: the categories where episodes were perturbed, else the tasks."""
    label, total = LABELS.get(name, title(name)), rate_of(mean, where) if mean else None
    if perturbed := found.get("perturbed"):
        rows = {category: rate_of(value, f"{where}.perturbed.{category}") for category, value in perturbed["per_category"].items()}
        return Condition(name, label, total, rows, "category", "Total, weighted")
    rows = {task: rate_of(value, f"{where}.per_task.{task}") for task, value in (found.get("per_task") or {}).items()}
    return Condition(name, label, total, rows)


def rate_of(value: Mapping[str, Any], where: str) -> Rate:
    """A rate as it stands in summary.json or results.json; `where` names it in messages."""
    missing = [key for key in ("rate", "low", "high", "episodes") if key not in value]
    if missing:
        raise DataError(f"summary.json: {where} has no {', '.join(missing)}; it needs rate, low, high, episodes: write it with praxia.evaluate")
    return Rate(float(value["rate"]), float(value["low"]), float(value["high"]), int(value["episodes"]))


@dataclass(frozen=True)
class Verdict:
    """separated: every control lies clearly below the policy; None without controls. text: sentences for a reader."""

    separated: bool | None
    text: str


def verdict(found: tuple[Condition, ...]) -> Verdict:
    """Compare the policy's lower bound with the upper bound of each control, on the mean over tasks."""
    policy, controls = found[0], [c for c in found[1:] if c.mean is not None]
    assert policy.mean is not None
    if not controls:
        return Verdict(None, "No control was run, so this number alone does not say whether the policy uses its instruction and its pictures.")
    low = percent(policy.mean.low)
    beaten = [c for c in controls if c.mean is not None and policy.mean.low > c.mean.high]
    level = [c for c in controls if c not in beaten]
    if not level:
        uppers = " and ".join(f"{percent(c.mean.high)} ({c.label})" for c in controls if c.mean)
        text = f"The policy uses its instruction and its pictures: the lower bound of its success, {low}, is above the upper bound of "
        text += f"{'both controls' if len(controls) == 2 else 'the control'}, {uppers}."
        if {c.name for c in controls} != {"instruction_shuffled", "images_blanked"}:
            text = f"The lower bound of the policy's success, {low}, is above the upper bound of {uppers}."
        return Verdict(True, text)
    parts = [_not_shown(c, low) for c in level]
    if beaten:
        parts.append(f"It is clearly above {' and '.join(c.label for c in beaten)}.")
    return Verdict(False, " ".join(parts))


def _not_shown(control: Condition, low: str) -> str:
    assert control.mean is not None
    what = {"instruction_shuffled": "that the policy follows its instruction", "images_blanked": "that the policy uses its pictures"}
    claim = what.get(control.name, f"that the policy is better than {control.label!r}")
    return f"It is not shown {claim}: the lower bound of its success is {low}, the upper bound with {control.label} is {percent(control.mean.high)}."


def clear_tasks(found: tuple[Condition, ...]) -> tuple[list[str], list[str]]:
    """Tasks in which the policy's interval lies above that of every control, and the others; tasks no control was judged on are in neither."""
    clear, unclear = [], []
    for task, rate in found[0].per_task.items():
        against = [c.per_task[task] for c in found[1:] if task in c.per_task]
        if against:
            (clear if all(rate.low > other.high for other in against) else unclear).append(task)
    return clear, unclear
