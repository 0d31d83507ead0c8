"""The main job through the command line on a small real dataset: train in stages, resume, judge, describe."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from tests.recipes.micro_recipe import MICRO

from praxia.cli.main import main
from praxia.cli.train import judging
from praxia.errors import ConfigError
from praxia.files import read_json
from praxia.policy import Policy
from praxia.recipes.base_vlm import QUICKSTART_TASKS
from praxia.recipes.load import load_recipe
from praxia.serve import ServeOptions, in_background
from praxia.workflows.assemble import Assembly


@pytest.fixture(scope="module")
def run(tabletop_data, tmp_path_factory) -> Path:
    """A finished run of the micro recipe."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["praxia", "train", MICRO, "--data", str(tabletop_data), "--runs", str(runs), "--threads", "1", "--quiet"])
        main()
    return runs / "micro"


def test_training_leaves_a_policy_that_acts(run, tabletop_source):
    policy = Policy.load(run / "policy")
    assert (policy.config.recipe, policy.config.stage, policy.embodiment, policy.replan) == ("micro", "robot", "arm7", 12)
    assert policy.config.licences == (("tabletop", "Apache-2.0"),) and policy.metadata["versions"]["torch"]
    head = policy.config.model.head
    assert (head.action_width, head.state_width) == (tabletop_source.action_spec.width, tabletop_source.state_spec.width)  # were 0 in the recipe
    numbers, fitted = policy.robot.numbers, tabletop_source.numbers()[0]
    assert np.allclose(numbers.action[0].centre, (np.quantile(fitted, 0.01, 0) + np.quantile(fitted, 0.99, 0)) / 2, atol=1e-6)
    assert {p.name for p in (run / "stages").iterdir()} == {"warm", "robot"}


def test_the_same_command_resumes_and_finished_stages_are_not_trained_again(run, tabletop_data, praxia):
    weights, metrics = (run / "policy/weights.safetensors").read_bytes(), (run / "stages/robot/metrics.jsonl").read_bytes()
    said = praxia("train", MICRO, "--data", tabletop_data, "--runs", run.parent, "--threads", 1, "--quiet")
    assert said.status == 0 and "robot: 4 steps, 32 samples" in said.out and f"praxia eval {run}/policy" in said.out
    assert (run / "policy/weights.safetensors").read_bytes() == weights and (run / "stages/robot/metrics.jsonl").read_bytes() == metrics


def test_another_configuration_in_the_same_folder_is_refused(run, tabletop_data, refused):
    message = refused("train", MICRO, "--data", tabletop_data, "--runs", run.parent, "--quiet", "--stages.robot.batch", 16)
    assert "recipe.stages.1.batch: 16 here, 8 there" in message and "--restart" in message


def test_one_stage_with_overrides_and_its_own_name(run, tabletop_data, praxia, tmp_path):
    arguments = ("train", MICRO, "--data", tabletop_data, "--runs", tmp_path, "--name", "short", "--threads", 1, "--stages.robot.steps", 3)
    said = praxia(*arguments, "--stage", "warm", "--quiet")
    assert said.status == 0 and "warm: 2 steps" in said.out
    assert Policy.load(tmp_path / "short/policy").config.stage == "warm"
    said = praxia(*arguments, "--stage", "robot", "--stages.robot.optimiser.lr=2e-4")
    assert said.status == 2 and "lr: 0.0002 here, 0.001 there" in said.err
    said = praxia(*arguments, "--stage", "robot")
    assert (
        "robot: 3 steps" in said.out
        and "75% from tabletop:action_chunk" in said.out
        and "25% from tabletop:scene_questions" in said.out
        and "short/stages/warm/checkpoints" in said.out
    )


