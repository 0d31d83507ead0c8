from dataclasses import replace

import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_batch, micro_model, micro_stage
from tests.models import compositions

from praxia.data.mixture import MicroBatch
from praxia.errors import ConfigError
from praxia.objectives import FlowMatching, NextToken
from praxia.stages.recipe import Weighted
from praxia.train.checkpoint import Trainee
from praxia.train.guard import NanGuard
from praxia.train.stream import prepare
from praxia.train.trainable import apply_trainable
from praxia.train.update import Update, worker_count


def gradients(stage, micros, parts, model=None, workers=1, step=0, schedule_step=0):
    """Metrics and gradients of one step with every micro-batch in `parts` pieces."""
    model = model or micro_model()
    parameters = apply_trainable(model, ("*",), ())
    trainee = Trainee(model, parameters, stage.optimiser.build(parameters), None)
    update = Update(model, stage, trainee, NanGuard(torch.device("cpu")), {}, replace(SETTINGS, workers=workers))
    metrics = update.gradients(prepare(model, micros, parts, False, "test"), step, schedule_step)
    return metrics, {name: p.grad for name, p in parameters.items() if p.grad is not None}


@pytest.mark.parametrize("passes", [((),), ((), ("history",))])
def test_accumulation_equals_one_big_batch_although_pieces_have_unequal_validity(passes):
    stage = micro_stage(passes=passes)
    micros = MicroStream().step(3)
    valid = micros[0].batch.future.valid.sum(1)
    assert valid[:3].sum() != valid[3:].sum()
    whole, expected = gradients(stage, micros, 1)
    pieces, found = gradients(stage, micros, 3)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=2e-4, atol=1e-6)
    for name, value in whole.items():
        torch.testing.assert_close(pieces[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("passes", [((),), ((), ("history",))])
def test_workers_beside_each_other_give_the_gradients_of_one_and_the_same_bits_every_time(passes):
    stage, micros = micro_stage(passes=passes), MicroStream().step(3)
    one, expected = gradients(stage, micros, 3)
    metrics, found = gradients(stage, micros, 3, workers=3)
    for _ in range(3):
        again, others = gradients(stage, micros, 3, workers=3)
        assert again == metrics
        assert all(torch.equal(found[name], gradient) for name, gradient in others.items())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-7)
    for name, value in one.items():
        torch.testing.assert_close(metrics[name], value, rtol=1e-6, atol=1e-7)


def test_what_has_faded_out_costs_nothing_between_two_looks():
    """Action Priors distils over its first steps; afterwards a chunk's own latent is neither encoded nor decoded, but for the curve."""
    recipe = compositions.composition("action_priors")
    robot = recipe.stages[-1]
    micros = [MicroBatch(compositions.batch(recipe, robot), "action_chunk")]
    found, decoded = {}, {}
    for name, step, schedule_step in (("distils", 1, 1), ("looked at", SETTINGS.log_every, 3), ("between", SETTINGS.log_every + 1, 3)):
        model = compositions.build(recipe, robot)
        calls: list[int] = []
        model.head.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        found[name] = gradients(robot.stage, micros, 1, model, step=step, schedule_step=schedule_step)
        decoded[name] = len(calls)
    passes = len(robot.stage.passes)
    assert decoded == {"distils": 2 * passes, "looked at": 2 * passes, "between": passes}
    assert {"latent_alignment", "reconstruction"} <= found["looked at"][0].keys() - found["between"][0].keys()
    assert found["between"][1].keys() == found["looked at"][1].keys()
    for name, gradient in found["looked at"][1].items():
        assert torch.equal(found["between"][1][name], gradient)


def test_workers_refuse_a_layer_that_draws():
    model = micro_model()
    model.head.action_in_proj = torch.nn.Sequential(model.head.action_in_proj, torch.nn.Dropout(0.1))
    gradients(micro_stage(), MicroStream().step(0), 2, model)
    with pytest.raises(ConfigError, match=r"stage 'robot': a layer draws random numbers.*workers=1"):
        gradients(micro_stage(), MicroStream().step(0), 2, model, workers=2)


def test_by_default_there_is_a_worker_for_sixteen_samples_and_no_more_than_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    counts = [worker_count(SETTINGS, micro_stage(batch=batch, accumulate=parts)) for batch, parts in ((8, 1), (32, 1), (32, 2), (256, 1))]
    assert counts == [1, 2, 1, 4]
    assert worker_count(replace(SETTINGS, workers=3), micro_stage(batch=8)) == 3
    assert worker_count(replace(SETTINGS, device="cuda", workers=3), micro_stage(batch=256)) == 1


def test_the_loss_of_a_step_is_the_weighted_sum_of_the_normalised_losses():
    metrics, _ = gradients(micro_stage(), MicroStream().step(0), 2)
    torch.testing.assert_close(metrics["loss"], metrics["flow_matching"] + 0.5 * metrics["next_token"])


def test_a_batch_with_nothing_valid_adds_nothing():
    stage, micros = micro_stage(), MicroStream().step(0)
    empty = micros[0].batch
    empty = replace(empty, future=replace(empty.future, valid=torch.zeros_like(empty.future.valid)))
    _, expected = gradients(stage, micros[:1], 1)
    metrics, found = gradients(stage, [micros[0], MicroBatch(empty, "action_chunk")], 1)
    assert torch.isfinite(metrics["loss"])
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("objective", [FlowMatching(), FlowMatching(over="all"), FlowMatching(mean="samples"), NextToken()])
def test_what_an_objective_counts_beforehand_is_proportional_to_its_weights(objective):
    model, ratios = micro_model(), []
    for seed in range(3):
        (prepared,) = prepare(model, [MicroBatch(micro_batch(seed, 4 + seed), "both")], 1, False, seed)
        ((name, (_, weight)),) = objective(model(prepared.batch, prepared.draws), prepared.batch, {}).items()
        ratios.append(float(weight / objective.count(prepared.batch)[name]))
    assert ratios == pytest.approx([ratios[0]] * 3)


def test_supervision_that_nothing_scores_is_an_error_that_names_it():
    stage = micro_stage(objectives=(Weighted(FlowMatching(), on=("action_chunk",)),))
    with pytest.raises(ConfigError, match=r"no objective of the stage scores supervision 'questions'.*FlowMatching on"):
        gradients(stage, MicroStream().step(0), 1)
