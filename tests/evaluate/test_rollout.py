"""One closed-loop episode: when the policy looks, what it is told, what is executed."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pads import ACTION, Pads, Seer

from praxia.errors import ConfigError, EvaluationError, SpecMismatch
from praxia.evaluate.observation import check_fit, observe
from praxia.evaluate.rollout import Record, Rules, Trial, rollout
from praxia.specs import ActionSpec, CameraSpec
from praxia.worlds.world import Episode


def trial(task: str = "red", seed: int = 3, **changes) -> Trial:
    return Trial(0, Episode(task, seed), (0, 1, 2), **changes)


def same(record: Record) -> tuple:
    return (record.success, record.steps, record.looks, record.told)


def test_a_policy_that_sees_and_hears_succeeds_and_pictures_are_made_only_when_it_looks():
    world = Pads()
    record = rollout(world, Seer(replan=3), trial(), Rules())
    assert record.success and record.instruction == record.told == "go to the red pad"
    assert world.renders == record.looks == -(-record.steps // 3)


def test_the_rules_can_shorten_interval_and_episode():
    often = rollout(Pads(), Seer(), trial(), Rules(replan=1))
    assert often.looks == often.steps
    short = rollout(Pads(), Seer(), trial(), Rules(max_steps=2))
    assert (short.steps, short.looks, short.success) == (2, 1, False)


def test_the_policy_is_told_what_was_really_executed():
    policy = Seer(replan=3)
    record = rollout(Pads(), policy, trial(), Rules())
    seen = policy.sessions[0].seen
    assert "executed" not in seen[0]
    for before, after in pairwise(seen):
        assert after["executed"].shape == after["executed_states"].shape == (3, 2)
        np.testing.assert_array_equal(after["executed_states"][0], before["state"])
        np.testing.assert_allclose(after["executed_states"][0] + after["executed"].sum(0), after["state"], atol=1e-6)
        assert (np.abs(after["executed"]) <= 0.1 + 1e-6).all()
    assert len(seen) == record.looks


def test_depth_comes_when_the_policy_needs_it_and_calibration_whenever_there_is_one():
    for needs in (False, True):
        policy = Seer(needs_depth=needs)
        rollout(Pads(), policy, trial(), Rules(max_steps=1))
        observation = policy.sessions[0].seen[0]
        assert ("depth" in observation) == needs
        assert set(observation["cameras"]["top"]) == {"K", "T_base_cam"}


def test_a_blanked_observation_shows_nothing_but_keeps_everything_else():
    world = Pads()
    world.reset(Episode("red", 1))
    normal, blank = (observe(world, ("top",), "go", "id", depth=True, blank=b) for b in (False, True))
    assert normal["images"]["top"].any() and not blank["images"]["top"].any() and blank["images"]["top"].dtype == np.uint8
    assert not blank["depth"]["top"].any()
    np.testing.assert_array_equal(normal["state"], blank["state"])
    assert blank["cameras"].keys() == normal["cameras"].keys()


def test_noise_depends_on_the_trials_seed_alone():
    noisy = Seer(noise=0.05)
    runs = [rollout(Pads(), noisy, trial(), Rules()) for _ in range(2)]
    assert same(runs[0]) == same(runs[1])
    first, second = (session.seen[1]["executed"] for session in noisy.sessions[:2])
    np.testing.assert_array_equal(first, second)
    rollout(Pads(), noisy, Trial(0, Episode("red", 3), (0, 1, 3)), Rules())
    assert not np.array_equal(noisy.sessions[-1].seen[1]["executed"], first)


def test_watchers_see_the_start_and_every_step():
    steps = []
    record = rollout(Pads(), Seer(), trial(), Rules(), watch=lambda world, step: steps.append(step))
    assert steps == list(range(record.steps + 1))


def test_actions_that_are_not_numbers_stop_the_episode_by_name():
    with pytest.raises(EvaluationError, match="not finite in dy"):
        rollout(Pads(), Seer(nan_at=1), trial(), Rules())


def test_an_interval_beyond_the_chunk_is_refused():
    with pytest.raises(ConfigError, match="predicts 6 actions"):
        rollout(Pads(), Seer(), trial(), Rules(replan=7))


def test_a_policy_of_another_robot_or_with_other_eyes_is_refused():
    stranger = Seer()
    stranger.action_spec = ActionSpec(ACTION.dims[:1], 10)
    with pytest.raises(SpecMismatch, match="width"):
        check_fit(Pads(), stranger)
    wrist = Seer()
    wrist.cameras = (CameraSpec("wrist", 8, 8),)
    with pytest.raises(SpecMismatch, match="wrist"):
        check_fit(Pads(), wrist)


def test_pictures_the_other_way_round_than_in_training_are_said(caplog):
    check_fit(Pads(), Seer())
    assert not caplog.records
    mirrored = Seer()
    mirrored.cameras = tuple(replace(camera, mirrored=True) for camera in mirrored.cameras)
    check_fit(Pads(), mirrored)
    assert "the policy learnt from mirrored pictures, world 'pads' shows true ones" in caplog.text
