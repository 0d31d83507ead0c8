"""arm6 and bimanual: other arms at the same table, with actions and states that mean what their specs say."""

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.geometry.rotations import axis_angle_to_matrix
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.tabletop.perturb import instruction
from praxia.worlds.tabletop.skills import LiftTray, ReceiveBar, TakeBar
from praxia.worlds.world import Episode


@pytest.fixture(scope="module", params=["arm6", "bimanual"])
def world(request):
    world = Tabletop(robot=request.param, split="benchmark", size=64)
    yield world
    world.close()


@pytest.fixture(scope="module")
def two():
    return Tabletop(robot="bimanual", split="benchmark", size=64)


def _acted(world, episode, expert=None, steps=0):
    """(last result, instruction) of an episode."""
    instruction = world.reset(episode)
    for _ in range(steps or world.max_steps(episode.task)):
        result = world.step(expert(world) if expert else world.expert())
        if result.done:
            break
    return result, instruction


def _still(world):
    """An action that moves nothing and keeps the grippers open."""
    now = dict(zip((d.name for d in world.state_spec.dims), world.state(), strict=True))
    opened = {"open_positive": 1.0, "close_positive": 0.0}
    return np.array(
        [opened[d.sense] if d.kind == "gripper" else now[d.name] if d.kind == "joint" else 0.0 for d in world.action_spec.dims], np.float32
    )


def test_experts_succeed(world):
    done = [_acted(world, Episode(task, 500 + seed))[0].success for task in world.tasks() for seed in range(6)]
    assert np.mean(done) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("robot", ["arm6", "bimanual"])
def test_experts_succeed_in_95_of_100_over_100_episodes(robot):
    world = Tabletop(robot=robot, split="benchmark", size=64)
    for task in world.tasks():
        assert np.mean([_acted(world, Episode(task, seed))[0].success for seed in range(100)]) >= 0.95, task


def test_nothing_is_done_before_anybody_acts(world):
    for task in world.tasks():
        world.reset(Episode(task, 0))
        for _ in range(3):
            result = world.step(_still(world))
            assert not result.success and not result.done


def test_the_same_seed_gives_the_same_states_and_pictures(world):
    def run():
        made = []
        for task in world.tasks()[:2]:
            made.append(_acted(world, Episode(task, 3), steps=5)[1])
            made += [world.state().tobytes(), *(view.image.tobytes() for view in world.render())]
        return made

    assert run() == run()


def test_experts_stay_within_the_limits_of_the_spec(world):
    low, high = (np.array([getattr(d, side) for d in world.action_spec.dims], np.float32) for side in ("low", "high"))
    for task in world.tasks():
        world.reset(Episode(task, 7))
        for _ in range(world.max_steps(task)):
            action = world.expert()
            assert action.dtype == np.float32 and (action >= low - 1e-6).all() and (action <= high + 1e-6).all()
            if world.step(action).done:
                break


def test_arm6_moves_its_tool_by_what_its_deltas_say_and_closes_where_arm7_opens():
    world = Tabletop(robot="arm6")
    assert world.action_spec.rate_hz == 5.0 and len([d for d in world.state_spec.dims if d.kind == "joint"]) == 6
    world.reset(Episode("press", 0))
    start = world.truth().T_base_tool["arm"]
    step, turn = np.array([0.02, -0.015, 0.01]), np.array([0.05, -0.04, 0.10])
    for _ in range(3):
        world.step(np.array([*step, *turn, 0.0], np.float32))
    world.step(np.zeros(7, np.float32))
    end, R = world.truth().T_base_tool["arm"], axis_angle_to_matrix(turn)
    assert np.abs(end[:3, 3] - start[:3, 3] - 3 * step).max() < 1.5e-3
    assert np.abs(end[:3, :3] - R @ R @ R @ start[:3, :3]).max() < 0.01
    gripper = [d.kind for d in world.state_spec.dims].index("gripper")
    assert world.state_spec.dims[gripper].sense == "close_positive" and world.state()[gripper] < 0.05
    for _ in range(6):
        world.step(np.array([0, 0, 0, 0, 0, 0, 1.0], np.float32))
    assert world.state()[gripper] > 0.95


def test_a_bimanual_action_moves_each_arm_by_its_own_half(two):
    two.reset(Episode("lift_tray", 2))
    before, goal = two.truth().T_base_tool, _still(two)
    goal[8] += 0.2  # first joint of the right arm
    goal[7] = 0.0  # the left gripper closes
    for _ in range(6):
        two.step(goal)
    after, state = two.truth().T_base_tool, dict(zip((d.name for d in two.state_spec.dims), two.state(), strict=True))
    assert np.abs(after["left"] - before["left"]).max() < 3e-3
    assert np.linalg.norm((after["right"] - before["right"])[:3, 3]) > 0.05
    assert abs(state["right_joint_1"] - goal[8]) < 5e-3 and state["left_gripper"] < 0.03 and state["right_gripper"] > 0.97


def test_the_left_hand_is_at_positive_y_and_each_has_a_camera(two):
    two.reset(Episode("hand_over", 0))
    tools = two.truth().T_base_tool
    assert tools["left"][1, 3] > 0.1 and tools["right"][1, 3] < -0.1
    assert [v.role for v in two.render()] == ["head", "left_wrist", "right_wrist"]
    two.close()


def test_end_effector_actions_are_offered_to_two_arms_too():
    world = Tabletop(robot="bimanual", action="end_effector", size=64)
    assert [d.name for d in world.action_spec.dims][:8] == [
        "left_dx",
        "left_dy",
        "left_dz",
        "left_rx",
        "left_ry",
        "left_rz",
        "left_gripper",
        "right_dx",
    ]
    assert all(_acted(world, Episode(task, 1))[0].success for task in world.tasks())


def _by(skill):
    """The expert of another skill, as an action of the world."""

    def act(world):
        plan = world._plan
        world._plan = type(plan)(plan.arrangement, (skill,))
        progress, world._progress = world._progress, 0
        action = world.expert()
        world._plan, world._progress = plan, progress
        return action

    return act


def test_lifting_the_other_tray_ends_the_episode_without_success(two):
    for seed in range(3):
        result, _ = _acted(two, Episode("lift_tray", seed), _by(LiftTray(1)))
        assert result.done and not result.success


def test_handing_over_the_other_bar_or_the_other_way_round_is_no_success(two):
    for seed in range(3):
        two.reset(Episode("hand_over", seed))
        giver = two._plan.steps[0].giver
        other = "right" if giver == "left" else "left"
        assert giver in instruction(two._plan, two._scene, "train", np.random.default_rng(0))
        wrong_bar, _ = _acted(two, Episode("hand_over", seed), _by(TakeBar(1, giver)))
        assert wrong_bar.done and not wrong_bar.success
        wrong_way, _ = _acted(two, Episode("hand_over", seed), _by(ReceiveBar(0, other)))
        assert not wrong_way.success


def test_tasks_belong_to_robots_with_the_arms_they_take():
    assert "lift_tray" not in Tabletop().tasks()
    with pytest.raises(ConfigError, match="bimanual.*hand_over"):
        Tabletop(robot="bimanual", tasks=("reach",))
    with pytest.raises(ConfigError, match="wrist"):
        Tabletop(robot="bimanual", cameras=("wrist",))
