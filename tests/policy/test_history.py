"""What a policy with a history token is told of its past, and when it acts without."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.policy.micro_policy import CHUNK, PAST, REPLAN, history_policy, observation_of

from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ObservationError
from praxia.policy.history import History
from praxia.policy.observation import _rows


@pytest.fixture(scope="module")
def policy(tabletop_source):
    return history_policy(tabletop_source)


def _seen(source, index=0):
    return observation_of(source, index) | {"episode_id": "one"}


def test_the_policy_tells_how_much_of_the_past_it_reads(policy):
    assert policy.history == PAST and policy.metadata["history"] == PAST


def test_what_the_client_says_was_executed_is_what_the_policy_reads(policy, tabletop_source):
    session, first, then = policy.session(), _seen(tabletop_source), _seen(tabletop_source, 1)
    assert session.infer(first)["history"] == 0
    actions = session.infer(first)["actions"][:REPLAN]
    states = np.stack([first["state"]] * REPLAN)
    answers = []
    for done in (actions, -actions):
        session = policy.session()
        session.infer(first)
        told = session.infer(then | {"executed": done, "executed_states": states})
        assert told["history"] == REPLAN
        answers.append(told["actions"])
    assert not np.allclose(*answers)


def test_commands_count_as_executed_where_the_client_says_nothing(policy, tabletop_source):
    first, then = _seen(tabletop_source), _seen(tabletop_source, 1)
    silent, telling = policy.session(), policy.session()
    commanded = telling.infer(first)["actions"][:REPLAN]
    assert np.array_equal(silent.infer(first)["actions"][:REPLAN], commanded)
    between = np.linspace(first["state"], then["state"], REPLAN, endpoint=False)
    told = telling.infer(then | {"executed": commanded, "executed_states": between})
    np.testing.assert_allclose(silent.infer(then)["actions"], told["actions"], atol=1e-5)


def test_a_new_episode_forgets(policy, tabletop_source):
    first, then = _seen(tabletop_source), _seen(tabletop_source, 1)
    session, fresh = policy.session(), policy.session()
    session.infer(first)
    assert session.infer(then)["history"] == REPLAN
    again = session.infer(first | {"episode_id": "two"})
    assert again["history"] == 0
    assert np.array_equal(again["actions"], fresh.infer(first | {"episode_id": "two"})["actions"])


def test_what_was_executed_before_an_episode_began_is_no_part_of_it(policy, tabletop_source):
    first, width = _seen(tabletop_source), policy.action_spec.width
    late = {"executed": np.ones((2, width)), "executed_states": np.zeros((2, policy.state_spec.width))}
    assert policy.session().infer(first | late)["history"] == 0


def test_without_episode_id_it_acts_without_history_and_says_so_once(policy, tabletop_source, caplog):
    session, unnamed = policy.session(), observation_of(tabletop_source)
    with caplog.at_level(logging.WARNING):
        found = [session.infer(unnamed) for _ in range(3)]
    assert [f["history"] for f in found] == [0, 0, 0]
    assert sum("episode_id" in record.message for record in caplog.records) == 1


def test_an_unnamed_look_in_between_leaves_no_past_with_a_hole(policy, tabletop_source):
    session, named = policy.session(), _seen(tabletop_source)
    unnamed = observation_of(tabletop_source)
    answers = [session.infer(seen)["history"] for seen in (named, named, unnamed, named, named)]
    assert answers == [0, REPLAN, 0, 0, REPLAN]


def test_acting_without_history_is_what_the_second_pass_teaches(policy, tabletop_source):
    """No past, and a past that a pass drops, are one and the same to the model."""
    sample = tabletop_source.sample(1, Needs(horizon=CHUNK, history=PAST))
    noise = policy.model_noise(0)
    blind = policy.act([replace(sample, past=None, future=None)], noise)[0]
    batch = policy.collate([_example(replace(sample, future=None))])
    dropped = policy.model.sample(batch, noise, drop=("history",))
    np.testing.assert_allclose(policy.robot.numbers.action_inverse(dropped[0].numpy(), sample.state), blind, atol=1e-6)
    with_past = policy.model.sample(batch, noise)
    assert not torch.allclose(with_past, dropped)


def test_the_future_cannot_leak_into_the_history_token(policy, tabletop_source):
    """Trap 2 of the specification: with other actions ahead the prediction of a training forward stays what it was."""
    sample = tabletop_source.sample(1, Needs(horizon=CHUNK, history=PAST))
    other = replace(sample, future=replace(sample.future, actions=sample.future.actions + 1, states=sample.future.states - 1))
    latents = []
    for one in (sample, other, replace(sample, past=replace(sample.past, actions=sample.past.actions + 1))):
        batch = policy.collate([_example(one)])
        with torch.no_grad():
            latents.append(policy.model(batch, policy.model.draw(batch, torch.Generator().manual_seed(0))).latents)
    assert torch.equal(latents[0]["predicted"], latents[1]["predicted"])
    assert not torch.allclose(latents[0]["encoded"], latents[1]["encoded"])
    assert not torch.allclose(latents[0]["predicted"], latents[2]["predicted"]), "the past must be seen, or nothing was tested"


def _example(sample):
    return Example(sample, sample.instruction)


def test_rows_of_states_and_actions_must_be_equally_many(policy, tabletop_source):
    width = policy.action_spec.width
    with pytest.raises(ObservationError, match="executed_states has 1 rows, executed has 2"):
        policy.session().infer(_seen(tabletop_source) | {"executed": np.zeros((2, width)), "executed_states": np.zeros((1, policy.state_spec.width))})


def test_a_robot_without_a_state_tells_what_it_executed_all_the_same():
    assert _rows(np.zeros((5, 0)), "executed_states", ()).shape == (5, 0)


def test_a_window_keeps_the_latest_steps_and_marks_what_was_before_the_episode():
    history, state = History(3), np.array([1.0, 2.0], np.float32)
    empty = history.window(state, 1)
    assert not empty.valid.any() and (empty.states == state).all()
    for step in range(5):
        history.look({"state": state, "executed": np.full((1, 1), step, np.float32), "executed_states": np.full((1, 2), step, np.float32)})
        window = history.window(state, 1)
        assert window.valid.tolist() == [step >= 2, step >= 1, True]
    assert window.actions[:, 0].tolist() == [2, 3, 4] and window.states[0].tolist() == [2, 2]
