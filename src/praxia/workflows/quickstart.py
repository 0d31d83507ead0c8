"""The whole story on one machine: make demonstrations, train in stages, judge beside controls, write the report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from praxia.data.source import SampleSource
from praxia.evaluate.benchmarks import Benchmark, benchmark
from praxia.evaluate.evaluate import evaluate, record_path
from praxia.evaluate.factory import policy_folder
from praxia.evaluate.records import RecordFile
from praxia.files import read_json, write_json
from praxia.policy import Policy
from praxia.recipes.load import load_recipe, override
from praxia.recipes.pose_vla import QUICKSTART_TASKS
from praxia.report.content import Clip, DataSource, Ingredient, ReportContent
from praxia.report.examples import examples_of
from praxia.report.film import film, worth_watching
from praxia.report.page import write_report
from praxia.train.settings import TrainSettings
from praxia.workflows.answers import answers
from praxia.workflows.train_recipe import Stopwatch, Trained, machine, peak_rss_gb, stage_rows, train_recipe

EPISODES = 20  # a task; five tasks make one hundred held-out episodes


def quickstart(
    root: Path | str,
    settings: TrainSettings,
    overrides: Sequence[str] = (),
    tasks: Sequence[str] = QUICKSTART_TASKS,
    episodes: int = EPISODES,
    restart: bool = False,
    show: bool = True,
) -> Path:
    """Run everything that is not finished yet; returns the path of report.html. Beside it: summary.json, policy/, eval/, stages/."""
    watch, root = Stopwatch(), Path(root)
    recipe = override(load_recipe("pose_vla", "tiny"), overrides)
    trained = train_recipe(recipe, root, settings, restart=restart)
    assert trained.policy is not None
    judged = benchmark("tabletop", tasks, episodes)
    results = evaluate(judged, policy_folder(trained.policy), root / "eval", show=show)
    earlier = read_json(root / "summary.json").get("wall_s", 0.0) if (root / "summary.json").is_file() else 0.0
    summary = summarise(trained, results) | {"wall_s": max(watch.seconds, earlier)}
    write_json(root / "summary.json", summary)
    policy = Policy.load(trained.policy)
    content = ReportContent(
        recipe=recipe.name,
        preset=recipe.preset,
        summary=summary,
        commit=policy.config.git_commit,
        seeds={"training": recipe.seed},
        evaluation=results,
        clips=_clips(judged, policy, root),
        answers=answers(policy, trained),
        sources=_sources(trained),
        ingredients=_ingredients(trained),
    )
    return write_report(root, content)


def summarise(trained: Trained, results: dict[str, Any]) -> dict[str, Any]:
    """summary.json without the wall time."""
    config = trained.assembly.recipe
    return {
        "recipe": config.name,
        "preset": config.preset,
        "success": results["success"],
        "per_task": results["per_task"],
        "controls": results["controls"],
        "stages": stage_rows(trained.results),
        "peak_rss_gb": peak_rss_gb(),
        "machine": machine(),
        "versions": results["fingerprint"],
    }


def _clips(judged: Benchmark, policy: Policy, root: Path) -> tuple[Clip, ...]:
    records = [RecordFile(record_path(root / "eval", "normal")).records[i] for i in range(len(judged.plan.episodes))]
    world = replace(judged.world).build()
    try:
        return film(world, policy, judged.plan, worth_watching(records), judged.rules)
    finally:
        world.close()


def _stages_of(trained: Trained, data: Any) -> tuple[str, ...]:
    return tuple(s.name for s in trained.assembly.recipe.stages if any(x.data == data for x in s.sources))


def _sources(trained: Trained) -> tuple[DataSource, ...]:
    found = []
    for data, source in trained.assembly.sources.items():
        made = data.made() if hasattr(data, "made") else None
        found.append(
            DataSource(
                name=source.name,
                description=getattr(data, "description", ""),
                stages=_stages_of(trained, data),
                episodes=made.episodes if made else {},
                attempts=made.attempts if made else {},
                frames=len(source),
                examples=examples_of(source),
            )
        )
    return tuple(found)


def _ingredients(trained: Trained) -> tuple[Ingredient, ...]:
    def row(data: Any, source: SampleSource) -> Ingredient:
        origin = "made in this run" if hasattr(data, "made") else data.root
        return Ingredient(source.name, "demonstrations", source.licence, origin, _stages_of(trained, data))

    listed = [row(data, source) for data, source in trained.assembly.sources.items()]
    return (*listed, *(Ingredient(name, "checkpoint", licence) for name, licence in trained.assembly.recipe.licences))
