from itertools import pairwise

import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_model, micro_stage

from praxia.errors import ConfigError
from praxia.train.checkpoint import Trainee
from praxia.train.ema import Ema
from praxia.train.guard import NanGuard
from praxia.train.optimiser import AdamW
from praxia.train.stream import prepare
from praxia.train.trainable import apply_trainable
from praxia.train.update import Update


def test_cosine_with_warm_up_has_the_textbook_values():
    schedule = AdamW(lr=1.0, final=0.1, warmup=10)
    assert [schedule.rate(step, 110) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert schedule.rate(60, 110) == pytest.approx(0.55)
    assert schedule.rate(110, 110) == pytest.approx(0.1)


def test_a_cosine_may_be_down_before_the_stage_ends():
    short, whole = AdamW(lr=1.0, final=0.1, warmup=10, decay_steps=110), AdamW(lr=1.0, final=0.1, warmup=10)
    assert [short.rate(step, 500) for step in (5, 60, 109)] == [whole.rate(step, 110) for step in (5, 60, 109)]
    assert short.rate(110, 500) == short.rate(499, 500) == pytest.approx(0.1)
    with pytest.raises(ConfigError, match="AdamW.decay_steps is -1"):
        AdamW(decay_steps=-1)


def test_constant_is_flat_then_falls_linearly_to_the_final_rate():
    schedule = AdamW(lr=1.0, final=0.0, warmup=10, shape="constant", decay_fraction=0.2)
    rates = [schedule.rate(step, 100) for step in range(100)]
    assert rates[10:80] == pytest.approx([1.0] * 70)
    falls = [a - b for a, b in pairwise(rates[80:])]
    assert falls == pytest.approx([falls[0]] * 19) and 0 < rates[99] < 0.06


def test_a_short_stage_warms_up_for_a_quarter_of_it_at_most():
    assert AdamW(lr=1.0, warmup=100).rate(4, 20) == 1.0


def test_groups_are_merged_by_decay_and_factor():
    parameters = dict(micro_model().named_parameters())
    optimiser = AdamW(weight_decay=0.1, multipliers=(("head.*", 0.5),)).build(parameters)
    assert sorted((g["factor"], g["weight_decay"]) for g in optimiser.param_groups) == [(0.5, 0.0), (0.5, 0.1), (1.0, 0.0), (1.0, 0.1)]
    assert all(p.ndim < 2 for g in optimiser.param_groups if g["weight_decay"] == 0 for p in g["params"])
    with pytest.raises(ConfigError, match=r"'expert\.\*' matches no trainable parameter"):
        AdamW(multipliers=(("expert.*", 0.5),)).build(parameters)


def one_update(stage, spoil=None):
    model = micro_model()
    parameters = apply_trainable(model, ("*",), ())
    before = {name: p.detach().clone() for name, p in parameters.items()}
    trainee = Trainee(model, parameters, stage.optimiser.build(parameters), Ema(parameters, 0.9))
    update = Update(model, stage, trainee, NanGuard(torch.device("cpu")), {}, SETTINGS)
    micros = prepare(model, MicroStream().step(0), 1, False, "test")
    if spoil:
        spoil(micros)
    metrics = update(micros, 0, 1e-3, 0)
    return metrics, before, parameters, trainee, update


def test_clipping_in_the_fused_kernel_is_the_clipping_of_the_textbook():
    stage = micro_stage(optimiser=AdamW(clip=0.01))
    metrics, before, after, *_ = one_update(stage)
    assert metrics["gradient_norm"] > 0.1

    model = micro_model()
    parameters = apply_trainable(model, ("*",), ())
    reference = Update(
        model, stage, Trainee(model, parameters, torch.optim.SGD(parameters.values()), None), NanGuard(torch.device("cpu")), {}, SETTINGS
    )
    reference.gradients(prepare(model, MicroStream().step(0), 1, False, "test"), 0, 0)
    torch.nn.utils.clip_grad_norm_(parameters.values(), 0.01)
    groups = [{"params": [p for p in parameters.values() if (p.ndim >= 2) == decays], "weight_decay": 0.05 * decays} for decays in (True, False)]
    torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, foreach=False, fused=False).step()
    for name, parameter in parameters.items():
        assert not torch.equal(parameter, before[name]) or parameter.grad is None
        torch.testing.assert_close(after[name], parameter, rtol=1e-5, atol=1e-7)


def spoil_state(micros):
    micros[0].batch.state[2, 0] = torch.nan


def test_a_step_with_nan_moves_neither_parameters_nor_moments():
    metrics, before, after, trainee, update = one_update(micro_stage(), spoil_state)
    assert metrics["skipped"] == 1 and update.guard.look() == (1, 1, 0)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(not moments["exp_avg"].any() and moments["step"] == 0 for moments in trainee.optimiser.state.values())


def test_the_average_follows_the_formula():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    ema, expected = Ema({"w": parameter}, 0.5), torch.tensor([1.0, -2.0])
    for number, value in enumerate((3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0, 29.0, 31.0)):
        parameter.data.fill_(value)
        ema.update(number)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(ema.averages["w"], expected)
    with ema.in_place():
        torch.testing.assert_close(parameter.data, expected)
    assert parameter.tolist() == [31.0, 31.0]
