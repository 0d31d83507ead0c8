"""Slots: three views whatever a robot has, in training, in answers and at serving."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxia.data.collate import view_batch
from praxia.data.sample_transforms import CentreCrop, Slots, without_chance
from praxia.data.supervision import Waypoints
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.models.vision.ray_depth import canvas_depth, canvas_rays
from praxia.recipes.pose_vla import paper
from praxia.registry import from_json, to_json
from praxia.specs import ImageSpec
from praxia.stages.recipe import Source
from praxia.workflows.recipe_checks import unseen_cameras

ROLES = ("head", "wrist_left", "wrist_right")


def test_a_robot_with_one_arm_has_a_black_third_view_without_rays_and_depth(tabletop_source):
    sample = tabletop_source.sample(0, Needs(depth=True, tool_path=True, tool_steps=2))
    shown = Slots()(sample)
    assert [(v.role, v.valid) for v in shown.views] == list(zip(ROLES, (True, True, False), strict=True))
    assert shown.views[0] is sample.views[0] and np.array_equal(shown.views[1].image, sample.views[1].image)
    assert shown.views[2].image.shape == sample.views[0].image.shape and not shown.views[2].image.any()
    batch, spec = view_batch([shown.views]), ImageSpec(32)
    rays, depth = canvas_rays(batch, spec), canvas_depth(batch, spec)
    assert batch.valid.tolist() == [[True, True, False]]
    assert not rays[0, 2].any() and not depth[0, 2].any() and all(torch.any(x[0, i]) for x in (rays, depth) for i in (0, 1))
    target = Waypoints(count=2, every=1)(shown, np.random.default_rng(0)).target
    assert target.count(" arm 0") == 2 and target[-3:] == (
        "</image1>",
        "<image2>",
        "</image2>",
    )


def test_views_take_the_slots_of_their_roles_in_the_slots_order(tabletop_source):
    head, wrist = tabletop_source.sample(0, Needs()).views
    two = replace(tabletop_source.sample(0, Needs()), views=(replace(wrist, role="wrist_right"), wrist, replace(head, role="top"), head))
    shown = Slots()(two).views
    assert [v.role for v in shown] == list(ROLES) and all(v.valid for v in shown)
    only = Slots(("wrist_left", "wrist_right"))(replace(two, views=two.views[:1])).views
    assert [v.valid for v in only] == [False, True]
    assert Slots()(replace(two, views=())).views == ()
    for roles in ((), ("head", "head")):
        with pytest.raises(ConfigError, match="Slots.roles is"):
            Slots(roles)


def test_cameras_that_find_no_slot_while_one_stays_black_are_named(tabletop_source):
    source = Source(None, Waypoints(), (Slots(("front", "wrist")),))
    assert unseen_cameras(source, tabletop_source).endswith(
        "no slot for head, so not seen; black: front (Slots.roles; a dataset's card names its views)"
    )
    for transforms in ((), (Slots(),), (Slots(("wrist",)),)):  # none, all slots that can be filled are, no slot is black
        assert unseen_cameras(replace(source, transforms=transforms), tabletop_source) == ""


def test_the_published_stages_have_three_slots_also_where_nothing_is_drawn():
    for stage in paper().stages[1:]:
        for source in stage.sources:
            assert without_chance(source.transforms) == (Slots(),)
    kept = (CentreCrop(0.9), Slots())
    assert from_json(to_json(kept)) == kept
