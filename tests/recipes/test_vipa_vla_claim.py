"""Variants of VIPA-VLA's claim: what each sees, says and trains, and that all begin with the same first stage."""

from dataclasses import replace

import pytest

from praxia.data.supervision import HandMotion, Placebo, SpatialVQA
from praxia.errors import ConfigError
from praxia.recipes.load import load_claim
from praxia.recipes.vipa_vla import ENCODER
from praxia.recipes.vipa_vla_claim import FUSION, PROJECTOR, Budget, claim
from praxia.registry import to_json
from praxia.stages.run_directory import RunDirectory, differences
from praxia.workflows.teachers import check_frozen_nets

NAMES = [v.name for v in claim().variants]


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_trains_what_it_says(name):
    recipe = load_claim("vipa_vla").variant(name).recipe(3)
    stages = {s.name: s for s in recipe.stages}
    encoder = "no encoder" not in name and name != "never asked"
    assert ("geometry" in stages) == encoder == (recipe.model.geometry is not None) == bool(recipe.model.adapters)
    check_frozen_nets(recipe)
    pretrained = {"no pretraining": [], "no pretraining, longer": [], "questions alone": ["spatial_vqa"], "motions alone": ["hand_motion"]}
    hands = [n for n in ("spatial_vqa", "hand_motion") if n in stages]
    assert hands == pretrained.get(name, ["spatial_vqa", "hand_motion"])
    says = SpatialVQA | HandMotion if name not in ("placebo", "no pretraining, no encoder", "never asked") else Placebo
    assert all(isinstance(source.supervision, says) for n in hands for source in stages[n].sources)
    by_net = {n: [s.data.stage for s in (*stages[n].sources, *stages[n].held_out)] for n in hands}
    assert by_net.get("spatial_vqa", ["", ""]) == ["geometry" * name.startswith("labels"), ""], "what is looked at keeps its exact labels"
    assert by_net.get("hand_motion", ["", ""]) == ["", ""]
    if "spatial_vqa" in stages:
        assert stages["spatial_vqa"].sources[0].data.rules.calibrate == (name != "labels of a net, calibration off")
    robot = stages["robot"]
    assert ((FUSION[0] in robot.trainable) == name.startswith("no pretraining") and encoder) or not encoder
    assert ("adapters" in robot.parts) == encoder and robot.steps >= Budget().robot
    if not encoder:
        assert stages["spatial_vqa"].trainable == PROJECTOR and not any("adapters" in p for s in recipe.stages for p in (*s.trainable, *s.parts))
    assert recipe.model.adapters == () or recipe.model.adapters[0].shuffled == (name == "geometry shuffled")
    assert robot.sources[0].data.seed == 303 and robot.sources[0].data.episodes == Budget().demonstrations


def test_all_variants_share_their_first_stage_and_the_primary_ones_have_equally_many_steps(tmp_path):
    recipes = {name: claim().variant(name).recipe(0) for name in NAMES}
    starts = {name: RunDirectory(tmp_path, recipe, "", {}).fingerprint("base_vlm") for name, recipe in recipes.items()}
    assert len({start for name, start in starts.items() if name != "never asked"}) == 1 != len(set(starts.values()))
    asked = [name for name, r in recipes.items() if any(isinstance(s.supervision, SpatialVQA) for s in r.stages[0].sources)]
    assert set(NAMES) - set(asked) == {"never asked"}
    assert "has answered 8,000 metric questions about hands, 12,800 more" in claim().statement, "1,000 and 400 updates of 32, a quarter and all of it"
    full, both = (recipes[name] for name in claim().primary)
    steps = [{s.name: (s.steps, s.batch) for s in recipe.stages if s.name != "geometry"} for recipe in (full, both)]
    assert steps[0] == steps[1]
    longer, short = recipes["no pretraining, longer"], recipes["no pretraining"]
    assert longer.stages[-1].steps - short.stages[-1].steps == Budget().vqa + Budget().motion


def test_the_two_variants_labelled_through_a_net_differ_in_calibration_alone():
    on, off = (claim().variant(f"labels of a net, {name}").recipe(1) for name in ("calibrated", "calibration off"))
    gaps = list(differences(to_json(on), to_json(off)))
    assert len(gaps) == 1 and "rules.calibrate: true here, false there" in gaps[0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"net": replace(ENCODER, width=48)}, "give both the same spec"),
        ({"stage": ""}, "would have random weights"),
        ({"stage": "base_vlm"}, "no geometry net"),
    ],
)
def test_a_net_that_labels_must_have_weights_before_work_begins(fields, said):
    recipe = claim().variant("labels of a net, calibrated").recipe(0)
    stage = next(s for s in recipe.stages if s.name == "spatial_vqa")
    wrong = replace(stage, sources=(replace(stage.sources[0], data=replace(stage.sources[0].data, **fields)),))
    stages = tuple(wrong if s is stage else s for s in recipe.stages)
    with pytest.raises(ConfigError, match=f"the net that labels its data.*{said}"):
        check_frozen_nets(replace(recipe, stages=stages))
