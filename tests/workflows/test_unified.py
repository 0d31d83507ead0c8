"""The unified recipe: every part it takes from the others is there, learns, and a policy that acts comes out."""

from dataclasses import replace

import pytest

from praxia.data.recorded import Recorded
from praxia.data.supervision import SceneGeometry
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.policy import Policy
from praxia.recipes.load import load_claim, load_recipe
from praxia.recipes.unified import ACTS, tiny
from praxia.stages.recipe import Stage
from praxia.train.settings import TrainSettings
from praxia.workflows.describe import describe
from praxia.workflows.teachers import check_frozen_nets
from praxia.workflows.train_recipe import train_recipe


def short(stage: Stage, tabletop: str) -> Stage:
    data = Recorded(tabletop, blind=stage.name == "action_prior")
    sources = tuple(replace(s, data=data) for s in stage.sources[:2])
    if stage.name == "action_prior":
        sources = sources[:1]
    if isinstance(stage.sources[0].supervision, SceneGeometry):
        sources = tuple(replace(s, supervision=SceneGeometry(("head", "wrist"))) for s in sources)
    return replace(stage, sources=sources, held_out=(), steps=4, minutes=0.0, batch=4, cycle=1, shared=False, validate_every=0)


def test_every_part_learns_and_the_policy_acts(tabletop_data, tmp_path):
    recipe = tiny()
    recipe = replace(recipe, stages=tuple(short(s, str(tabletop_data)) for s in recipe.stages), precision="fp32")
    check_frozen_nets(recipe)
    trained = train_recipe(recipe, tmp_path / "run", TrainSettings(quiet=True, threads=1))
    curves = trained.run.stage("robot").metrics.read_text()
    policy = Policy.load(trained.policy)
    source = next(iter(trained.assembly.sources.values()))
    sample = source.sample(0, Needs(depth=True))
    images = {v.role: v.image for v in sample.views}
    observation = {"images": images, "state": sample.state, "instruction": sample.instruction}
    observation |= {"depth": {v.role: v.depth for v in sample.views}, "cameras": {v.role: {"K": v.camera.K} for v in sample.views}}
    assert policy.session().infer(observation)["actions"].shape == (15, policy.action_spec.width)
    assert policy.model.geometry is None and policy.model.encoder is None
    assert [r.name for r in trained.results] == ["base_vlm", "action_prior", "geometry", "robot"]
    learnt = ("flow_matching", "latent_alignment", "reconstruction", "target_focal", "geometry_alignment", "positions", "grounding_words")
    assert [name for name in learnt if f'"{name}"' not in curves] == []


def test_it_has_the_parts_of_the_others_in_both_presets():
    for preset in ("tiny", "paper"):
        recipe = load_recipe("unified", preset)
        last = recipe.stages[-1]
        scored = {w.objective.kind.split("/")[-1] for w in last.objectives}
        assert {"flow_matching", "latent_alignment", "target_mask", "geometry_alignment"} <= scored and last.parts == ACTS
        assert {"seg", "q"} <= {t.name for t in recipe.model.tokens} and recipe.model.adapters and recipe.model.encoder
        assert "action_prior" in {init.stage for init in last.init_from}
    with pytest.raises(ConfigError, match="has no claim; these have one: pose_vla, action_priors"):
        load_claim("unified")
    modules = describe(replace(tiny(), stages=tiny().stages[:1]))["parameters"]["by_module"]
    assert {"backbone", "adapters", "tokens", "encoder", "conditioner", "head", "readouts", "geometry"} <= set(modules)