def test_the_line_that_judges_names_the_tasks_that_were_shown(tabletop_source):
    recipe = load_recipe("pose_vla", "tiny")
    assembly = cast(Assembly, SimpleNamespace(recipe=recipe, sources={s.data: tabletop_source for s in recipe.stages[-1].sources}))
    assert judging(assembly) == [("--benchmark", "tabletop", "--tasks", *QUICKSTART_TASKS)]
    recorded = SimpleNamespace(name="libero_goal+libero_10", embodiment="panda")
    elsewhere = SimpleNamespace(name="kitchen", embodiment="panda")
    for shown, told in ((recorded, [("--benchmark", "libero_goal"), ("--benchmark", "libero_10")]), (elsewhere, [])):
        assembly = cast(Assembly, SimpleNamespace(recipe=recipe, sources={s.data: shown for s in recipe.stages[-1].sources}))
        assert judging(assembly) == told


def test_a_stage_before_its_predecessor_is_refused(tabletop_data, refused, tmp_path):
    assert "stage 'warm' has not been trained" in refused("train", MICRO, "--data", tabletop_data, "--runs", tmp_path, "--stage", "robot", "--quiet")


def test_a_dry_run_shows_the_stages_and_writes_nothing(tabletop_data, praxia, tmp_path):
    said = praxia("train", MICRO, "--data", tabletop_data, "--dry-run", "--stages.warm.steps", 712)
    assert said.status == 0 and "flow_matching" in said.out and "712" in said.out
    assert not (tmp_path / "runs").exists()


def test_eval_writes_results_and_does_not_run_again_what_is_there(run, praxia, tmp_path):
    arguments = ("eval", run / "policy", "--tasks", "reach", "push", "--episodes", 1, "--control-episodes", 1, "--workers", 0, "--size", 48)
    said = praxia(*arguments, "--out", tmp_path / "eval", "--json")
    assert said.status == 0, said.err
    results = json.loads(said.out)
    assert results == read_json(tmp_path / "eval/results.json")
    assert set(results["success"]) == {"rate", "low", "high", "episodes"} and results["success"]["episodes"] == 2
    assert set(results["per_task"]) == {"reach", "push"} and set(results["controls"]) == {"instruction_shuffled", "images_blanked"}
    records = (tmp_path / "eval/normal.jsonl").read_bytes()
    again = praxia(*arguments, "--films", "--out", tmp_path / "eval")
    page = (tmp_path / "eval/films.html").read_text()
    assert page.count("<video") == 2 and f"{run.name} on" in page, "an outcome of each task"
    assert again.status == 0 and "reach" in again.out and (tmp_path / "eval/normal.jsonl").read_bytes() == records


def test_two_policies_are_compared_on_one_plan(run, praxia, tmp_path):
    shown = ("--tasks", "reach", "--episodes", 1, "--workers", 0, "--size", 48, "--out", tmp_path / "eval")
    said = praxia("eval", run / "policy", "--against", run / "policy", *shown)
    assert said.status == 0 and "second" in said.out and "McNemar p = 1" in said.out, said.err
    plus = ("--benchmark", "tabletop-plus", "--tasks", "reach", "--episodes", 2, "--categories", "noise", *shown[4:-1], tmp_path / "plus")
    said = praxia("eval", run / "policy", "--against", run / "policy", *plus)
    assert said.status == 0 and "by category of perturbation" in said.out and "noise" in said.out, said.err


def test_policies_that_see_other_pictures_of_libero_are_not_compared(run, refused, monkeypatch):
    seen = iter((({"size": 48}, ""), ({"size": 128, "orientation": "mirrored"}, "")))
    monkeypatch.setattr("praxia.cli.eval.libero_pictures", lambda *_: next(seen))
    said = refused("eval", run / "policy", "--against", run / "policy", "--benchmark", "libero_object")
    assert "--against" in said and "'size': 128" in said and "judge them apart" in said


def test_options_of_libero_reach_its_world_and_no_other(run, refused, monkeypatch):
    for options in (("--fixtures", "fixed"), ("--orientation", "true")):
        assert f"{' '.join(options)} with --benchmark tabletop: only LIBERO's" in refused("eval", run / "policy", *options)

    def told(*arguments):
        raise ConfigError(f"world {arguments[4]}")

    monkeypatch.setattr("praxia.cli.eval.benchmark", told)
    assert "{'size': 48, 'fixtures': 'fixed'}" in refused("eval", run / "policy", "--benchmark", "libero_goal", "--fixtures", "fixed", "--size", 48)


