"""The whole story at micro size: every file it promises is there, with the stable names."""

import json

from praxia.policy import Policy
from praxia.policy.speaker import Speaker
from praxia.train.settings import TrainSettings
from praxia.workflows.quickstart import quickstart

TASKS = ("reach", "press")
STAGES = ("base_vlm", "object_poses", "waypoints", "robot")
SOURCES = (*(f"{stage}.sources.0" for stage in STAGES), *(f"{stage}.sources.1" for stage in STAGES[:3]))
SMALL = [
    *(
        part
        for stage in STAGES
        for field, value in (("steps", "3"), ("minutes", "0.0"), ("batch", "4"), ("validate_every", "3" if stage == "robot" else "0"))
        for part in (f"--stages.{stage}.{field}", value)
    ),
    *("--stages.robot.validation_batches", "1"),
    *(part for source in SOURCES for part in (f"--stages.{source}.data.tasks", repr(TASKS), f"--stages.{source}.data.episodes", "2")),
]


def test_the_quickstart_leaves_data_stages_a_policy_results_with_controls_and_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr("praxia.workflows.train_recipe.SCORED_ON", 2)
    answers = Speaker._answers
    monkeypatch.setattr(Speaker, "_answers", lambda *args: answers(*args[:-1], 40))  # an untrained model's answers are as long as they may be
    root = tmp_path / "quickstart"
    settings = TrainSettings(threads=1, quiet=True)
    report = quickstart(root, settings, SMALL, tasks=TASKS, episodes=1, show=False)
    summary = json.loads((root / "summary.json").read_text())
    rate_fields = {"rate", "low", "high", "episodes"}
    assert rate_fields <= summary["success"].keys()
    assert set(summary["per_task"]) == set(TASKS) and all(rate_fields <= v.keys() for v in summary["per_task"].values())
    assert {"instruction_shuffled", "images_blanked"} == set(summary["controls"])
    assert [(s["name"], s["samples"]) for s in summary["stages"]] == [(name, 12) for name in STAGES]
    assert all({"name", "seconds", "samples", "metrics"} <= s.keys() for s in summary["stages"])
    assert {"wall_s", "peak_rss_gb", "machine", "versions"} <= summary.keys()
    page = report.read_text()
    assert [
        word for word in ("base vlm", "press", "data:video/mp4", "Questions about pictures", "object poses", "waypoints") if word not in page
    ] == []
    assert "learnt to answer questions" not in page and "No episodes were filmed" not in page
    assert Policy.load(root / "policy").config.stage == "robot"

    again = quickstart(root, settings, SMALL, tasks=TASKS, episodes=1, show=False)
    assert again == report
    assert json.loads((root / "summary.json").read_text())["success"] == summary["success"]
