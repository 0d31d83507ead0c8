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
from praxia.policy import Policy
from praxia.recipes.load import load_recipe, override
from praxia.recipes.pose_vla import QUICKSTART_TASKS
from praxia.report.content import Clip, DataSource, Ingredient, ReportContent
from praxia.report.examples import examples_of
from praxia.report.film import film, worth_watching
from praxia.report.page import write_report
from praxia.train.settings import TrainSettings
from praxia.workflows import summary
from praxia.workflows.answers import answers
from praxia.workflows.pose_pictures import pose_pictures
from praxia.workflows.train_recipe import Trained, train_recipe

EPISODES = 20  # a task; five tasks make one hundred held-out episodes
CONTROL_EPISODES = 10  # a task, the first of the same ones, for each control


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
    root = Path(root)
    recipe = override(load_recipe("pose_vla", "tiny"), overrides)
    with summary.Watch() as watch:
        trained = train_recipe(recipe, root, settings, restart=restart)
        assert trained.policy is not None
        judged = benchmark("tabletop", tasks, episodes)
        results = evaluate(judged, policy_folder(trained.policy), root / "eval", control_episodes=min(episodes, CONTROL_EPISODES), show=show)
    values = summary.judged(results) | {"wall_s": watch.seconds + trained.earlier_seconds, "peak_rss_gb": watch.peak_rss_gb}
    found = summary.add(root, values)
    policy = Policy.load(trained.policy)
    content = ReportContent(
        recipe=recipe.name,
        preset=recipe.preset,
        summary=found,
        commit=policy.config.git_commit,
        seeds={"training": recipe.seed},
        evaluation=results,
        clips=_clips(judged, policy, root),
        answers=answers(trained),
        poses=pose_pictures(trained),
        sources=_sources(trained),
        ingredients=_ingredients(trained),
    )
    return write_report(root, content)


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
                attempts=made.attempts if made and not data.steps else {},  # still scenes are kept whatever the expert does
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
