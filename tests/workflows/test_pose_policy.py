"""A run of Pose-VLA's stages at micro size: replay and co-training run as documented, and what a stage learnt to say can be asked for."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.policy.micro_policy import observation_of
from tests.recipes.micro_recipe import micro

from praxia.cli.main import main
from praxia.data.supervision import ActionChunk, ObjectPoses, Waypoints
from praxia.errors import CheckpointError, ConfigError, ObservationError
from praxia.evaluate.factory import driver
from praxia.models.generate import Answers
from praxia.objectives import FlowMatching, NextToken
from praxia.policy import Policy
from praxia.stages.recipe import Constant, InitFrom, Source, Stage, Weighted
from praxia.tokens.pose_vocabulary import PoseVocabulary
from praxia.train.optimiser import AdamW
from praxia.train.settings import TrainSettings
from praxia.workflows.train_recipe import train_recipe

OBJECTS, WAYPOINTS = ObjectPoses(negatives=0.0, most_tokens=60), Waypoints(count=2, every=3, most_tokens=80)
SEES = ("backbone",)


def recipe(data):
    """1a, 1b with a tenth of 1a again, and actions with waypoints beside them."""
    plain = micro(str(data))
    recorded = plain.stages[0].sources[0].data
    shared = {"steps": 2, "batch": 10, "optimiser": AdamW(lr=1e-3, warmup=1), "validate_every": 2, "validation_batches": 1}
    says = Weighted(NextToken())

    def start(stage):
        return (InitFrom(stage=stage, parts=(("backbone", "backbone"),)),)

    stages = (
        Stage("object_poses", (Source(recorded, OBJECTS),), (says,), parts=SEES, **shared),
        Stage(
            "waypoints", (Source(recorded, WAYPOINTS, weight=0.9), Source(recorded, OBJECTS, weight=0.1)), (says,), parts=SEES,
            init_from=start("object_poses"), **shared,
        ),
        Stage(
            "robot", (Source(recorded, ActionChunk(12), weight=0.5), Source(recorded, WAYPOINTS, weight=0.5)),
            (Weighted(FlowMatching(), Constant(10.0)), says), init_from=start("waypoints"), **shared,
        ),
    )  # fmt: skip
    return replace(plain, model=replace(plain.model, vocabulary=PoseVocabulary(xy=64, z=64, size=16, rotation=36, views=2)), stages=stages)


@pytest.fixture(scope="module")
def run(tabletop_data, tmp_path_factory):
    """Stage by stage: each run's result, by stage."""
    root, settings = tmp_path_factory.mktemp("runs") / "poses", TrainSettings(quiet=True)
    return {stage: train_recipe(recipe(tabletop_data), root, settings, only=stage) for stage in ("object_poses", "waypoints", "robot")}


def test_replay_and_co_training_take_both_kinds_of_samples_in_every_step(run):
    metrics = {stage: trained.results[-1].metrics for stage, trained in run.items()}
    assert {"waypoints/next_token", "object_poses/next_token"} <= set(metrics["waypoints"])
    assert {"waypoints/next_token", "action_chunk/flow_matching"} <= set(metrics["robot"])
    assert all(np.isfinite(value) for found in metrics.values() for name, value in found.items() if "next_token" in name or "flow" in name)
    assembly, stage = run["waypoints"].assembly, run["waypoints"].assembly.recipe.stages[1]
    training, _ = assembly.mixtures(stage, assembly.build(stage))
    assert [(m.supervision, m.batch.size) for m in training.step(0)] == [("waypoints", 9), ("object_poses", 1)]


def test_a_stage_without_actions_leaves_a_folder_that_says_poses_and_refuses_to_act(run, tabletop_source, capsys, monkeypatch):
    folder = run["waypoints"].poses
    assert run["waypoints"].policy is None and folder.name == "poses" and run["robot"].poses is None and run["robot"].policy.name == "policy"
    policy, observation = Policy.load(folder), observation_of(tabletop_source)
    for sent in (observation, {"images": observation["images"]}):
        by_view = policy.objects(sent, "mug")
        assert set(by_view) == {"head", "wrist"}
        for found in by_view.values():
            assert found.boxes.centre.shape == (len(found.certainty), 3) and ((found.certainty > 0) & (found.certainty <= 1)).all()
    with pytest.raises(ObservationError, match="instruction"):
        policy.waypoints({"images": observation["images"]})
    with pytest.raises(CheckpointError, match="ends at stage 'waypoints' and has no action head"):
        policy.session().infer(observation)
    with pytest.raises(CheckpointError, match="cannot act"):
        driver(folder, policy.embodiment)
    for command in ("eval", "serve"):
        monkeypatch.setattr("sys.argv", ["praxia", command, str(folder)])
        with pytest.raises(SystemExit):
            main()
        assert "no action head: it cannot act" in " ".join(capsys.readouterr().err.split())


