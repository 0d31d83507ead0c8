import json
from dataclasses import replace

import pytest
import torch

from praxia.annotate.hands import HandClips
from praxia.data.supervision import SpatialVQA
from praxia.errors import ConfigError
from praxia.files import write_text
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
from praxia.objectives import FlowMatching, NextToken
from praxia.stages.recipe import InitFrom, Recipe, Source, Stage, Teacher, Weighted
from praxia.stages.run_directory import RunDirectory, StageResult
from praxia.stages.weights import write_tensors
from praxia.train.optimiser import AdamW

WORDS = Stage("words", (), (Weighted(NextToken()),), steps=10, batch=4, optimiser=AdamW(), parts=("backbone",))
ROBOT = Stage("robot", (), (Weighted(FlowMatching()),), steps=10, batch=4, optimiser=AdamW(), init_from=(InitFrom(stage="words"),))
RECIPE = Recipe("mine", ModelSpec(backbone=PaliGemma(), head=JointFlow()), (WORDS, ROBOT))
RESULT = StageResult("words", 1.5, 40, 10, {"loss": 0.5}, "checkpoints/step_00000010")


def changed(**fields) -> Recipe:
    return replace(RECIPE, stages=(replace(WORDS, **fields), ROBOT))


def test_the_same_recipe_goes_on_and_another_is_refused_with_the_fields_that_differ(tmp_path):
    RunDirectory.open(tmp_path, RECIPE)
    RunDirectory.open(tmp_path, RECIPE)
    with pytest.raises(ConfigError, match=r"(?s)recipe\.stages\.0\.batch: 8 here, 4 there.*--name.*--restart"):
        RunDirectory.open(tmp_path, changed(batch=8))
    with pytest.raises(ConfigError, match='vocabulary: "abc" here, "" there'):
        RunDirectory.open(tmp_path, RECIPE, vocabulary="abc")


def test_restart_forgets_what_was_there(tmp_path):
    RunDirectory.open(tmp_path, RECIPE).stage("words").finish(RESULT)
    for name in ("policy/policy.json", "eval/normal.jsonl", "summary.json", "report.html", "notes.txt"):
        write_text(tmp_path / name, "of the earlier run")
    run = RunDirectory.open(tmp_path, changed(batch=8), restart=True)
    assert run.stage("words").result() is None
    assert json.loads((tmp_path / "config.json").read_text())["recipe"]["stages"][0]["batch"] == 8
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "stages", "notes.txt"}


def test_a_finished_stage_is_known_by_its_configuration_and_inputs(tmp_path):
    run = RunDirectory.open(tmp_path, RECIPE, inputs={"words": "data 1"})
    run.stage("words").finish(RESULT)
    assert run.stage("words").result() == RESULT
    assert run.finished_checkpoint("words") == tmp_path / "stages/words/checkpoints/step_00000010"
    with pytest.raises(ConfigError, match="finished with another configuration or other inputs"):
        RunDirectory.open(tmp_path, RECIPE, inputs={"words": "data 2"}).stage("words").result()


def test_a_fingerprint_follows_what_decides_the_outcome_and_nothing_else(tmp_path):
    def prints(recipe: Recipe) -> tuple[str, str]:
        run = RunDirectory(tmp_path, recipe)
        return run.fingerprint("words"), run.fingerprint("robot")

    words, robot = prints(RECIPE)
    assert prints(replace(RECIPE, replan=4)) == (words, robot)
    other_words, other_robot = prints(changed(batch=8))
    assert other_words != words and other_robot != robot  # robot starts from words
    other_words, other_robot = prints(replace(RECIPE, model=replace(RECIPE.model, head=JointFlow(horizon=8))))
    assert other_words == words and other_robot != robot  # words does not build the head


def test_a_stage_waits_for_what_it_learns_from_or_is_labelled_through(tmp_path):
    """Another net teaches and labels otherwise, though nothing starts from its weights."""
    net = TabletopGeometry(width=20, layers=1, heads=2)
    shape = replace(WORDS, name="shape", parts=("geometry",))
    data = Source(HandClips(net=net, stage="shape"), SpatialVQA())
    for waits in ({"teachers": (Teacher("net", net, stage="shape"),)}, {"sources": (data,)}, {"held_out": (data,)}):
        robot = replace(ROBOT, init_from=(), **waits)
        recipes = [replace(RECIPE, stages=(replace(shape, batch=batch), robot)) for batch in (4, 8)]
        prints = [RunDirectory(tmp_path, recipe).fingerprint("robot") for recipe in recipes]
        assert robot.waits_for == ("shape",) and prints[0] != prints[1]
        with pytest.raises(ConfigError, match="earlier stage"):
            replace(RECIPE, stages=(robot, shape))


def test_the_weights_a_stage_starts_from_count_by_content(tmp_path):
    recipe = replace(RECIPE, stages=(replace(ROBOT, init_from=(InitFrom(checkpoint=str(tmp_path / "base")),)),))
    with pytest.raises(ConfigError, match="holds no weights"):
        RunDirectory(tmp_path, recipe).fingerprint("robot")
    (tmp_path / "base").mkdir()
    prints = []
    for value in (0.0, 1.0):
        write_tensors(tmp_path / "base/weights.safetensors", {"w": torch.full((3,), value)})
        prints.append(RunDirectory(tmp_path, recipe).fingerprint("robot"))
    assert prints[0] != prints[1]


def test_an_unknown_stage_and_one_not_yet_trained_say_what_to_do(tmp_path):
    run = RunDirectory.open(tmp_path, RECIPE)
    with pytest.raises(ConfigError, match="unknown stage 'word'; did you mean 'words'"):
        run.stage("word")
    with pytest.raises(ConfigError, match=r"(?s)'words' has not been trained.*--stage words"):
        run.finished_checkpoint("words")
