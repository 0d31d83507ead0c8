"""Tabletop's tasks can be done, only the right way counts, and actions mean what the specs say."""

import numpy as np
import pytest

from praxia.data.recovery_noise import NoiseRun, RecoveryNoise
from praxia.errors import ConfigError
from praxia.geometry.rotations import axis_angle_to_matrix, matrix_to_rotation_6d
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.tabletop.skills import CloseDrawer, OpenDrawer, PlaceOn, Press, Push, Touch
from praxia.worlds.world import Episode

GENTLE_PUSH = RecoveryNoise(
    start=0.04, start_first=0.04, shortest=3, longest=8, scale=1.0, widths={"position": 0.025, "rotation": 0.10, "joint": 0.06}, steady=True
)


@pytest.fixture(scope="module")
def world():
    world = Tabletop(split="benchmark")
    yield world
    world.close()


def _rollout(world, task, seed, noisy=False):
    world.reset(Episode(task, seed))
    noise = NoiseRun(GENTLE_PUSH, world.action_spec, np.random.default_rng(seed))
    for step in range(world.max_steps(task)):
        action = world.expert()
        result = world.step(noise.executed(action) if noisy else action)
        if result.done:
            return result.success, step + 1
    return False, world.max_steps(task)


def test_experts_succeed_clean_and_with_recovery_noise(world):
    for noisy in (False, True):
        done = [_rollout(world, task, 1000 + seed, noisy)[0] for task in world.tasks() for seed in range(9)]
        assert np.mean(done) >= 0.95, f"noisy={noisy}"


@pytest.mark.slow
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("task", ["reach", "push", "pick_and_place", "stack", "drawer", "press", "two_step"])
def test_experts_succeed_in_95_of_100_over_200_episodes(world, task, noisy):
    assert np.mean([_rollout(world, task, seed, noisy)[0] for seed in range(200)]) >= 0.95


def test_looking_changes_nothing(world):
    """Rendering must not disturb physics, truth or the expert."""
    ends = []
    for looks in (False, True):
        world.reset(Episode("pick_and_place", 3))
        for _ in range(15):
            if looks:
                world.render(depth=True, masks=True)
            world.step(world.expert())
        ends.append((world.state(), world.truth().objects[0].T_base_object, world.expert()))
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


def test_joint_experts_succeed_through_the_joint_spec():
    joint = Tabletop(split="benchmark", action="joint")
    assert joint.action_spec.width == 8
    assert all(_rollout(joint, task, 3)[0] for task in joint.tasks())


def test_experts_are_smooth_and_within_the_limits_of_the_spec(world):
    low = np.array([d.low for d in world.action_spec.dims])
    high = np.array([d.high for d in world.action_spec.dims])
    for task in world.tasks():
        world.reset(Episode(task, 7))
        for _ in range(world.max_steps(task)):
            action = world.expert()
            assert np.array_equal(action, world.expert()), "the expert is a function of the state"
            assert (action >= low).all() and (action <= high).all()
            if world.step(action).done:
                break


def test_nothing_is_done_before_anybody_acts(world):
    for task in world.tasks():
        for seed in range(4):
            world.reset(Episode(task, seed))
            for _ in range(3):
                result = world.step(np.array([0, 0, 0, 0, 0, 0, 1.0], np.float32))
                assert not result.success and not result.done


def _other(skill, arrangement):
    """The same skill on something the instruction did not name."""
    swapped = {
        Touch: lambda s: Touch(1),
        Press: lambda s: Press(1),
        Push: lambda s: Push(s.slot, 1 - s.zone),
        PlaceOn: lambda s: PlaceOn(s.slot, 1 - s.tray),
        OpenDrawer: lambda s: (OpenDrawer if arrangement.cabinet.opened[1 - s.drawer] < 0.05 else CloseDrawer)(1 - s.drawer),
        CloseDrawer: lambda s: (OpenDrawer if arrangement.cabinet.opened[1 - s.drawer] < 0.05 else CloseDrawer)(1 - s.drawer),
    }
    return swapped[type(skill)](skill)


