"""Summaries of judged policies, and an instruction that tries to break the page."""

from typing import Any

from praxia.evaluate.results import success_table
from praxia.evaluate.rollout import Record

TASKS = ("reach", "pick_and_place")
NASTY = "put the <b>red & \"hot\"</b> mug on the </figcaption><script>alert('x')</script> tray"


def records(solved: tuple[int, ...], episodes: int) -> list[Record]:
    return [Record(0, task, i, "", "", "", i < k, 9, 1, 0.0, 0.0, 0.0) for task, k in zip(TASKS, solved, strict=True) for i in range(episodes)]


def summary_of(policy: tuple[int, ...], shuffled: tuple[int, ...], blanked: tuple[int, ...], episodes: int = 20) -> dict[str, Any]:
    tables = [success_table(records(solved, episodes)) for solved in (policy, shuffled, blanked)]
    controls = {name: t["success"] | {"per_task": t["per_task"]} for name, t in zip(("instruction_shuffled", "images_blanked"), tables[1:])}
    return tables[0] | {"controls": controls}
