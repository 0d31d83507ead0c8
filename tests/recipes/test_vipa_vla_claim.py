"""Variants of VIPA-VLA's claim: what each sees, says and trains, and that all begin with the same first stage."""

import pytest

from praxia.data.supervision import HandMotion, Placebo, SpatialVQA
from praxia.recipes.load import load_claim
from praxia.recipes.vipa_vla_claim import FUSION, PROJECTOR, Budget, claim
from praxia.stages.run_directory import RunDirectory
from praxia.workflows.teachers import check_frozen_nets

NAMES = [v.name for v in claim().variants]


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_trains_what_it_says(name):
    recipe = load_claim("vipa_vla").variant(name).recipe(3)
    stages = {s.name: s for s in recipe.stages}
    encoder = "no encoder" not in name
    assert ("geometry" in stages) == encoder == (recipe.model.geometry is not None) == bool(recipe.model.adapters)
    check_frozen_nets(recipe)
    pretrained = {"no pretraining": [], "no pretraining, longer": [], "questions alone": ["spatial_vqa"], "motions alone": ["hand_motion"]}
    hands = [n for n in ("spatial_vqa", "hand_motion") if n in stages]
    assert hands == pretrained.get(name, ["spatial_vqa", "hand_motion"])
    says = SpatialVQA | HandMotion if name not in ("placebo", "no pretraining, no encoder") else Placebo
    assert all(isinstance(source.supervision, says) for n in hands for source in stages[n].sources)
    robot = stages["robot"]
    assert ((FUSION[0] in robot.trainable) == name.startswith("no pretraining") and encoder) or not encoder
    assert ("adapters" in robot.parts) == encoder and robot.steps >= Budget().robot
    if not encoder:
        assert stages["spatial_vqa"].trainable == PROJECTOR and not any("adapters" in p for s in recipe.stages for p in (*s.trainable, *s.parts))
    assert recipe.model.adapters == () or recipe.model.adapters[0].shuffled == (name == "geometry shuffled")
    assert robot.sources[0].data.seed == 303 and robot.sources[0].data.episodes == Budget().demonstrations


def test_all_variants_share_their_first_stage_and_the_primary_ones_have_equally_many_steps(tmp_path):
    recipes = {name: claim().variant(name).recipe(0) for name in NAMES}
    assert len({RunDirectory(tmp_path, recipe, "", {}).fingerprint("base_vlm") for recipe in recipes.values()}) == 1
    full, both = (recipes[name] for name in claim().primary)
    steps = [{s.name: (s.steps, s.batch) for s in recipe.stages if s.name != "geometry"} for recipe in (full, both)]
    assert steps[0] == steps[1]
    longer, short = recipes["no pretraining, longer"], recipes["no pretraining"]
    assert longer.stages[-1].steps - short.stages[-1].steps == Budget().vqa + Budget().motion
