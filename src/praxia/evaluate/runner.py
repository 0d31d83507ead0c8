"""Run a plan under one condition: worker processes, progress, and a file that lets a killed evaluation go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from praxia.cores import usable_cores
from praxia.evaluate.factory import policy_identity
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.records import RecordFile
from praxia.evaluate.rollout import Condition, Record, Trial
from praxia.evaluate.workers import Judges, Pool, Setup, ThisProcess


@dataclass(frozen=True)
class Run:
    """Outcome of a plan under one condition."""

    records: tuple[Record, ...]  # in plan order
    fingerprint: dict[str, str]  # of the world
    policy: dict[str, Any]  # provenance


def judges(setup: Setup, workers: int | None = None, episodes: int = 2**31) -> Judges:
    """Worker processes: one per core this process may use if None, never more than episodes; 0 judges in this process."""
    if workers == 0:
        return ThisProcess(setup)
    return Pool(setup, min(workers or usable_cores(), episodes))


def run_plan(
    plan: EpisodePlan,
    by: Judges,
    path: Path | str,
    condition: Condition = "normal",
    indices: Sequence[int] | None = None,
    told: Sequence[str] | None = None,
    show: bool = True,
) -> Run:
    """Judge on the plan (its episodes `indices`, all if None), appending to the JSONL file `path`; finished episodes are not run again.

    told: for each episode of the plan the instruction given instead of its own. show: progress bar. Records do not depend on who judges.
    Raises ConfigError if `path` belongs to another evaluation, EvaluationError naming the episode if a policy or a worker fails.
    """
    file = RecordFile(Path(path))
    chosen = tuple(range(len(plan.episodes))) if indices is None else tuple(indices)
    missing = [i for i in chosen if i not in file.records]
    trials = [Trial(i, plan.episodes[i], plan.policy_seed(i), condition, told[i] if told else "") for i in missing]
    policy = policy_identity(by.setup.policy)
    judging = {"plan": plan.hash, "condition": condition, "rules": by.setup.rules, "world": by.setup.world, "policy": policy}
    if file.header is None:
        file.begin(judging | by.identity())
    else:
        file.begin(file.header | judging | (by.identity() if trials else {}))
    assert file.header is not None
    with _progress(show) as progress:
        solved = sum(file.records[i].success for i in chosen if i in file.records)
        bar = progress.add_task(f"{plan.name}, {condition}", total=len(chosen), completed=len(chosen) - len(missing), solved=solved)
        for record in by.run(trials) if trials else ():
            file.append(record)
            solved += record.success
            progress.update(bar, advance=1, solved=solved)
    return Run(tuple(file.records[i] for i in chosen), file.header["fingerprint"], policy | {"metadata": file.header["metadata"]})


def _progress(show: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[solved]} solved"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, disable=not show)
