"""report.html of a run: what was trained and, where it was judged, how it did."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from praxia.data.source import SampleSource
from praxia.files import read_json
from praxia.policy.config import git_commit
from praxia.report.content import Clip, DataSource, Ingredient, ReportContent
from praxia.report.examples import examples_of
from praxia.report.page import write_report
from praxia.workflows import summary
from praxia.workflows.answers import answers
from praxia.workflows.geometry_pictures import geometry_facts
from praxia.workflows.goal_pictures import goal_facts
from praxia.workflows.hand_pictures import motion_pictures
from praxia.workflows.latents import latent_facts
from praxia.workflows.pose_pictures import pose_pictures
from praxia.workflows.train_recipe import Trained
from praxia.workflows.vqa_pictures import answer_scores


def run_report(trained: Trained, evaluation: Mapping[str, Any] | None = None, clips: tuple[Clip, ...] = ()) -> Path:
    """Write it into the run's folder. evaluation: results of `praxia.evaluate`, if the policy was judged; clips: filmed episodes."""
    recipe, root = trained.assembly.recipe, trained.run.root
    content = ReportContent(
        recipe=recipe.name,
        preset=recipe.preset,
        summary=read_json(root / summary.NAME),
        commit=git_commit(),
        seeds={"training": recipe.seed},
        evaluation=evaluation or {},
        clips=clips,
        answers=answers(trained),
        answer_scores=answer_scores(trained),
        poses=(*pose_pictures(trained), *motion_pictures(trained)),
        latents=latent_facts(trained),
        geometry=geometry_facts(trained),
        goals=goal_facts(trained),
        acts=trained.assembly.model.backbone is not None or trained.assembly.model.head is not None,
        sources=_sources(trained),
        ingredients=_ingredients(trained),
    )
    return write_report(root, content)


def _stages_of(trained: Trained, data: Any) -> tuple[str, ...]:
    """Stages that learn from the data, and those that were only looked at with it."""
    found = []
    for stage in trained.assembly.recipe.stages:
        learns, looks = (any(source.data == data for source in sources) for sources in (stage.sources, stage.held_out))
        found += [stage.name] * learns + [f"{stage.name}, held out"] * (looks and not learns)
    return tuple(found)


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
        origin = data.root if isinstance(getattr(data, "root", None), str) else "made in this run"
        return Ingredient(source.name, "demonstrations", source.licence, origin, _stages_of(trained, data))

    listed = [row(data, source) for data, source in trained.assembly.sources.items()]
    return (*listed, *(Ingredient(name, "checkpoint", licence) for name, licence in trained.assembly.recipe.licences))