def test_a_served_policy_has_the_results_of_its_folder(run, praxia, refused, tmp_path):
    judged = ("--tasks", "reach", "--episodes", 2, "--no-controls", "--workers", 0, "--size", 48, "--json")
    with in_background(Policy.load(run / "policy"), ServeOptions(port=0)) as server:
        url = f"ws://127.0.0.1:{server.port}"
        assert "give one with --out" in refused("eval", url, *judged)
        served, local = (praxia("eval", policy, *judged, "--out", tmp_path / name) for policy, name in ((url, "there"), (run / "policy", "here")))
    assert served.status == 0, served.err
    there, here = json.loads(served.out), json.loads(local.out)
    assert (there["success"], there["plan"]) == (here["success"], here["plan"])
    records = [[json.loads(line) for line in (tmp_path / name / "normal.jsonl").read_text().splitlines()[1:]] for name in ("there", "here")]
    outcomes = [[(record["success"], record["steps"]) for record in some] for some in records]
    assert outcomes[0] == outcomes[1] and len(outcomes[0]) == 2


def test_a_policy_of_another_robot_is_refused_by_a_benchmark(run, refused):
    assert "ActionSpec mismatch between world 'metaworld'" in refused(
        "eval", run / "policy", "--benchmark", "metaworld-8", "--tasks", "reach", "--episodes", 1, "--workers", 0
    )


def test_datasets_that_mean_different_things_are_never_mixed(tabletop_data, refused, tmp_path):
    other = Path(shutil.copytree(tabletop_data, tmp_path / "other"))
    card = (other / "dataset.yaml").read_text()
    (other / "dataset.yaml").write_text(card.replace("name: dx, unit: m", "name: dx, unit: mm").replace("name: tabletop", "name: other"))
    message = refused("train", MICRO, "--data", tabletop_data, other, "--quiet")
    assert (
        "ActionSpec mismatch" in message and "dim 0 'dx': unit is 'm' in dataset 'tabletop', 'mm' in dataset 'other'" in message and "fix:" in message
    )


def test_two_datasets_of_one_robot_train_together(tabletop_data, praxia, tmp_path):
    other = Path(shutil.copytree(tabletop_data, tmp_path / "other"))
    (other / "dataset.yaml").write_text((other / "dataset.yaml").read_text().replace("name: tabletop", "name: other"))
    said = praxia("train", MICRO, "--data", tabletop_data, other, "--size", 32, "--stage", "warm", "--threads", 1, "--stages.warm.steps", 1)
    assert said.status == 0 and "50% from tabletop:action_chunk" in said.out and "50% from other:action_chunk" in said.out


def test_eval_on_perturbed_episodes_prints_categories_and_levels(run, praxia, refused, tmp_path):
    part = ("--categories", "camera", "language", "--levels", 2, 5, "--tasks", "reach", "--episodes", 6)
    arguments = (
        "eval",
        run / "policy",
        "--benchmark",
        "tabletop-plus",
        *part,
        "--no-controls",
        "--workers",
        0,
        "--size",
        48,
        "--out",
        tmp_path / "eval",
    )
    results = json.loads(praxia(*arguments, "--json").out)
    assert results["plan"]["name"] == "tabletop-plus, camera language, levels 2 5, 6 of 30 episodes a task, evenly drawn"
    assert set(results["perturbed"]["per_category"]) == {"camera", "language"} and results["perturbed"]["unperturbed"]["episodes"] == 2
    said = praxia(*arguments)
    assert said.status == 0 and "evenly drawn" in said.out and "level 5" in said.out and "Total, weighted" in said.out
    message = refused("eval", run / "policy", "--benchmark", "tabletop-plus", "--categories", "lihgt", "--workers", 0)
    assert "did you mean 'light'" in message