@pytest.mark.parametrize("task", ["reach", "press", "drawer", "push", "pick_and_place"])
def test_doing_it_to_the_wrong_thing_is_no_success(world, task):
    done = []
    for seed in range(4):
        world.reset(Episode(task, seed))
        wrong = _other(world._plan.steps[0], world._scene.arrangement)
        for _ in range(world.max_steps(task)):
            result = world.step(wrong.expert(world._scene))
            assert not result.success
            if result.done or wrong.achieved(world._scene):
                break
        done.append(result.done or wrong.achieved(world._scene))
        if done[-1] and task in ("reach", "press", "drawer"):
            assert result.done, "touching, pressing or opening the wrong thing ends the episode"
    assert sum(done) >= 3, "the wrong thing was hardly ever done, so little was tested"


def test_two_steps_in_the_wrong_order_fail(world):
    seed = next(s for s in range(50) if world.reset(Episode("two_step", s)) and world.truth().extra["verbs"] == ("press", "press"))
    world.reset(Episode("two_step", seed))
    second = world._plan.steps[1]
    for _ in range(world.max_steps("two_step")):
        result = world.step(second.expert(world._scene))
        if result.done:
            break
    assert result.done and not result.success


def test_end_effector_deltas_move_the_tool_by_what_they_say_in_the_base_frame(world):
    world.reset(Episode("press", 0))
    start = world.truth().T_base_tool["arm"]
    step, turn = np.array([0.02, -0.015, 0.01]), np.array([0.05, -0.04, 0.10])
    for _ in range(3):
        world.step(np.array([*step, *turn, 1.0], np.float32))
    world.step(np.array([0, 0, 0, 0, 0, 0, 1.0], np.float32))
    end = world.truth().T_base_tool["arm"]
    R = axis_angle_to_matrix(turn)
    assert np.abs(end[:3, 3] - start[:3, 3] - 3 * step).max() < 1.5e-3
    assert np.abs(end[:3, :3] - R @ R @ R @ start[:3, :3]).max() < 0.01


def test_the_state_is_the_tool_pose_the_gripper_and_the_joints(world):
    world.reset(Episode("press", 1))
    for _ in range(6):
        world.step(np.array([0, 0, 0, 0, 0, 0, 0.0], np.float32))
    state, T = world.state(), world.truth().T_base_tool["arm"]
    assert state.dtype == np.float32 and state.shape == (world.state_spec.width,)
    assert np.allclose(state[:3], T[:3, 3], atol=1e-6)
    assert np.allclose(state[3:9], matrix_to_rotation_6d(T[:3, :3]), atol=1e-6)
    gripper = [d.kind for d in world.state_spec.dims].index("gripper")
    assert world.state_spec.dims[gripper].sense == "open_positive" and state[gripper] < 0.03
    for _ in range(6):
        world.step(np.array([0, 0, 0, 0, 0, 0, 1.0], np.float32))
    assert world.state()[gripper] > 0.97


def test_a_joint_action_moves_the_joints_there():
    joint = Tabletop(action="joint")
    joint.reset(Episode("press", 2))
    goal = joint.state()[10:].copy()
    goal[0] += 0.2
    goal[6] -= 0.3
    for _ in range(4):
        joint.step(np.array([*goal, 1.0], np.float32))
    assert np.abs(joint.state()[10:] - goal).max() < 5e-3


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        (lambda: Tabletop(robot="arm9"), "arm9"),
        (lambda: Tabletop(split="bench"), "benchmark"),
        (lambda: Tabletop(cameras=("top",)), "head"),
        (lambda: Tabletop(tasks=("reech",)), "reach"),
        (lambda: Tabletop(phrasing="test"), "held_out"),
        (lambda: Tabletop(size=4), "16"),
        (lambda: Tabletop().state(), "reset"),
        (lambda: Tabletop().reset(Episode("reach", 0, "storm")), "storm"),
    ],
)
def test_bad_settings_are_refused_by_name(bad, names):
    with pytest.raises(ConfigError, match=names):
        bad()


def test_bad_actions_are_refused(world):
    world.reset(Episode("reach", 0))
    with pytest.raises(ConfigError, match="7 finite numbers"):
        world.step(np.zeros(8, np.float32))
    with pytest.raises(ConfigError, match="finite: False"):
        world.step(np.full(7, np.nan, np.float32))
