"""Action Priors from states and actions of four robots to policies that drive each of them, on very little data."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from praxia.data.demonstrations import Demonstrations
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import benchmark
from praxia.evaluate.evaluate import evaluate
from praxia.evaluate.factory import driver
from praxia.policy import Policy
from praxia.recipes.action_priors import HORIZON
from praxia.recipes.action_priors_claim import TASKS, Budget
from praxia.recipes.action_priors_claim import claim as action_priors_claim
from praxia.recipes.action_priors_history import with_history
from praxia.recipes.load import load_recipe
from praxia.report.curves import Curve
from praxia.stages.recipe import LinearDecay, Recipe, Stage
from praxia.train.optimiser import AdamW
from praxia.train.settings import TrainSettings
from praxia.workflows import latents
from praxia.workflows.claims import run_claim
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import Trained, train_recipe

SETTINGS = TrainSettings(threads=1, quiet=True)
FADES = {
    "shorter distillation": 60,
    "longer distillation": 200,
    "distillation to the end": 400,
    "prior kept as it is, distillation to the end": 400,
    "prior, full budget": 400,
}  # updates, of a warm-up of 100


def _little(stage: Stage) -> Stage:
    """Two updates on one task and one episode a source."""
    sources = []
    for source in stage.sources:
        assert isinstance(source.data, Demonstrations)
        sources.append(replace(source, data=replace(source.data, tasks=source.data.tasks[-1:], episodes=1, seed=7)))
    return replace(stage, sources=tuple(sources), steps=2, minutes=0.0, batch=8, validate_every=2, validation_batches=1)


def _recipe() -> Recipe:
    """With a history token, as the whole system has it: two passes."""
    recipe = load_recipe("action_priors_history")
    *before, robot = (_little(stage) for stage in recipe.stages)
    return replace(recipe, stages=(*before, replace(robot, optimiser=AdamW(lr=1e-12))))  # the policy is what arrived


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    return train_recipe(_recipe(), tmp_path_factory.mktemp("runs") / "priors", SETTINGS)


def test_stages_share_one_set_of_statistics_and_the_prior_arrives_in_the_policy(trained):
    assert [s.name for s in trained.assembly.recipe.stages] == ["base_vlm", "action_prior", "robot"]
    assert [r.embodiment for r in trained.assembly.robots] == ["arm7", "arm6", "bimanual", "sawyer"]
    prior = trained.results[1].metrics
    assert {name for name in prior if name.startswith("action_error/")} == {f"action_error/{r.embodiment}" for r in trained.assembly.robots}
    assert "state_action_chunk/flow_matching_all_slots" in prior
    taught = load_file(trained.run.root / "stages/action_prior/checkpoints/step_00000002/model.safetensors")
    acts = load_file(trained.policy / "weights.safetensors")
    for part in ("encoder.", "head."):
        names = [name for name in acts if name.startswith(part)]
        assert len(names) > 20 and all(torch.allclose(acts[name], taught[name], atol=1e-6) for name in names)
    robot = trained.results[2].metrics
    assert 0 < robot["action_chunk/latent_alignment"] < 4 and "action_chunk/reconstruction" in robot


def test_every_robot_is_driven_in_its_own_units_with_its_own_views(trained):
    for robot in trained.assembly.robots:
        policy = Policy.load(trained.policy, embodiment=robot.embodiment)
        source = next(s for s in trained.assembly.sources.values() if s.embodiment == robot.embodiment and s.cameras)
        sample = source.sample(0, Needs())
        seen = {"images": {v.role: v.image for v in sample.views}, "state": sample.state, "instruction": sample.instruction, "episode_id": "a"}
        session = policy.session()
        first, second = session.infer(seen), session.infer(seen)
        assert first["actions"].shape == (HORIZON, robot.action.width) and np.isfinite(first["actions"]).all()
        assert (first["history"], second["history"]) == (0, policy.replan)


@pytest.mark.parametrize("name", ["tabletop-arm6", "tabletop-bimanual", "metaworld-8"])
def test_a_benchmark_drives_its_own_robot(trained, tmp_path, name):
    tasks = {"tabletop-arm6": ("press",), "tabletop-bimanual": ("lift_tray",), "metaworld-8": ("drawer-close",)}[name]
    judged = benchmark(name, tasks, 1, world={"size": 64})
    found = evaluate(judged, driver(trained.policy, judged.embodiment), tmp_path, controls=(), workers=0, show=False)
    assert found["success"]["episodes"] == 1


def test_the_report_shows_the_latent(trained, monkeypatch):
    monkeypatch.setattr(latents, "BATCHES", 2)
    page = run_report(trained).read_text()
    assert 'id="latents"' in page and "along the way" in page and "that of another episode" in page and "integration steps" in page
    assert all(robot.embodiment in page for robot in trained.assembly.robots)


def test_a_history_token_needs_the_prior_s_encoder_and_is_given_once():
    for name, fault in (("pose_vla", "no action encoder with a latent query"), ("action_priors_history", "has a history token already")):
        with pytest.raises(ConfigError, match=fault):
            with_history(load_recipe(name))


def test_more_data_for_the_prior_leaves_the_held_out_episodes_alone():
    made = action_priors_claim()
    plain, more = (made.variant(name).recipe(0).stages for name in ("prior", "more data for the prior"))
    own = [source.data for source in plain[-1].sources]
    assert [s.data for s in plain[1].sources] == [replace(data, blind=True) for data in own]
    assert [s.data for s in more[1].sources[::2]] == [s.data for s in plain[1].sources]
    for first, further in zip(more[1].sources[::2], more[1].sources[1::2], strict=True):
        assert further.data.episodes == 3 * first.data.episodes and further.data.seed != first.data.seed


@pytest.mark.slow  # half a minute
def test_pose_vla_takes_the_prior_as_its_head_without_a_change_in_either(tmp_path):
    recipe = load_recipe("examples/pose_vla_with_action_prior.py:my_recipe")
    recipe = replace(recipe, stages=tuple(_little(stage) for stage in recipe.stages))
    trained = train_recipe(recipe, tmp_path / "both", SETTINGS)
    assert [r.name for r in trained.results] == ["base_vlm", "object_poses", "waypoints", "action_prior", "robot"]
    assert {"action_chunk/latent_alignment", "action_chunk/reconstruction", "action_error"} <= trained.results[-1].metrics.keys()
    assert Policy.load(trained.policy).metadata["recipe"] == "pose_vla_with_action_prior"


@pytest.mark.slow
def test_every_variant_of_the_claim_is_trained_and_judged_over_the_robots(tmp_path, monkeypatch):
    budget = Budget(base=1, prior=2, robot=8, scenes=1, demonstrations=1, more=2, episodes=1)
    made = action_priors_claim(budget)
    monkeypatch.setattr("praxia.recipes.action_priors_claim.TASKS", {robot: tasks[-1:] for robot, tasks in TASKS.items()})
    judged = tuple(replace(j, tasks=j.tasks[-1:]) for j in made.judged)
    claim = replace(made, judged=judged[:1] + judged[2:3])
    found = run_claim(
        claim, tmp_path, SETTINGS, names=("prior", "no prior", "language model's blocks", "history as raw numbers"), seeds=1, workers=0, show=False
    )
    assert found["plan"]["tasks"] == ["tabletop: drawer", "tabletop-bimanual: lift_tray"] and found["plan"]["episodes"] == 2
    assert found["primary"]["not_paired"] == [], "all begin with the same base_vlm"
    stages = {row["name"]: [s["name"] for s in row["seeds"]["0"]["stages"]] for row in found["variants"]}
    assert stages["prior"] == ["base_vlm", "action_prior", "robot"] and stages["no prior"] == ["base_vlm", "robot"]
    first = {row["name"]: row["seeds"]["0"]["learning"]["first_losses"]["flow_matching"] for row in found["variants"]}
    assert first["language model's blocks"] > first["no prior"], "a random last layer starts higher than a zero one"
    assert "How the last stage began" in (tmp_path / "claim.md").read_text()


@pytest.mark.parametrize("name", [v.name for v in action_priors_claim().variants])
def test_a_variant_trains_what_it_says(name):
    recipe = action_priors_claim().variant(name).recipe(0)
    robot = recipe.stages[-1]
    scored = {getattr(w.objective, "name", w.objective.kind) for w in robot.objectives}
    handed = {ours for init in robot.init_from for _, ours in init.parts}
    distils = "objective/latent_alignment" in {w.objective.kind for w in robot.objectives}
    assert distils == ("encoder" in handed) == ("reconstruction" in scored)
    assert ("head" in handed) == (name not in ("distillation alone", "language model's blocks") and not name.startswith("no prior"))
    assert robot.passes == (((), ("history",)) if "history" in name else ((),))
    assert ("action_prior" in [s.name for s in recipe.stages]) == ("head" in handed or name == "distillation alone")
    assert recipe.model.encoder.states == (name != "actions alone") and recipe.numbers.past == ("start" if "history" in name else "now")
    assert robot.steps == {"full budget": 1600, "longer": 400 + 750}.get(name.rpartition(", ")[2], 400)
    fading = {w.weight.steps for w in robot.objectives if isinstance(w.weight, LinearDecay)}
    assert fading == ({FADES.get(name, robot.optimiser.warmup if robot.steps > 400 else 100)} if distils else set())


def test_pace_is_told_for_what_the_error_came_down_to():
    curve = Curve(np.array([0, 100, 200]), np.array([0.4, 0.2, 0.12]))
    assert latents.paces(curve) == pytest.approx({0.3: 50, 0.2: 100, 0.15: 162.5}) and latents.paces(None) == {}
