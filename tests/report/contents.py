"""A run folder, content with everything a report can show, and an instruction that tries to break the page."""

from pathlib import Path
from typing import Any

import numpy as np

from praxia.evaluate.results import success_table
from praxia.evaluate.rollout import Record
from praxia.report import Answer, Clip, DataSource, Ingredient, Moment, ReportContent
from praxia.train.metrics import MetricsLog

TASKS = ("reach", "pick_and_place")
NASTY = "put the <b>red & \"hot\"</b> mug on the </figcaption><script>alert('x')</script> tray"


def records(solved: tuple[int, ...], episodes: int) -> list[Record]:
    return [Record(0, task, i, "", "", "", i < k, 9, 1, 0.0, 0.0, 0.0) for task, k in zip(TASKS, solved, strict=True) for i in range(episodes)]


def summary_of(policy: tuple[int, ...], shuffled: tuple[int, ...], blanked: tuple[int, ...], episodes: int = 20) -> dict[str, Any]:
    tables = [success_table(records(solved, episodes)) for solved in (policy, shuffled, blanked)]
    controls = {name: t["success"] | {"per_task": t["per_task"]} for name, t in zip(("instruction_shuffled", "images_blanked"), tables[1:])}
    return tables[0] | {"controls": controls}


def write_run(root: Path) -> Path:
    """A run folder whose curves are written by the trainer's own log."""
    log = MetricsLog(root / "stages" / "robot" / "metrics.jsonl", 0)
    for step in range(1, 101):
        loss = 2.0 / step if step != 50 else None  # what the log writes for NaN
        log.write(step=step, kind="step", rate=1e-3 * step / 100, samples=8 * step, loss=loss, flow=1.0, gradient_norm=1.0)
        if step % 50 == 0:
            log.write(step=step, kind="validation", **{"loss": 0.5, "action_chunk/flow": 0.4, "action_error": 0.2})
    log.write(step=100, kind="speed", seconds=9.0, waited=0.1, skipped=3)
    return root


def everything() -> ReportContent:
    """Content with everything a report can show."""
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (48, 64, 3), np.uint8)
    stage = {"name": "robot", "seconds": 90.0, "samples": 800, "metrics": {"loss": 0.5, "action_chunk/flow": 0.4, "action_error": 0.2}}
    summary = summary_of((18, 15), (2, 1), (0, 1)) | {
        "stages": [stage | {"trainable_parameters": 2_412_000}],
        "wall_s": 611.0,
        "peak_rss_gb": 3.9,
        "machine": {"processor": "some processor", "cores": 2},
        "versions": {"praxia": "0.1.0", "torch": "2.13.0"},
    }
    return ReportContent(
        recipe="pose_vla",
        preset="tiny",
        summary=summary,
        commit="abc1234",
        seeds={"training": 7},
        evaluation={"benchmark": "tabletop", "plan": {"name": "tabletop", "hash": "0123456789abcdef"}, "fingerprint": {"mujoco": "3.8.1"}},
        clips=(Clip("reach", NASTY, False, tuple(np.roll(image, i, 1) for i in range(12)), 10.0, ("head",)),),
        answers=(Answer(image, NASTY, expected_pixel=(10, 20), answered_pixel=(13, 24)), Answer(image, "how many ?", "two", "one")),
        sources=(DataSource("demonstrations", "Made here.", ("robot",), {"reach": 50}, {"reach": 52}, 900, (Moment(NASTY, {"head": image}),)),),
        ingredients=(Ingredient("demonstrations", "dataset", "Apache-2.0", "made in this run", ("robot",)),),
    )
