"""Judge a policy on a benchmark, beside its controls, and write `results.json`."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError, DataError, unknown
from praxia.evaluate.benchmarks import Benchmark
from praxia.evaluate.controls import CONTROLS, can_shuffle, shuffled_instructions
from praxia.evaluate.factory import Factory
from praxia.evaluate.intervals import Paired
from praxia.evaluate.records import RecordFile
from praxia.evaluate.results import compare, effort, success_table
from praxia.evaluate.rollout import Condition, Record
from praxia.evaluate.runner import judges, run_plan
from praxia.evaluate.workers import Setup
from praxia.files import write_json
from praxia.worlds.perturbations.perturbation import split_name

RESULTS = "results.json"


def evaluate(
    benchmark: Benchmark,
    policy: Factory,
    folder: Path | str,
    controls: Sequence[Condition] = CONTROLS,
    control_episodes: int | None = None,
    workers: int | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Run the plan, then the controls on it (on the first `control_episodes` of each task, all if None); write and return the results.

    folder: gets `normal.jsonl`, one file a control and `results.json`; what is already there is not run again.
    Result: benchmark, plan {name, hash, tasks, episodes, seeds [lowest, highest]}, rules, success, per_task (per_group, group_mean),
    controls {name: {rate, low, high, episodes, per_task}}, effort, fingerprint, policy. A control that cannot be (one instruction only) is None.
    """
    for control in controls:
        if control not in CONTROLS:
            raise ConfigError(unknown("control", control, CONTROLS))
    folder, plan = Path(folder), benchmark.plan
    tables: dict[str, Any] = {}
    with judges(Setup(benchmark.world, policy, benchmark.rules), workers, len(plan.episodes)) as by:
        normal = run_plan(plan, by, record_path(folder, "normal"), show=show)
        own = [record.instruction for record in normal.records]
        indices = None if control_episodes is None else plan.first_per_task(control_episodes)
        for control in controls:
            if control == "instruction_shuffled" and not can_shuffle(own):
                tables[control] = None
                continue
            told = shuffled_instructions(plan, own) if control == "instruction_shuffled" else None
            table = success_table(run_plan(plan, by, record_path(folder, control), control, indices, told, show).records)
            tables[control] = table.pop("success") | {name: table[name] for name in ("per_task", "perturbed") if name in table}
    seeds = [f([episode.seed for episode in plan.episodes]) for f in (min, max)]
    results = {
        "benchmark": benchmark.name,
        "plan": {"name": plan.name, "hash": plan.hash, "tasks": plan.tasks, "episodes": len(plan.episodes), "seeds": seeds},
        "rules": asdict(benchmark.rules),
        **success_table(normal.records, benchmark.groups),
        "controls": tables,
        "effort": {key: None if math.isnan(value) else value for key, value in effort(normal.records).items()},
        "fingerprint": normal.fingerprint,
        "policy": normal.policy,
    }
    write_json(folder / RESULTS, results)
    return results


def record_path(folder: Path | str, condition: Condition) -> Path:
    """Where the records of one condition are."""
    return Path(folder) / f"{condition}.jsonl"


def compare_folders(first: Path | str, second: Path | str) -> Paired:
    """Two finished evaluations of one benchmark. DataError if records are missing, ConfigError if plan, world or rules differ."""
    return compare(*_both(first, second))


def compare_categories(first: Path | str, second: Path | str) -> dict[str, Paired]:
    """The same for each category of perturbation ("unperturbed" where there is none); {} where no episode is perturbed."""
    found: dict[str, tuple[list[Record], list[Record]]] = {}
    for side, records in enumerate(_both(first, second)):
        for record in records:
            found.setdefault(split_name(record.perturbation)[0] or "unperturbed", ([], []))[side].append(record)
    return {category: compare(*sides) for category, sides in found.items()} if set(found) - {"unperturbed"} else {}


def _both(first: Path | str, second: Path | str) -> tuple[list[Record], list[Record]]:
    sides: list[tuple[dict[str, Any], list[Record]]] = []
    for folder in (first, second):
        file = RecordFile(record_path(folder, "normal"))
        if file.header is None or not file.records:
            raise DataError(f"{folder} has no finished episodes; fix: run `praxia eval` into it first")
        sides.append((file.header, [file.records[i] for i in sorted(file.records)]))
    for field in ("plan", "rules", "world", "fingerprint"):
        a, b = (header[field] for header, _ in sides)
        if a != b:
            raise ConfigError(
                f"{first} and {second} differ in {field}: {a} and {b}; fix: evaluate both policies on one benchmark with one installation"
            )
    return sides[0][1], sides[1][1]
