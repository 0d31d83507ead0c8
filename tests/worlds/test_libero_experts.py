"""Grasps are planned from shapes; experts go where they should. No LIBERO is needed but for the last tests."""

from dataclasses import replace

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.geometry import se3
from praxia.worlds.libero import Libero, installed, tasks_of
from praxia.worlds.libero.experts import Expert, can, motion
from praxia.worlds.libero.experts.grasp import Grasp, alike, filled, plan
from praxia.worlds.libero.scene import Now, Part, Region, Scene, Thing, upright_axes
from praxia.worlds.world import Episode

NOTHING = np.zeros((0, 3))
HAND = se3.pose(motion.downward(np.array((0.0, 1.0, 0.0))), np.array((0.0, 0.0, 0.3)))


def box(half: tuple[float, float, float], at: tuple[float, float, float] = (0, 0, 0), yaw: float = 0.0) -> np.ndarray:
    """Corners [8, 3] in the order in which the process tells them."""
    corners = np.array([[x, y, z] for y in (-1, 1) for x in (-1, 1) for z in (-1, 1)]) * half
    c, s = np.cos(yaw), np.sin(yaw)
    return corners @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + at


def bowl(radius: float, height: float) -> list[np.ndarray]:
    """A ring of upright boards on a floor."""
    ways = np.radians(np.arange(0, 360, 15))
    side = radius * np.tan(np.radians(7.5))
    boards = [box((0.003, side, height / 2), (radius * np.cos(w), radius * np.sin(w), height / 2), w) for w in ways]
    return [*boards, box((radius * 0.6, radius * 0.6, 0.003), (0, 0, 0.003))]


def test_boxes_are_filled_whatever_way_they_stand():
    points = filled([box((0.04, 0.02, 0.01), (0.1, 0, 0), 0.5)])
    local = (points - (0.1, 0, 0)) @ np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1]])
    assert np.allclose(local.min(0), (-0.04, -0.02, -0.01)) and np.allclose(local.max(0), (0.04, 0.02, 0.01))
    assert np.abs(np.diff(np.unique(local[:, 0].round(4)))).max() < 0.007


@pytest.mark.parametrize("yaw", [0.0, 0.5, 1.3])
def test_a_flat_box_is_taken_over_its_short_side_at_its_middle(yaw):
    own = filled([box((0.045, 0.021, 0.01), (0.1, -0.2, 0.01), yaw)])
    T = se3.pose(np.eye(3), np.array((0.1, -0.2, 0.0)))
    found = plan(T, own, NOTHING, HAND, 0.0)
    assert found is not None
    place, closing = found.at(T)
    assert np.allclose(place[:2], (0.1, -0.2), atol=0.012) and 0.010 <= place[2] <= 0.02
    assert abs(closing @ (-np.sin(yaw), np.cos(yaw), 0)) > np.cos(np.radians(16))


def test_a_tall_thing_is_taken_below_its_top_but_not_deeper_than_the_palm_allows():
    own = filled([box((0.027, 0.027, 0.07), (0, 0, 0.07))])
    found = plan(np.eye(4), own, NOTHING, HAND, 0.0)
    assert found is not None and 0.14 - 0.04 < found.place[2] < 0.14 - 0.02


def test_a_bowl_is_taken_at_its_rim_across_it():
    own = filled(bowl(0.055, 0.05))
    found = plan(np.eye(4), own, NOTHING, HAND, 0.0)
    assert found is not None
    radial = found.place[:2] / np.linalg.norm(found.place[:2])
    assert np.linalg.norm(found.place[:2]) == pytest.approx(0.055, abs=0.008) and abs(found.closing[:2] @ radial) > 0.95


def test_bowls_are_grasped_alike_wherever_they_stand():
    rng = np.random.default_rng(0)
    for _ in range(5):
        T = se3.from_position_quaternion(np.array((*rng.uniform(-0.2, 0.2, 2), 0.0)), np.array((*rng.normal(size=1), 0, 0, *rng.normal(size=1))))
        tool = se3.pose(motion.downward(np.array((rng.normal(0, 0.1), 1.0, 0.0))), np.array((0.0, 0.0, 0.3)))
        found = plan(T, se3.apply(T, filled(bowl(0.055, 0.05))), NOTHING, tool, 0.0)
        assert found is not None
        side = (found.at(T)[0] - T[:3, 3])[:2]
        assert side[1] / np.linalg.norm(side) > np.cos(np.radians(25))  # near-ties do not decide


def test_a_grasp_that_missed_is_not_planned_again():
    own = filled(bowl(0.055, 0.05))
    first = plan(np.eye(4), own, NOTHING, HAND, 0.0)
    assert first is not None
    second = plan(np.eye(4), own, NOTHING, HAND, 0.0, missed=[first])
    assert second is not None and not alike(first, second)


