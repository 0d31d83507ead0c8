"""A run folder with curves written by the trainer's own log, and content with everything a report can show."""

from pathlib import Path

import numpy as np
import pytest
from tests.report.contents import NASTY, summary_of

from praxia.report import Answer, Clip, DataSource, Ingredient, Moment, ReportContent
from praxia.train.metrics import MetricsLog


@pytest.fixture
def run(tmp_path: Path) -> Path:
    root = tmp_path / "my_run"
    log = MetricsLog(root / "stages" / "robot" / "metrics.jsonl", 0)
    for step in range(1, 101):
        loss = 2.0 / step if step != 50 else None  # what the log writes for NaN
        log.write(step=step, kind="step", rate=1e-3 * step / 100, samples=8 * step, loss=loss, flow=1.0, gradient_norm=1.0)
        if step % 50 == 0:
            log.write(step=step, kind="validation", **{"loss": 0.5, "action_chunk/flow": 0.4, "action_error": 0.2})
    log.write(step=100, kind="speed", seconds=9.0, waited=0.1, skipped=3)
    return root


@pytest.fixture
def content() -> ReportContent:
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
