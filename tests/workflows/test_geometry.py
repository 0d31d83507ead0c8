"""A geometry net from its recipe to its folder, its report and its use as a teacher; micro size, real data and training."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from tests.recipes.micro_recipe import micro

from praxia.cli.annotate import main as annotate
from praxia.data.recorded import Recorded
from praxia.data.supervision import ActionChunk, SceneGeometry
from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json, write_json
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.geometry_nets.vggt.vggt import VGGT
from praxia.models.readouts import GeometryProjector
from praxia.models.spec import ModelSpec
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.objectives import FlowMatching, GeometryAlignment, ReconstructionLoss
from praxia.policy import Policy
from praxia.policy.net_catalogue import net_licences, net_spec
from praxia.recipes import tabletop_geometry
from praxia.stages.recipe import InitFrom, Recipe, Source, Stage, Teacher, Weighted
from praxia.train.optimiser import AdamW
from praxia.train.settings import TrainSettings
from praxia.workflows.annotate_features import annotate_features
from praxia.workflows.describe import describe
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import stage_model, train_recipe

NET = TabletopGeometry(image_size=32, patch_size=8, width=32, layers=1, heads=2, mlp_ratio=1.5)
QUIET = TrainSettings(quiet=True, threads=1)


def seeing(data, steps: int = 350) -> Stage:
    source = Source(Recorded(str(data)), SceneGeometry(("head", "wrist")))
    return Stage(
        "geometry",
        (source,),
        (Weighted(ReconstructionLoss()),),
        steps=steps,
        batch=8,
        optimiser=AdamW(lr=4e-3, warmup=10),
        parts=("geometry",),
        held_out=(source,),
        validate_every=steps,
        validation_batches=2,
    )


@pytest.fixture(scope="module")
def trained(tabletop_data, tmp_path_factory):
    """A net that has learnt a few scenes by heart."""
    recipe = Recipe("seeing", ModelSpec(geometry=NET), (seeing(tabletop_data),), precision="fp32")
    return train_recipe(recipe, tmp_path_factory.mktemp("runs") / "seeing", QUIET)


def test_pictures_of_several_robots_stand_in_one_batch(tabletop_data, hand_clips, tmp_path):
    """A net is shown them alike, though one robot has 17 numbers and hands have 170."""
    sources = tuple(Source(Recorded(str(data)), SceneGeometry(("head",)), weight=0.5) for data in (tabletop_data, hand_clips))
    stage = replace(seeing(tabletop_data, 2), sources=sources, validate_every=0)
    train_recipe(Recipe("both", ModelSpec(geometry=NET), stages=(stage,)), tmp_path / "run", QUIET)
    assert read_json(tmp_path / "run" / "summary.json")["stages"][-1]["steps"] == 2


def test_it_learns_depth_better_than_a_predictor_that_does_not_look(trained):
    scores = trained.results[0].metrics
    # the wrist's depth changes with the arm: its mean is no answer
    assert scores["geometry/wrist/abs_rel"] < 0.9 * scores["geometry/wrist/blind_abs_rel"]
    assert scores["geometry/head/abs_rel"] < 0.08
    assert scores["geometry/wrist/rotation_deg"] < 20 and scores["geometry/wrist/points_cm"] < 12
    assert read_json(trained.run.stage("geometry").scores) == {k: v for k, v in scores.items() if k.startswith("geometry/")}


def test_its_folder_gives_the_same_net_back_with_licences(trained):
    spec = net_spec(str(trained.geometry))
    assert spec == replace(NET, checkpoint=str(trained.geometry))
    model = stage_model(trained, trained.assembly.recipe.stages[0])
    pixels = torch.randn(1, 2, 3, 32, 32)
    assert torch.equal(pretrained(spec)(pixels)[0], model.geometry(pixels)[0])
    facts = read_json(trained.geometry / "geometry.json")
    assert ["tabletop", "Apache-2.0"] in facts["licences"] and facts["versions"]["praxia"]


def test_a_folder_of_another_net_or_none_is_refused(trained, tmp_path):
    with pytest.raises(CheckpointError, match="width is 32, the spec says 64"):
        pretrained(replace(NET, width=64, checkpoint=str(trained.geometry)))
    with pytest.raises(CheckpointError, match="praxia train tabletop_geometry"):
        pretrained(replace(NET, checkpoint=str(tmp_path)))
    with pytest.raises(ConfigError, match="random weights knows nothing"):
        pretrained(NET)
    with pytest.raises(ConfigError, match="did you mean 'vggt'"):
        net_spec("vgtt")


def test_views_in_any_number_and_no_memory(trained):
    net = pretrained(net_spec(str(trained.geometry)))
    for views in (1, 3):
        made = net.reconstruct(torch.randn(2, views, 3, 32, 32))
        assert made.depth.shape == (2, views, 32, 32) and made.points.shape == (2, views, 32, 32, 3) and made.state is None
        turn = made.T_first_cam[..., :3, :3]
        assert torch.allclose(turn @ turn.mT, torch.eye(3).expand_as(turn), atol=1e-5) and torch.allclose(
            torch.linalg.det(turn), torch.ones(2, views)
        )
    with pytest.raises(ConfigError, match="no memory"):
        net.reconstruct(torch.randn(1, 1, 3, 32, 32), state=1)
    with pytest.raises(ConfigError, match="squares of 32"):
        net(torch.randn(1, 1, 3, 48, 48))


def test_the_report_shows_what_it_sees(trained):
    text = run_report(trained).read_text()
    assert 'id="result"' not in text and 'id="rollouts"' not in text, "there is no policy to judge"
    assert 'id="geometry"' in text and "depth, AbsRel" in text and "without looking" in text and "median error of depth: head" in text


@pytest.mark.parametrize("cached", [True, False])
def test_a_stage_learns_from_a_teacher_that_an_earlier_stage_trained(tabletop_data, tmp_path, cached, capsys):
    recipe = micro(str(tabletop_data))
    source = Source(Recorded(str(tabletop_data)), ActionChunk(12))
    aligning = replace(
        recipe.stages[0],
        name="robot",
        sources=(source,),
        objectives=(Weighted(FlowMatching()), Weighted(GeometryAlignment())),
        teachers=(Teacher("geometry", NET, stage="geometry", cached=cached),),
        steps=6,
        validate_every=6,
        validation_batches=1,
    )
    model = replace(recipe.model, geometry=NET, readouts={"geometry": GeometryProjector(width=NET.width)})
    aligning = replace(aligning, parts=("backbone", "head", "readouts"))
    run = train_recipe(replace(recipe, model=model, stages=(seeing(tabletop_data, 2), aligning)), tmp_path / "run", QUIET)
    said = capsys.readouterr().out
    assert ("read from the cache" in said) == cached
    assert run.results[1].metrics["action_chunk/geometry_alignment"] > 0
    assert run.policy is not None and not any("geometry_nets" in name or name.startswith("geometry.") for name in _weights(run.policy))


def _weights(policy):
    with safe_open(policy / "weights.safetensors", "pt") as file:
        return list(file.keys())


def test_annotating_fills_the_cache_that_training_reads(trained, tabletop_data):
    first = annotate_features(tabletop_data, str(trained.geometry), precision="fp32")
    again = annotate_features(tabletop_data, str(trained.geometry), precision="fp32")
    assert first.counts.misses == first.samples == again.counts.hits and first.folder == again.folder
    with pytest.raises(ConfigError, match=r"vggt \(cc-by-nc-4.0\): not for commercial use; use vggt-commercial"):
        annotate_features(tabletop_data, "vggt", license_policy="commercial")


def test_a_run_refuses_a_teacher_whose_licence_does_not_fit(tabletop_data, tmp_path):
    recipe = micro(str(tabletop_data))
    taught = replace(recipe.stages[0], teachers=(Teacher("geometry", VGGT.public()),))
    with pytest.raises(ConfigError, match="vggt.*not for commercial use"):
        train_recipe(replace(recipe, stages=(taught,)), tmp_path / "run", QUIET, license_policy="commercial")
    assert not (tmp_path / "run").exists(), "nothing was begun"


def test_a_frozen_net_without_weights_is_said_before_data_is_made(tmp_path):
    recipe = micro(str(tmp_path / "no such dataset"))
    fusing = replace(recipe, model=replace(recipe.model, adapters=(GeometryFusion(encoder=NET, heads=4),)))
    with pytest.raises(ConfigError, match=r"stage 'warm': the frozen encoder of adapter 0 \(TabletopGeometry\) would have random weights"):
        train_recipe(fusing, tmp_path / "run", QUIET)
    first, robot = seeing(tmp_path), recipe.stages[0]
    for stages, geometry, message in (
        ((replace(robot, teachers=(Teacher("geometry", NET),)),), None, "teacher 'geometry' .* random weights"),
        ((first, replace(robot, teachers=(Teacher("geometry", NET, stage="geometry"),))), None, "stage 'geometry' trains no geometry net"),
        ((first, replace(robot, teachers=(Teacher("geometry", NET, stage="geometry"),))), replace(NET, width=64), "give both the same spec"),
    ):
        with pytest.raises(ConfigError, match=message):
            train_recipe(replace(recipe, model=replace(recipe.model, geometry=geometry), stages=stages), tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_what_a_net_was_only_looked_at_with_is_no_ingredient(tabletop_data, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tabletop_data, other)
    card = (other / "dataset.yaml").read_text()
    (other / "dataset.yaml").write_text(card.replace("name: tabletop", "name: looked_at"))
    stage = replace(seeing(tabletop_data, 1), held_out=(Source(Recorded(str(other)), SceneGeometry(("head", "wrist"))),))
    run = train_recipe(Recipe("seeing", ModelSpec(geometry=NET), (stage,), precision="fp32"), tmp_path / "run", QUIET)
    assert "looked_at" not in (run.geometry / "geometry.json").read_text()


def test_the_recipe_is_as_its_page_says():
    facts = describe(tabletop_geometry.tiny())
    assert facts["parameters"]["total"] < 10e6 and facts["flops_per_sample"]["geometry"] > 0
    (stage,) = tabletop_geometry.tiny().stages
    learnt, looked = stage.sources[0].data, stage.held_out[0].data
    assert (learnt.world_args["split"], looked.world_args["split"]) == ("pretrain", "benchmark") and stage.minutes <= 20
    with pytest.raises(ConfigError, match="VGGT and CUT3R"):
        tabletop_geometry.paper()


def test_a_trained_net_becomes_a_frozen_encoder_that_stays_in_the_policy(tabletop_data, tmp_path):
    recipe = micro(str(tabletop_data))
    fusing = replace(
        recipe.stages[0],
        name="robot",
        parts=("backbone", "adapters", "head"),
        frozen=("adapters.0.encoder.*",),
        init_from=(InitFrom(stage="geometry", parts=(("geometry", "adapters.0.encoder"),)),),
        steps=3,
    )
    model = replace(recipe.model, geometry=NET, adapters=(GeometryFusion(encoder=NET, heads=4),))
    run = train_recipe(replace(recipe, model=model, stages=(seeing(tabletop_data, 2), fusing)), tmp_path / "run", QUIET)
    net, policy = pretrained(net_spec(str(run.geometry))), Policy.load(run.policy)
    kept = policy.model.adapters[0].encoder.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in net.state_dict().items())
    licences = policy.metadata["licences"]
    assert licences["geometry net tabletop"] == "apache-2.0" and licences["tabletop"] == "Apache-2.0"


def test_an_encoder_whose_spec_names_weights_has_them_from_the_first_step(trained, tabletop_data, tmp_path):
    recipe, spec = micro(str(tabletop_data)), net_spec(str(trained.geometry))
    model = replace(recipe.model, adapters=(GeometryFusion(encoder=spec, heads=4),))
    fusing = replace(recipe.stages[0], parts=("backbone", "adapters", "head"), frozen=("adapters.0.encoder.*",), steps=1)
    run = train_recipe(replace(recipe, model=model, stages=(fusing,)), tmp_path / "run", QUIET)
    kept, net = Policy.load(run.policy).model.adapters[0].encoder.state_dict(), pretrained(spec)
    assert all(torch.equal(kept[name], value) for name, value in net.state_dict().items())


def test_licences_of_what_a_net_learnt_from_travel_with_it(trained, tabletop_data, tmp_path):
    folder = tmp_path / "net"
    shutil.copytree(trained.geometry, folder)
    facts = read_json(folder / "geometry.json")
    write_json(folder / "geometry.json", facts | {"licences": [["their scenes", "cc-by-nc-4.0"]]})
    with pytest.raises(ConfigError, match=r"their scenes \(cc-by-nc-4.0\): not for commercial use"):
        annotate_features(tabletop_data, str(folder), license_policy="commercial")
    recipe = micro(str(tabletop_data))
    taught = replace(recipe.stages[0], teachers=(Teacher("geometry", net_spec(str(folder))),))
    with pytest.raises(ConfigError, match="their scenes"):
        train_recipe(replace(recipe, stages=(taught,)), tmp_path / "run", QUIET, license_policy="commercial")


def test_weights_of_a_public_name_keep_its_licence():
    assert net_spec("vggt-commercial", "facebook/VGGT-1B").licence == "cc-by-nc-4.0"
    with pytest.raises(ConfigError, match="its publisher says 'cc-by-nc-4.0'"):
        net_licences(VGGT(checkpoint="facebook/VGGT-1B", licence="mit"))


def test_annotate_prints_json(trained, tabletop_data, capsys):
    annotate(["features", str(tabletop_data), "--net", str(trained.geometry), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["hits"] + said["misses"] == said["samples"] > 0
