"""From records to the tables people read: stable names, every rate with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from praxia.errors import ConfigError
from praxia.evaluate.intervals import Paired, Rate, paired, stratified, wilson
from praxia.evaluate.perturbed import perturbed_tables
from praxia.evaluate.rollout import Record
from praxia.worlds.perturbations import split_name


def tally(records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """Task -> (successes, episodes), in order of appearance."""
    counts: dict[str, tuple[int, int]] = {}
    for record in records:
        successes, episodes = counts.get(record.task, (0, 0))
        counts[record.task] = (successes + record.success, episodes + 1)
    return counts


def success_table(records: Sequence[Record], groups: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """{"success": macro mean over tasks, "per_task": {task: Wilson}} and, with groups, "per_group" and "group_mean" (mean of the groups' means).

    Each is {rate, low, high, episodes}. Records of perturbed episodes give `perturbed_tables` instead.
    """
    if any(split_name(record.perturbation)[0] for record in records):
        return perturbed_tables(records)
    counts = tally(records)
    table: dict[str, Any] = {
        "success": asdict(_macro([counts[task] for task in counts])),
        "per_task": {task: asdict(wilson(*count)) for task, count in counts.items()},
    }
    if groups:
        table["per_group"] = {group: asdict(_macro([counts[task] for task in tasks])) for group, tasks in groups.items()}
        weights = {task: 1 / (len(groups) * len(tasks)) for tasks in groups.values() for task in tasks}
        table["group_mean"] = asdict(_macro([counts[task] for task in weights], list(weights.values())))
    return table


def _macro(counts: Sequence[tuple[int, int]], weights: Sequence[float] | None = None) -> Rate:
    successes, episodes = zip(*counts)
    return stratified(successes, episodes, weights)


def effort(records: Sequence[Record]) -> dict[str, float]:
    """Where the time went: seconds a look (rendering), a chunk (thinking), a reset and a control step; steps of solved episodes."""
    looks = sum(record.looks for record in records)
    solved = [record.steps for record in records if record.success]
    return {
        "seconds_per_look": sum(record.look_seconds for record in records) / looks,
        "seconds_per_chunk": sum(record.think_seconds for record in records) / looks,
        "seconds_per_reset": sum(record.reset_seconds for record in records) / len(records),
        "seconds_per_step": sum(record.step_seconds for record in records) / sum(record.steps for record in records),
        "seconds_per_episode": sum(record.seconds for record in records) / len(records),
        "steps_to_success": sum(solved) / len(solved) if solved else float("nan"),
    }


def compare(first: Sequence[Record], second: Sequence[Record]) -> Paired:
    """Two policies on the same plan, episode by episode. ConfigError unless the episodes are the same."""
    a, b = ({(r.task, r.seed, r.perturbation): r.success for r in records} for records in (first, second))
    if a.keys() != b.keys():
        only = sorted(a.keys() ^ b.keys())[:3]
        raise ConfigError(f"comparison of {len(a)} and {len(b)} episodes that are not the same, e.g. {only}; fix: evaluate both policies on one plan")
    return paired([a[key] for key in a], [b[key] for key in a])
