"""Muon for matrices: the library's own updates, nothing where nothing is to be done, and a run that goes on as if it had not been stopped."""

from dataclasses import replace

import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_model, micro_run, micro_stage, whole_and_resumed
from torch import nn

from praxia.errors import ConfigError
from praxia.stages.weights import read_tensors
from praxia.train import checkpoint
from praxia.train.loop import train
from praxia.train.muon import matrices, orthogonal
from praxia.train.optimiser import AdamW

SPEC = AdamW(lr=1e-3, weight_decay=0.1, muon=0.02)


def parameters(seed: int = 0) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"layers.0.weight": (32, 48), "layers.1.weight": (32, 48), "layers.2.weight": (64, 16), "slim.weight": (7, 32), "bias": (32,)}
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}


def test_they_move_as_with_the_library_s_muon_and_the_rest_as_with_its_adamw():
    ours, theirs = parameters(), parameters()
    optimiser = SPEC.build(ours)
    hidden = [theirs[f"layers.{i}.weight"] for i in range(3)]
    rest = [{"params": [theirs["slim.weight"]], "weight_decay": 0.1}, {"params": [theirs["bias"]], "weight_decay": 0.0}]
    others = [torch.optim.Muon(hidden, lr=0.02, weight_decay=0.1 * 1e-3 / 0.02), torch.optim.AdamW(rest, lr=1e-3, betas=SPEC.betas, fused=True)]
    for step in range(5):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * group["factor"]
        for found in (ours, theirs):
            generator = torch.Generator().manual_seed(step)
            for parameter in found.values():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
        for each in (optimiser, *others):
            each.step()
    for name, parameter in ours.items():
        tolerance = 3e-3 if "layers" in name else 1e-6  # the library makes matrices orthogonal in bf16
        torch.testing.assert_close(parameter, theirs[name], rtol=0, atol=tolerance)
        assert (parameter - parameters()[name]).abs().max() > 1e-3


def test_gradients_are_divided_and_steps_skipped_as_the_loop_asks():
    scaled, plain = parameters(), parameters()
    optimisers = [SPEC.build(found) for found in (scaled, plain)]
    for factor, found, optimiser in ((8.0, scaled, optimisers[0]), (1.0, plain, optimisers[1])):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * group["factor"]
        for parameter in found.values():
            parameter.grad = factor * torch.ones_like(parameter)
        optimiser.grad_scale, optimiser.found_inf = torch.tensor(factor), torch.zeros(())
        optimiser.step()
    for name, parameter in scaled.items():
        torch.testing.assert_close(parameter, plain[name])
    before = {name: parameter.detach().clone() for name, parameter in plain.items()}
    momenta = {name: optimisers[1].state[plain[name]]["momentum_buffer"].clone() for name in matrices(plain, tables=True)}
    for parameter in plain.values():
        parameter.grad = torch.full_like(parameter, torch.nan)
    optimisers[1].found_inf = torch.ones(())
    optimisers[1].step()
    assert all(torch.equal(before[name], parameter) for name, parameter in plain.items())
    assert momenta and all(torch.equal(kept, optimisers[1].state[plain[name]]["momentum_buffer"]) for name, kept in momenta.items())


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 64, 16), (2, 16, 64)])
def test_steps_are_about_equal_in_every_direction(shape):
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert values[:, :-2].min() > 0.6 and values.max() < 1.3


def test_vectors_slim_matrices_and_large_vocabularies_are_left_to_adamw():
    names = {
        name: nn.Parameter(torch.zeros(shape))
        for name, shape in {
            "backbone.layers.0.mlp.weight": (32, 32), "backbone.embed_tokens.weight": (9000, 32),
            "conv": (16, 16, 3), "tokens.registers.weight": (6, 32), "head.out.weight": (7, 32), "norm": (32,),
        }.items()
    }  # fmt: skip
    small = "words.embed_tokens.weight"
    names[small] = nn.Parameter(torch.zeros(100, 32))
    assert matrices(names, tables=True) == {"backbone.layers.0.mlp.weight", small}
    assert matrices(names, tables=False) == {"backbone.layers.0.mlp.weight"}


def test_a_resumed_run_gives_the_weights_of_one_that_was_not_stopped(tmp_path):
    stage = micro_stage(steps=12, optimiser=AdamW(lr=3e-3, warmup=4, muon=0.02), validate_every=0)
    whole, resumed = whole_and_resumed(tmp_path, stage)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_momenta_are_in_the_checkpoint(tmp_path):
    stage = micro_stage(steps=2, optimiser=AdamW(muon=0.02), validate_every=0)
    folder = micro_run(tmp_path, stage).stage("robot")
    train(micro_model(), stage, MicroStream(), folder, SETTINGS)
    kept = read_tensors(checkpoint.folders(folder.checkpoints)[-1] / "optimiser.safetensors")
    assert any(key.startswith("momentum_buffer:") for key in kept) and any(key.startswith("exp_avg:") for key in kept)


def test_what_muon_cannot_do_is_refused(tmp_path):
    for fields in ({"muon": -0.1}, {"muon": 0.02, "bits": 8}):
        with pytest.raises(ConfigError, match=r"AdamW.muon is"):
            AdamW(**fields)
    stage = micro_stage(steps=2, optimiser=AdamW(muon=0.02))
    with pytest.raises(ConfigError, match="needs whole matrices"):
        train(micro_model(), stage, MicroStream(), micro_run(tmp_path, stage).stage("robot"), replace(SETTINGS, spread="shard"))
