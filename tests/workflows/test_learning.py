"""A closed loop that is learnt from nothing: minutes of training, then episodes nobody has seen, beside both controls."""

from dataclasses import replace

import pytest

from praxia.evaluate.benchmarks import benchmark
from praxia.evaluate.evaluate import evaluate
from praxia.evaluate.factory import policy_folder
from praxia.recipes.base_vlm import from_stage
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Recipe, Source
from praxia.train.settings import TrainSettings
from praxia.workflows.train_recipe import train_recipe

TASKS = ("press", "drawer")


def two_tasks() -> Recipe:
    """`tiny` without its pose stages, on two tasks in which the instruction decides, by steps: a busy machine learns as much."""
    recipe = tiny()
    first, *_, last = recipe.stages

    def of_two(source: Source, episodes: int) -> Source:
        return replace(source, data=replace(source.data, tasks=TASKS, episodes=episodes))

    base = replace(first, sources=tuple(of_two(s, 150) for s in first.sources), steps=250, minutes=0.0, validate_every=0)
    robot = replace(
        last,
        sources=tuple(of_two(s, 200) for s in last.sources),
        init_from=(from_stage("base_vlm", first.parts),),
        steps=500,
        minutes=0.0,
        validate_every=500,
    )
    return replace(recipe, stages=(base, robot))


@pytest.mark.slow
def test_a_policy_learns_to_press_and_pull_what_it_is_told(tmp_path):
    trained = train_recipe(two_tasks(), tmp_path / "run", TrainSettings(quiet=True))
    results = evaluate(benchmark("tabletop", TASKS, 20, seed=7), policy_folder(trained.policy), tmp_path / "eval", show=False)
    controls = results["controls"].values()
    assert results["success"]["rate"] >= 0.6, results["per_task"]
    assert all(control["high"] < results["success"]["low"] for control in controls), results
