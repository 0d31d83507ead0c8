"""Moments of 8 bits: they follow float32 ones closely, take a quarter of the room, and go on from a checkpoint to the last bit."""

import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_model, micro_run, micro_stage, whole_and_resumed
from test_parallel import lines, start

from praxia.stages.weights import read_tensors
from praxia.train import adamw_8bit, checkpoint
from praxia.train.adamw_8bit import AdamW8bit, code_book, decode, encode
from praxia.train.loop import train
from praxia.train.optimiser import AdamW

SPEC = AdamW(lr=1e-2, weight_decay=0.1, bits=8)


def parameters(seed: int = 0) -> dict[str, torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return {"large": torch.nn.Parameter(torch.randn(90, 70, generator=generator)), "small": torch.nn.Parameter(torch.randn(50, generator=generator))}


def test_codes_stand_for_numbers_of_many_sizes():
    for signed in (True, False):
        book = code_book(signed)
        assert len(book) == 256 and (book.diff() > 0).all() and {0.0, 1.0} <= set(book.tolist()) and (book[0] < 0) == signed
    values = torch.randn(3000, generator=torch.Generator().manual_seed(0)) * torch.logspace(-4, 0, 3000)
    codes, scales = encode(values, True)
    found = decode(codes, scales, len(values), True)
    scale = scales.repeat_interleave(256)[:3000]
    nearest = (code_book(True)[None] - (values / scale)[:, None]).abs().amin(1)
    torch.testing.assert_close((found - values).abs() / scale.abs(), nearest, rtol=1e-3, atol=1e-6)
    assert ((found - values).abs() / scale.abs()).max() < 0.008
    again = encode(found, True)
    assert torch.equal(scales, again[1]) and torch.equal(codes, again[0]), "decoded numbers are encoded to the same codes"


def test_it_follows_the_float32_optimiser():
    ours, theirs = parameters(), parameters()
    eight, whole = SPEC.build(ours), AdamW(lr=1e-2, weight_decay=0.1).build(theirs)
    target = parameters(1)
    for _ in range(100):
        for some, optimiser in ((ours, eight), (theirs, whole)):
            for name, parameter in some.items():
                parameter.grad = parameter.detach() - target[name].detach()
            optimiser.grad_scale, optimiser.found_inf = torch.tensor(2.0), torch.tensor(0.0)
            optimiser.step()
    torch.testing.assert_close(ours["small"], theirs["small"], rtol=1e-5, atol=1e-6)  # float32 moments
    moved = (theirs["large"] - parameters()["large"]).abs().mean()
    assert (ours["large"] - theirs["large"]).abs().mean() < 0.03 * moved
    held = sum(t.numel() * t.element_size() for t in eight.state[ours["large"]].values())
    assert held < 0.27 * sum(t.numel() * t.element_size() for t in whole.state[theirs["large"]].values())


def test_a_skipped_update_changes_nothing():
    some = parameters()
    optimiser = SPEC.build(some)
    assert isinstance(optimiser, AdamW8bit)
    for bad in (False, True):
        before = {n: p.detach().clone() for n, p in some.items()}
        moments = {n: optimiser.moments(p) for n, p in some.items()}
        for parameter in some.values():
            parameter.grad = torch.full_like(parameter, torch.nan if bad else 0.5)
        optimiser.found_inf = torch.tensor(float(bad))
        optimiser.step()
        assert all(torch.equal(before[n], p) == bad for n, p in some.items())
    assert all(torch.equal(value, optimiser.moments(some[n])[kind]) for n, found in moments.items() for kind, value in found.items())


def test_a_resumed_run_gives_the_weights_of_one_that_was_not_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(adamw_8bit, "LEAST", adamw_8bit.BLOCK)
    stage = micro_stage(steps=14, optimiser=AdamW(lr=3e-3, warmup=5, bits=8), validate_every=0)
    whole, resumed = whole_and_resumed(tmp_path, stage)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_moments_on_disk_are_plain_float32(tmp_path, monkeypatch):
    monkeypatch.setattr(adamw_8bit, "LEAST", adamw_8bit.BLOCK)
    stage = micro_stage(steps=2, optimiser=AdamW(bits=8), validate_every=0)
    folder = micro_run(tmp_path, stage).stage("robot")
    model = micro_model()
    train(model, stage, MicroStream(), folder, SETTINGS)
    kept = read_tensors(checkpoint.folders(folder.checkpoints)[-1] / "optimiser.safetensors")
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert kept and all(t.dtype == torch.float32 and t.shape in ((), shapes[key.partition(":")[2]]) for key, t in kept.items())
    assert sum(t.numel() >= adamw_8bit.BLOCK for t in kept.values()) > 10


@pytest.mark.slow  # half a minute; shards with float32 moments are tested every time
def test_shards_train_alike(tmp_path):
    """Blocks begin elsewhere in a share of a tensor, so moments are rounded otherwise."""
    for processes, name in ((1, "alone"), (2, "shards")):
        start(tmp_path / name, processes, "--steps", "6", "--bits", "8", *(("--spread", "shard") if processes > 1 else ()))
    losses = [[line["loss"] for line in lines(tmp_path / name) if line["kind"] == "step"] for name in ("alone", "shards")]
    assert losses[1] == pytest.approx(losses[0], rel=0.05) and losses[0] != losses[1]