def test_what_is_too_wide_has_no_grasp_and_neighbours_are_avoided():
    assert plan(np.eye(4), filled([box((0.06, 0.06, 0.02), (0, 0, 0.02))]), NOTHING, HAND, 0.0) is None
    own = filled([box((0.02, 0.02, 0.03), (0, 0, 0.03))])
    wall = filled([box((0.2, 0.005, 0.05), (0, 0.045, 0.05))])  # stands where a finger would come down
    found = plan(np.eye(4), own, wall, HAND, 0.0)
    assert found is not None and abs(found.closing[0]) > np.cos(np.radians(31))
    free = plan(np.eye(4), own, NOTHING, HAND, 0.0)
    assert free is not None and abs(free.closing[1]) > 0.9  # without it the hand need not turn


def test_in_a_drawer_the_palm_stays_above_its_sides():
    own = filled([box((0.02, 0.02, 0.025), (0, 0, 0.025))])
    sides = filled([box(*side) for r in (-0.08, 0.08) for side in (((0.085, 0.005, 0.03), (0, r, 0.03)), ((0.005, 0.085, 0.03), (r, 0, 0.03)))])
    deep, shallow = plan(np.eye(4), own, NOTHING, HAND, 0.0), plan(np.eye(4), own, sides, HAND, 0.0)
    assert deep is not None and deep.place[2] + motion.PALM < 0.06
    assert shallow is not None and shallow.place[2] + motion.PALM >= 0.06


def test_a_grasp_moves_with_its_object():
    own = filled([box((0.045, 0.021, 0.01), (0, 0, 0.01))])
    found = plan(np.eye(4), own, NOTHING, HAND, 0.0)
    assert found is not None
    moved = se3.from_position_quaternion(np.array((0.2, 0.1, 0.0)), np.array((1.0, 0, 0, 1.0)))
    place, closing = found.at(moved)
    assert np.allclose(place, se3.apply(moved, found.place)) and abs(closing[0]) > 0.9 > abs(closing[1])


def test_commands_stay_within_their_limits_and_go_high_before_they_go_aside():
    far = motion.from_above(HAND, np.array((0.4, 0.0, 0.02)), HAND[:3, :3], motion.OPEN, travel=0.5)
    assert np.abs(far[:3]).max() <= motion.MOST + 1e-6 and far[2] > 0 and abs(far[0]) < 1e-6  # up first
    near = motion.from_above(HAND, np.array((0.001, 0.0, 0.02)), HAND[:3, :3], motion.OPEN, travel=0.5)
    assert near[2] == pytest.approx(-motion.MOST)
    turned = motion.towards(HAND, HAND[:3, 3], motion.downward(np.array((1.0, 0.0, 0.0))), motion.CLOSED)
    assert np.allclose(turned[:3], 0) and np.linalg.norm(turned[3:6]) == pytest.approx(motion.TURN)


def little_scene(goal: tuple[tuple[str, ...], ...], holds: tuple[bool, ...], touched: tuple[str, ...] = ()) -> Now:
    """A box on a table and a region beside it."""
    half = np.array((0.02, 0.03, 0.02))
    part = Part("box_1", (box((0.02, 0.03, 0.02), (0, 0, 0.02)),), np.stack((-half, half)), True)
    scene = Scene(
        {"box_1": Thing("box_1", "box", "box", False, 2, (0,))}, (part,), {"table_spot": Region("table_spot", "", np.array((0.03, 0.03, 0.1)))},
        {}, goal, ("box_1",),
    )  # fmt: skip
    fingers = np.array((0.04, -0.04))
    spot = se3.pose(np.eye(3), np.array((0.2, 0.2, 0.05)))
    return Now(scene, holds, all(holds), np.zeros(8, np.float32), HAND, fingers, np.zeros(2), np.eye(4)[None], spot[None], touched)


def test_the_expert_takes_carries_and_lets_go():
    goal = (("in", "box_1", "table_spot"),)
    reaching = Expert()(little_scene(goal, (False,)))
    assert reaching[6] == motion.OPEN and reaching[2] < 0
    carrying = Expert()(little_scene(goal, (False,), ("box_1",)))
    assert carrying[6] == motion.CLOSED and carrying[2] > 0  # over everything first
    done = Expert()(little_scene(goal, (True,), ("box_1",)))
    assert done[6] == motion.OPEN and done[2] == 0  # held still until it is free, or it would come along
    free = Expert()(little_scene(goal, (True,)))
    assert free[6] == motion.OPEN and free[2] > 0


def at(now: Now, where: np.ndarray, R: np.ndarray, opening: float, touched: tuple[str, ...] = ()) -> Now:
    """The hand elsewhere."""
    return replace(now, tool=se3.pose(R, where), fingers=np.array((opening / 2, -opening / 2)), touched=touched)


def test_a_hand_that_closed_on_nothing_opens_rises_and_takes_the_thing_elsewhere():
    now = little_scene((("in", "box_1", "table_spot"),), (False,))
    expert = Expert()
    place, closing = expert._hand.grasp(now, "box_1")
    R = motion.downward(closing)
    closed = [expert(at(now, place, R, 0.0))[6] for _ in range(3)]
    assert closed == [motion.CLOSED] * 3
    missed = expert(at(now, place, R, 0.0))
    assert missed[6] == motion.OPEN and missed[2] > 0
    assert expert(at(now, place + np.array((0, 0, 0.04)), R, 0.08))[2] > 0  # on its way up
    expert(at(now, place + np.array((0, 0, 0.08)), R, 0.08))
    other, way = expert._hand.grasp(now, "box_1")
    assert not alike(Grasp(place, closing), Grasp(other, way))