def says(policy, monkeypatch, *targets):
    """The policy's model answers with the first target that the grammar lets through, each token with probability a half."""
    rows = [policy.tokenizer.encode(policy.config.model.vocabulary.text(target), add_special_tokens=False) for target in targets]

    def fits(grammar, ids):
        return all(grammar(ids[:k]).numbers[ids[k]] for k in range(len(ids)))

    def generate(batch, stop, limit, grammars):
        ids = next(row for row in rows if fits(grammars[0], row))
        assert batch.state is None and batch.size == 1 and len(ids) <= limit
        return Answers(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool), torch.full((1, len(ids)), -np.log(2)))

    monkeypatch.setattr(policy.model, "generate", generate)


def test_what_is_said_comes_as_boxes_and_ways_by_view_and_arm(run, tabletop_source, monkeypatch, capsys):
    policy, observation = Policy.load(run["waypoints"].poses), observation_of(tabletop_source)
    objects, moves = (replace(supervision, most_tokens=512) for supervision in (OBJECTS, WAYPOINTS))
    policy.config = replace(policy.config, taught=tuple(replace(t, says=replace(t.says, most_tokens=512)) for t in policy.config.taught))
    sample = tabletop_source.sample(0, replace(moves.needs, objects=True, masks=True))
    seen = [objects.visible(sample.objects, view) for view in sample.views]
    name = seen[0][0].truth.category
    boxes, way = objects.answer(name, seen, sample.views), moves(sample, np.random.default_rng(0)).target
    says(policy, monkeypatch, boxes, way)
    for view, truths in zip(sample.views, seen, strict=True):
        found = policy.objects(observation, name)[view.role]
        truths = sorted((t for t in truths if t.truth.category == name), key=lambda t: t.T[2, 3])
        np.testing.assert_allclose(found.boxes.centre, np.reshape([t.T[:3, 3] for t in truths], (-1, 3)), atol=0.05)
        np.testing.assert_allclose(found.boxes.size, np.reshape([t.truth.size for t in truths], (-1, 3)), atol=0.05)
        np.testing.assert_allclose(found.certainty, np.full(len(truths), 0.5), rtol=1e-6)
    ways, ((arm, path),) = policy.waypoints(observation), sample.tool_path.items()
    for view in sample.views:
        truth = moves.seen(path, arm, view, sample)
        assert set(ways[view.role]) == (set() if truth is None else {arm})
        if truth is not None:
            np.testing.assert_allclose(ways[view.role][arm].poses[:, :3, 3], truth[1][:, :3, 3], atol=0.05)
            assert ways[view.role][arm].certainty.tolist() == pytest.approx([0.5, 0.5])
    page = (Path(__file__).parents[2] / "docs/pose_vla.md").read_text().split("## Ask for poses")[1]
    names: dict = {}
    exec(re.findall(r"```python\n(.*?)```", page, flags=re.S)[0].replace('"mug"', repr(name)), names)
    monkeypatch.setattr(Policy, "load", lambda folder: policy)
    names["look"](run["waypoints"].poses, observation["images"], observation["instruction"])
    out = capsys.readouterr().out
    assert f"head: the {arm} arm goes from [" in out and "head: a mug of [" in out and "certainty 0.50" in out

    says(policy, monkeypatch, way[: way.index(";") + 1])
    assert policy.waypoints(observation) == {"head": {}, "wrist": {}}, "an arm that is not listed whole is left out"


def test_an_acting_policy_still_says_what_it_was_taught_on_the_way(run, tabletop_source):
    policy = Policy.load(run["robot"].policy)
    observation = observation_of(tabletop_source)
    assert policy.session().infer(observation)["actions"].shape[0] == 12
    assert {type(t.says).__name__ for t in policy.config.taught} == {"ObjectPoses", "Waypoints"}
    assert set(policy.objects(observation, "mug")) == set(policy.waypoints(observation)) == {"head", "wrist"}
    first = Policy.load(run["object_poses"].run.root / "poses")  # overwritten by the stage behind it
    assert first.config.stage == "waypoints"
    untaught = Policy(replace(policy.config, taught=()), policy.model, policy.tokenizer)
    with pytest.raises(ConfigError, match="never taught ObjectPoses; it was taught no poses"):
        untaught.objects(observation, "mug")
