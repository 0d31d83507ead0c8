"""hands: experts do what they are asked, and what the world says of joints, cameras, contacts and objects is what its pictures show."""

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.geometry import hands as geometry
from praxia.geometry.camera import project
from praxia.geometry.se3 import apply, invert
from praxia.specs.hands import BONES, SIDES, TIPS
from praxia.worlds.hands import Hands
from praxia.worlds.hands.skeleton import closing_for, local_joints
from praxia.worlds.tabletop.splits import split
from praxia.worlds.world import Episode


@pytest.fixture(scope="module")
def world():
    made = Hands(size=96)
    yield made
    made.close()


def run(world, episode, every=10):
    """(instruction, states [T, 170], pictures with the state they show, success) of the expert."""
    words, states, shown = world.reset(episode), [world.state()], []
    for step in range(world.max_steps(episode.task)):
        if step % every == 0:
            shown.append((world.render(depth=True, masks=True)[0], geometry.hand_pair(world.state()[None]), world.truth()))
        result = world.step(world.expert())
        states.append(world.state())
        if result.success:
            return words, np.stack(states), shown, True
    return words, np.stack(states), shown, False


@pytest.mark.parametrize("task", ["reach", "grasp", "move", "pour", "bring"])
def test_the_expert_succeeds_and_hands_keep_their_bones(world, task):
    for seed in range(6):
        words, states, _, success = run(world, Episode(task, seed), every=1000)
        assert success and world.truth().target in words
        pair = geometry.hand_pair(states)
        for side in np.flatnonzero(pair.confidence[0].all(-1)):
            bones = np.stack([pair.joints[:, side, b] - pair.joints[:, side, a] for a, b in BONES], axis=1)
            lengths = np.linalg.norm(bones, axis=-1)
            assert np.ptp(lengths, axis=0).max() < 1e-5 and 0.018 < lengths.min() < lengths.max() < 0.11
            speed = np.linalg.norm(np.diff(pair.joints[:, side, 0], axis=0), axis=-1) * world.action_spec.rate_hz
            assert speed.max() < 1.2, "people do not throw their hands about"
        if task in ("grasp", "bring"):
            assert pair.contact[-1].sum() == (2 if task == "bring" else 1)
        assert not pair.contact[0].any()


def test_joints_camera_depth_and_masks_agree(world):
    """Visible joints lie a finger's breadth behind the surface that the depth shows, on the pixels of their own hand."""
    gaps, own = [], []
    for seed, task in enumerate(("grasp", "move", "bring")):
        for view, pair, truth in run(world, Episode(task, seed))[2]:
            for number, side in enumerate(SIDES, start=1):
                if not pair.confidence[0, number - 1].all():
                    continue
                assert np.allclose(geometry.wrist_frame(pair.joints[0, number - 1], side), truth.T_base_tool[side], atol=1e-5)
                pixels, z = project(view.camera.K, apply(invert(view.camera.T_base_cam), pair.joints[0, number - 1]))
                columns, rows = np.rint(pixels).astype(int).T
                inside = (columns >= 0) & (columns < 96) & (rows >= 0) & (rows < 96)
                gap = z[inside] - view.depth[rows[inside], columns[inside]]
                gaps.append(gap)
                own.append((view.mask[rows[inside], columns[inside]] == number)[np.abs(gap) < 0.03])
            for thing in truth.objects:
                (pixel,), z = project(view.camera.K, apply(invert(view.camera.T_base_cam), thing.T_base_object[:3, 3][None]))
                u, v = np.rint(pixel).astype(int)
                if 2 <= u < 94 and 2 <= v < 94 and abs(view.depth[v, u] - z[0]) < 0.06:
                    assert thing.instance in view.mask[v - 2 : v + 3, u - 2 : u + 3]
    gap = np.concatenate(gaps)
    near = gap[(gap > -0.01) & (gap < 0.03)]
    assert len(near) > 0.4 * len(gap) and (gap > -0.012).mean() > 0.97, "what hides a joint is before it"
    assert 0.006 < np.median(near) < 0.016
    assert np.concatenate(own).mean() > 0.93


def test_an_episode_is_its_seed_and_nothing_else(world):
    first = run(world, Episode("move", 5))
    run(world, Episode("bring", 1))
    again = run(world, Episode("move", 5))
    assert first[0] == again[0] and np.array_equal(first[1], again[1])
    assert all(np.array_equal(a[0].image, b[0].image) and np.array_equal(a[0].mask, b[0].mask) for a, b in zip(first[2], again[2], strict=True))
    assert not np.array_equal(run(world, Episode("move", 6))[1][0], first[1][0])


def test_objects_are_of_the_split_and_the_camera_moves(world):
    pairs = split("pretrain").pairs
    moved = []
    for seed in range(5):
        shown = run(world, Episode("grasp", seed))[2]
        assert {(o.category, o.colour) for _, _, truth in shown for o in truth.objects} <= set(pairs)
        poses = [view.camera.T_base_cam for view, _, _ in shown]
        moved.append(max(float(np.abs(p - poses[0]).max()) for p in poses))
        assert not any(s.low is not None and not s.low <= v <= s.high for s, v in zip(world.action_spec.dims, world.expert(), strict=True))
    assert min(moved) > 0.003


def test_a_closed_hand_takes_and_an_open_one_leaves(world):
    world.reset(Episode("move", 0))
    while not (world.state()[84] or world.state()[169]):
        world.step(world.expert())
    holds = next(s for s in SIDES if world._hands[s].held >= 0) if any(h.held >= 0 for h in world._hands.values()) else None
    while holds is None:
        world.step(world.expert())
        holds = next((s for s, h in world._hands.items() if h.held >= 0), None)
    lifted = world.expert().copy()
    at = 7 * SIDES.index(holds)
    before = {o.name: o.T_base_object[2, 3] for o in world.truth().objects}
    lifted[at + 2] += 0.1
    world.step(lifted)
    after = {o.name: o.T_base_object[2, 3] for o in world.truth().objects}
    target = world.truth().target
    assert after[target] - before[target] > 0.08 and all(after[n] == before[n] for n in before if n != target)
    lifted[at + 6] = 0.12
    world.step(lifted)
    assert world.truth().objects[0].T_base_object[2, 3] == pytest.approx(before[target], abs=0.02)


def test_left_and_right_are_mirror_images_and_apertures_are_met():
    for closing in (0.0, 0.37, 1.0):
        assert np.allclose(local_joints("left", closing), local_joints("right", closing) * (-1, 1, 1))
    for wanted in (0.03, 0.06, 0.11):
        joints = local_joints("right", closing_for(wanted, 1.05), 1.05)
        assert np.linalg.norm(joints[TIPS[0]] - joints[TIPS[1]]) == pytest.approx(wanted, abs=1e-3)
    frame = geometry.wrist_frame(local_joints("right", 0.5), "right")
    assert np.allclose(frame, np.eye(4), atol=1e-6) and np.allclose(geometry.wrist_frame(local_joints("left", 0.5), "left"), np.eye(4), atol=1e-6)


def test_bad_settings_say_what_to_do(world):
    with pytest.raises(ConfigError, match="size is 8"):
        Hands(size=8)
    with pytest.raises(ConfigError, match="did you mean 'grasp'"):
        world.reset(Episode("grap", 0))
    with pytest.raises(ConfigError, match="no perturbation"):
        world.reset(Episode("grasp", 0, "light/1"))