def test_a_hand_that_is_blocked_tries_another_way_but_not_for_ever():
    now = little_scene((("in", "box_1", "table_spot"),), (False,))
    expert, blocked = Expert(), np.array((0.05, 0.05, 0.1))
    commands = [expert(at(now, blocked, HAND[:3, :3], 0.08)) for _ in range(16)]
    assert max(abs(command[2]) for command in commands[:12]) > 0
    assert np.allclose(commands[14][:2], 0) and commands[14][2] > 0  # straight up
    for _ in range(100):
        expert(at(now, blocked, HAND[:3, :3], 0.08))
    assert len(expert._hand._missed["box_1"]) == 4


def test_target_and_goal_follow_the_part_of_the_goal_that_is_worked_on():
    one, two = ("in", "box_1", "table_spot"), ("on", "plate_1", "box_1")
    base = little_scene((two, one), (False, False))
    parts = (*base.scene.parts, replace(base.scene.parts[0], thing="plate_1"))
    things = base.scene.things | {"plate_1": Thing("plate_1", "plate", "plate", False, 3, (1,))}
    scene = replace(base.scene, things=things, parts=parts, of_interest=("plate_1", "box_1"))
    base = replace(base, scene=scene, poses=np.stack([np.eye(4), se3.pose(np.eye(3), np.array((0.3, 0.1, 0.0)))]))
    world = Libero("libero_10")
    for holds, target, goal in (
        ((False, False), "plate", (0, 0, 0)),
        ((True, False), "box", (0.2, 0.2, 0.05)),
        ((False, True), "plate", (0, 0, 0)),
        ((True, True), "box", (0.2, 0.2, 0.05)),  # let go of
    ):
        world._now = replace(base, holds=holds, success=all(holds))
        world._upright = upright_axes(world._now)
        truth = world.truth()
        assert truth.target == target and truth.goal is not None and np.allclose(truth.goal, goal)
        command = Expert()(world._now)
        if not all(holds):  # the expert goes to the same thing: the box stands below the hand, the plate far off
            assert np.abs(command[:2]).max() < 0.01 if target == "box" else command[0] > 0.01


def test_a_goal_without_a_skill_is_said():
    now = little_scene((("open", "box_1"),), (False,))
    assert not can(now.scene)
    with pytest.raises(ConfigError, match="no expert can make 'open box_1' hold"):
        Expert()(now)


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="LIBERO is not installed here: scripts/oracles libero")
@pytest.mark.parametrize(
    ("suite", "place"),
    [
        *((suite, 0) for suite in ("libero_object", "libero_spatial", "libero_goal")),
        ("libero_object", 6),
        ("libero_goal", 3),
        ("libero_goal", 5),
        ("libero_10", 3),
    ],
)
def test_the_expert_solves_the_real_task(suite, place):
    world = Libero(suite, (tasks_of(suite)[place],))
    try:
        for start in (0, 1):
            world.reset(Episode(world.tasks()[0], start))
            assert any(world.step(world.expert()).success for _ in range(world.max_steps(world.tasks()[0])))
    finally:
        world.close()


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="LIBERO is not installed here: scripts/oracles libero")
@pytest.mark.parametrize("suite", ["libero_spatial", "libero_object", "libero_goal", "libero_10"])
def test_what_a_tasks_name_says_of_its_expert_is_what_its_goal_says(suite):
    """`without_expert` goes by names, before anything is loaded; `can` by the goal's predicates."""
    world = Libero(suite)
    try:
        able = {}
        for task in world.tasks():
            world.reset(Episode(task, 0))
            able[task] = can(world.now.scene)
        assert {task for task, found in able.items() if not found} == set(world.without_expert())
    finally:
        world.close()


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="LIBERO is not installed here: scripts/oracles libero")
def test_the_expert_gets_over_a_grasp_beside_the_real_thing():
    world = Libero("libero_object", (tasks_of("libero_object")[0],))
    try:
        world.reset(Episode(world.tasks()[0], 60))
        up, place = np.linalg.inv(world.now.thing("alphabet_soup_1")), world.now.thing("alphabet_soup_1")[:3, 3] + (0, 0.07, 0.05)
        beside = Grasp(se3.apply(up, place), up[:3, :3] @ (0, 1.0, 0))
        world._expert._hand._grasps["alphabet_soup_1"] = (beside, world.now.thing("alphabet_soup_1")[:3, 2].copy())
        assert any(world.step(world.expert()).success for _ in range(world.max_steps(world.tasks()[0])))
        assert alike(world._expert._hand._missed["alphabet_soup_1"][0], beside)
    finally:
        world.close()
