"""PokeVLA from its stages to its policy, micro-sized: the goal token acts, what only teaches is gone, and both are scored and shown."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from praxia.data.batch import Draws
from praxia.data.recorded import Recorded
from praxia.files import read_json
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.readouts import GeometryProjector, TargetMaskDecoder
from praxia.models.vla import VLA
from praxia.objectives import GeometryAlignment, L1Chunk, TargetMask
from praxia.policy import Policy
from praxia.recipes.poke_vla import loss_only, tiny
from praxia.stages.recipe import Teacher
from praxia.stages.weights import POLICY_FILE, read_tensors, write_tensors
from praxia.train.settings import TrainSettings
from praxia.workflows.goal_pictures import goal_facts
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import stage_model, train_recipe

STEPS = 3
NET = TabletopGeometry(width=20, layers=1, heads=2)


def micro(data):
    """`tiny`, narrower, with the stages that the goal token and the teacher need, on recorded data."""
    recipe, recorded = tiny(), Recorded(str(data))
    model = recipe.model
    backbone = replace(
        model.backbone, dino_width=16, dino_layers=2, dino_heads=2, siglip_width=16, siglip_layers=2, siglip_heads=2, siglip_mlp=32, text_width=32,
        text_layers=2, text_heads=2, text_kv_heads=1, text_mlp=32,
    )  # fmt: skip
    readouts = model.readouts | {"target_mask": TargetMaskDecoder(width=16, layers=1, heads=2), "geometry": GeometryProjector(width=NET.width)}
    head = replace(model.head, width=16, layers=1, heads=2)
    _, _, geometry, robot = recipe.stages
    looking = replace(geometry.sources[0], data=recorded)
    geometry = replace(geometry, sources=(looking,), held_out=(looking,), steps=STEPS, minutes=0, batch=4, validate_every=0, shared=False)
    robot = replace(
        robot, sources=(replace(robot.sources[0], data=recorded),), init_from=(), teachers=(Teacher("geometry", NET, "geometry", cached=False),),
        steps=STEPS, minutes=0, batch=8, validate_every=STEPS, validation_batches=1,
    )  # fmt: skip
    return replace(
        recipe, model=replace(model, backbone=backbone, readouts=readouts, head=head, geometry=NET), stages=(geometry, robot), precision="fp32"
    )


@pytest.fixture(scope="module")
def trained(tabletop_data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("praxia.workflows.train_recipe.LOOKED_AT", 12)
        for name in ("goal_scores", "geometry_scores"):
            patch.setattr(f"praxia.workflows.{name}.LEARNT_FROM", 12)
        return train_recipe(micro(tabletop_data), tmp_path_factory.mktemp("poke") / "run", TrainSettings(quiet=True, threads=1))


@pytest.fixture(scope="module")
def robot(trained):
    """The robot stage, its model as trained, and a held-out batch."""
    stage = trained.assembly.recipe.stages[-1]
    model = stage_model(trained, stage)
    _, held_out = trained.assembly.mixtures(stage, model)
    return stage, model, held_out.fixed(1)[0].batch


def test_the_robot_stage_is_scored_on_masks_and_on_alignment_and_the_report_shows_both(trained):
    scores = read_json(trained.run.root / "stages/robot/scores.json")
    for role in ("head", "wrist"):
        assert {f"target_mask/{role}/{name}" for name in ("seen", "out_of_sight")} <= scores.keys()
        assert -1 <= scores[f"geometry_alignment/{role}/centred_cosine"] < scores[f"geometry_alignment/{role}/blind_cosine"] <= 1
    assert scores["target_mask/head/seen"] > 5 and 0 <= scores["target_mask/head/iou"] < 0.5 and scores["target_mask/head/blind_iou"] > 0
    assert trained.results[-1].metrics.items() >= scores.items()
    (facts,) = goal_facts(trained, samples=3)
    assert len(facts.pictures) == 6 and {p.role for p in facts.pictures} == {"head", "wrist"} and facts.pictures[0].truth.shape == (64, 64)
    page = run_report(trained).read_text()
    assert "Target and geometry" in page and "mean IoU where the target is seen" in page and "where the model says it is" in page


def test_the_policy_has_neither_mask_branch_nor_teacher_and_acts_to_the_bit_as_before(trained, robot):
    _, model, batch = robot
    folder = trained.run.root / "policy"
    policy = Policy.load(folder)
    assert not policy.config.model.readouts and policy.config.model.geometry is None
    names = set(read_tensors(folder / POLICY_FILE))
    assert names and not [name for name in names if name.startswith(("readouts.", "geometry."))]
    assert {name for name, _ in model.named_parameters() if name.startswith("readouts.target_mask.")}, "the trained model has them"
    noise = model.head.noise(batch.size, torch.Generator())
    shown = replace(batch, future=None, dense={})
    assert torch.equal(policy.model.sample(shown, noise), model.sample(shown, noise))


def test_a_policy_of_before_the_goal_token_had_a_vector_of_its_own_acts_as_with_none(trained, robot, tmp_path):
    _, model, batch = robot
    folder = shutil.copytree(trained.run.root / "policy", tmp_path / "policy")
    weights = read_tensors(folder / POLICY_FILE)
    assert weights.pop("tokens.special.seg").abs().max() > 0
    write_tensors(folder / POLICY_FILE, weights)
    old = Policy.load(folder).model
    assert not old.tokens.special["seg"].any()
    shown, noise = replace(batch, future=None, dense={}), model.head.noise(batch.size, torch.Generator())
    assert not torch.equal(old.sample(shown, noise), model.sample(shown, noise))


def test_actions_teach_the_goal_token_unless_it_is_for_the_loss_alone(trained, robot):
    stage, model, batch = robot
    seg = model.special_ids["<SEG>"]
    (l1,) = [w.objective for w in stage.objectives if isinstance(w.objective, L1Chunk)]
    (marks,) = [w.objective for w in stage.objectives if isinstance(w.objective, TargetMask)]

    def taught_by(spec, objective, loss):
        torch.manual_seed(0)
        other = VLA(spec, stage.parts, model.special_ids)
        other.backbone.bind(trained.assembly.tokenizer)
        with torch.no_grad():
            for name, gate in other.head.named_parameters():  # gates start at 0
                gate.add_(name.endswith("_gate"))
        objective(other(batch, Draws()), batch, {})[loss][0].backward()
        return float(other.backbone.language.embed_tokens.weight.grad[seg].abs().max())

    assert taught_by(model.spec, l1, "l1_chunk") > 0
    alone = loss_only(model.spec)
    assert alone.order[-3:] == ("queries", "seg", "target")
    assert taught_by(alone, l1, "l1_chunk") == 0.0 and taught_by(alone, marks, "target_focal") > 0


def test_one_token_marks_all_views_and_a_view_where_the_target_is_out_of_sight_is_to_be_empty(robot):
    stage, model, batch = robot
    outputs = model(replace(batch, future=None), Draws())
    assert [g.length for g in outputs.prefix.layout.groups if g.name == "seg"] == [1]
    (scores,) = [w.objective for w in stage.objectives if isinstance(w.objective, TargetMask)]
    logits = outputs.readouts["target_mask"]
    assert logits.shape[:2] == (batch.size, 2)
    silent = replace(outputs, readouts={"target_mask": torch.full_like(logits, -20.0)})
    away = replace(batch, dense=batch.dense | {"target_mask": torch.zeros_like(batch.dense["target_mask"])})
    assert sum(float(total) for total, _ in scores(silent, away, {}).values()) < 1e-6 < sum(float(t) for t, _ in scores(silent, batch, {}).values())
    with torch.no_grad():  # another state of the token is another mask in both views
        states = outputs.prefix.hidden.clone()
        states[:, outputs.prefix.layout.slice("seg")] += 1.0
        other = model.readouts["target_mask"](replace(outputs, prefix=replace(outputs.prefix, hidden=states)), batch)
    moved = (other - logits).abs().amax((0, 2, 3))
    assert bool((moved > 1e-6).all())


def test_the_teacher_sees_both_views_and_is_what_the_stage_before_left(trained, robot):
    stage, model, batch = robot
    (aligns,) = [w.objective for w in stage.objectives if isinstance(w.objective, GeometryAlignment)]
    left = stage_model(trained, trained.assembly.recipe.stages[0]).geometry
    outputs = model(replace(batch, future=None), Draws())
    target = aligns.target(outputs, batch, {"geometry": left})
    assert target.shape == (batch.size, 2, 16, NET.width)
    dark = replace(batch.views, images=(batch.views.images[0], torch.zeros_like(batch.views.images[1])))
    assert not torch.equal(aligns.target(outputs, replace(batch, views=dark), {"geometry": left})[:, 0], target[:, 0]), "one call for all views"
    assert np.isfinite(trained.results[-1].metrics["action_chunk/geometry_alignment"])
