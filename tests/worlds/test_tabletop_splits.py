"""Splits share nothing, objects fit the gripper, every phrasing can be said."""

from itertools import combinations

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.tabletop.objects import CATEGORIES, MAX_PARTS, template
from praxia.worlds.tabletop.palette import COLOUR_NAMES
from praxia.worlds.tabletop.parts import bounds, box, capsule, cylinder, ellipsoid, wheel
from praxia.worlds.tabletop.phrasings import PHRASINGS
from praxia.worlds.tabletop.robots.gripper import MAX_OPENING
from praxia.worlds.tabletop.splits import NAMES, split
from praxia.worlds.world import Episode


def test_splits_share_no_pair_no_table_and_no_camera():
    for a, b in combinations([split(n) for n in NAMES], 2):
        assert not set(a.pairs) & set(b.pairs)
        assert not {(t.pattern, t.seed) for t in a.tables} & {(t.pattern, t.seed) for t in b.tables}
        assert not {t.first for t in a.tables} & {t.first for t in b.tables}
        assert a.head.azimuth[1] < b.head.azimuth[0] or b.head.azimuth[1] < a.head.azimuth[0]


def test_every_split_has_every_category_and_every_colour():
    assert len(CATEGORIES) >= 10 and len(COLOUR_NAMES) == 6
    for name in NAMES:
        assert {c for c, _ in split(name).pairs} == set(CATEGORIES)
        assert {c for _, c in split(name).pairs} == set(COLOUR_NAMES)


def test_head_cameras_stand_inside_the_range_of_their_split():
    for name in NAMES:
        world = Tabletop(split=name, size=32, cameras=("head",))
        for seed in range(5):
            world.reset(Episode("press", seed))
            (view,) = world.render()
            head = split(name).head
            target = np.mean(head.target, axis=1)
            back = view.camera.T_base_cam[:3, 3] - target
            assert head.azimuth[0] - 0.04 < np.arctan2(back[1], back[0]) < head.azimuth[1] + 0.04
            assert head.distance[0] - 0.02 < np.linalg.norm(back) < head.distance[1] + 0.02
        world.close()


def test_the_head_camera_can_be_moved_and_nothing_else_moves_with_it():
    usual, moved = (Tabletop(split="benchmark", size=32, cameras=("head",), head_azimuth=a) for a in (None, (14.0, 15.0)))
    said = [world.reset(Episode("press", 3)) for world in (usual, moved)]
    (near,), (far,) = usual.render(), moved.render()
    target = np.mean(split("benchmark").head.target, axis=1)
    back = far.camera.T_base_cam[:3, 3] - target
    assert 13.5 < np.rad2deg(np.arctan2(back[1], back[0])) < 15.5 and not np.array_equal(near.image, far.image)
    assert said[0] == said[1] and np.array_equal(usual.state(), moved.state())
    assert [o.T_base_object.tolist() for o in usual.truth().objects] == [o.T_base_object.tolist() for o in moved.truth().objects]
    assert set(moved.fingerprint().items()) - set(usual.fingerprint().items()) == {("head_azimuth", "(14.0, 15.0)")}
    usual.close(), moved.close()
    for wrong in ((3.0, 1.0), (0.0, 60.0)):
        with pytest.raises(ConfigError, match="head_azimuth"):
            Tabletop(size=32, head_azimuth=wrong)


@pytest.mark.parametrize("name", list(CATEGORIES))
def test_objects_are_of_graspable_size(name):
    t = template(name)
    assert len(t.parts) <= MAX_PARTS
    assert 0.05 <= t.size[1] <= 0.066 or name == "hammer"  # width along y, the fingers' direction
    assert t.category.grasp_width < MAX_OPENING - 0.015
    assert 0.010 < t.mass < 0.15


@pytest.mark.parametrize(
    "part",
    [
        box((0.01, 0.02, 0.03), (0.1, 0.2, 0.3), yaw=0.4),
        cylinder(0.02, 0.03, (0, 0, 0)),
        wheel(0.02, 0.01, (0, 0, 0)),
        ellipsoid((0.01, 0.02, 0.03), (0, 0, 0)),
        capsule((0, 0, 0), (0.03, 0.02, 0.01), 0.01),
    ],
    ids=["box", "cylinder", "wheel", "ellipsoid", "capsule"],
)
def test_part_boxes_agree_with_mujoco_ray_casting(part):
    """The farthest surface point along each axis, found by dense rays, is the side of the box."""
    import mujoco

    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom(part.type), size=part.size, pos=part.pos, quat=part.quat)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    rng, hits, geom = np.random.default_rng(0), [], np.zeros(1, np.int32)
    for _ in range(6000):
        away = rng.normal(size=3)
        away /= np.linalg.norm(away)
        start = np.asarray(part.pos) + away
        aim = np.asarray(part.pos) + rng.normal(size=3) * 0.012 - start
        distance = mujoco.mj_ray(model, data, start, aim, None, 1, -1, geom, None)
        if distance > 0:
            hits.append(start + distance * aim)
    centre, size = bounds((part,))
    reached = np.abs(np.array(hits) - centre).max(0)
    assert (reached <= size / 2 + 1e-9).all()
    assert (reached > size / 2 * 0.97).all()


def test_every_verb_has_training_and_held_out_phrasings_that_differ():
    for verb, choices in PHRASINGS.items():
        assert choices["train"] and choices["held_out"], verb
        assert not set(choices["train"]) & set(choices["held_out"])


@pytest.mark.parametrize("robot", ["arm7", "bimanual"])
def test_every_phrasing_is_said_sometimes_and_leaves_no_slot_open(robot):
    for phrasing in ("train", "held_out"):
        world = Tabletop(robot=robot, size=16, phrasing=phrasing)
        for task in world.tasks():
            said = {world.reset(Episode(task, seed)) for seed in range(12)}
            assert len(said) > 4 and all(s and "{" not in s for s in said)


def test_the_phrasing_split_does_not_change_the_scene():
    states = []
    for phrasing in ("train", "held_out"):
        world = Tabletop(size=16, phrasing=phrasing)
        world.reset(Episode("stack", 11))
        states.append(np.stack([o.T_base_object for o in world.truth().objects]))
    assert np.array_equal(*states)
