"""The built-in tiny recipe learns actions from datasets that lack what the embedded worlds have, and its policy asks for what was there."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from praxia.data.card import read_card, write_card
from praxia.data.recorded import Recorded
from praxia.data.supervision import SceneGrounding
from praxia.data.supervision.supervision import Needs
from praxia.errors import ObservationError
from praxia.policy import Policy
from praxia.recipes import action_priors
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Source, Stage
from praxia.train.settings import TrainSettings
from praxia.workflows.own_data import with_data
from praxia.workflows.train_recipe import train_recipe

BARE = {"depth": "", "mask": "", "intrinsics": "", "extrinsics": ""}
CASES = {
    "everything": ({}, ("head", "wrist"), {"depth/head", "depth/wrist", "cameras/head", "cameras/wrist"}),
    "no depth": ({"depth": ""}, ("head", "wrist"), {"cameras/head", "cameras/wrist"}),
    "K without pose": ({"depth": "", "extrinsics": ""}, ("head", "wrist"), {"cameras/head", "cameras/wrist"}),
    "one bare camera": (BARE, ("head",), set()),
}


def test_stages_before_look_at_another_robot_than_the_one_that_acts(tabletop_data, tmp_path):
    """`praxia train action_priors --data OTHER_ROBOT`: still scenes are of tabletop's arm, which the policy does not know."""
    root = shutil.copytree(tabletop_data, tmp_path / "data")
    write_card(root, replace(read_card(root), embodiment="other"))

    def short(stage: Stage) -> Stage:
        return replace(stage, steps=2, minutes=0.0, batch=4, cycle=1, shared=False, validate_every=2, validation_batches=1)

    recipe = with_data(action_priors.tiny(), [str(root)])
    scenes = Source(Recorded(str(tabletop_data)), SceneGrounding())
    stages = (replace(recipe.stages[0], sources=(scenes,), objectives=recipe.stages[0].objectives[:1]), *recipe.stages[1:])
    trained = train_recipe(replace(recipe, stages=tuple(map(short, stages))), tmp_path / "run", TrainSettings(threads=1, quiet=True))
    assert trained.assembly.model.embodiments == ("other",) and Policy.load(trained.policy).robot.embodiment == "other"


@pytest.mark.parametrize("case", CASES)
def test_it_trains_and_its_policy_asks_for_what_was_always_there(tabletop_data, tmp_path, case):
    changes, roles, given = CASES[case]
    root = shutil.copytree(tabletop_data, tmp_path / "data")
    card = read_card(root)
    write_card(root, replace(card, views=tuple(replace(v, **changes) for v in card.views if v.role in roles)))
    robot = replace(tiny().stages[-1], init_from=(), steps=2, minutes=0.0, batch=4, validate_every=2, validation_batches=1)
    recipe = with_data(replace(tiny(), stages=(robot,)), [str(root)])
    trained = train_recipe(recipe, tmp_path / "run", TrainSettings(threads=1, quiet=True))
    policy = Policy.load(trained.policy)
    assert policy.robot.given == dict.fromkeys(given, "always")
    assert policy.needs_depth == any(name.startswith("depth") for name in given)
    assert policy.needs_calibration == any(name.startswith("cameras") for name in given)

    (source,) = trained.assembly.sources.values()
    sample = source.sample(0, Needs(depth=True))
    seen = {"images": {v.role: v.image for v in sample.views}, "state": sample.state, "instruction": sample.instruction}
    whole = seen | {group: {} for group in ("depth", "cameras")}
    for view in sample.views:
        if f"depth/{view.role}" in given:
            whole["depth"][view.role] = view.depth
        if f"cameras/{view.role}" in given:
            whole["cameras"][view.role] = {"K": view.camera.K if view.camera else _intrinsics(tabletop_data)}
    assert np.isfinite(policy.session().infer(whole)["actions"]).all()
    if given:
        with pytest.raises(ObservationError, match="is missing: this policy was trained with"):
            policy.session().infer(seen)
    else:
        more = whole | {"cameras": {"head": {"K": _intrinsics(tabletop_data)}}, "depth": {"head": np.ones((64, 64), np.float32)}}
        assert np.array_equal(policy.session().infer(more)["actions"], policy.session().infer(seen)["actions"]), (
            "what it never saw is not shown to it"
        )


def _intrinsics(root):
    return Recorded(str(root)).open().sample(0, Needs()).views[0].camera.K
