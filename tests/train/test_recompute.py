"""Recomputed activations: less is kept, gradients stay the same to the last bit."""

import pytest
import torch
from micro_training import micro_batch, micro_model

from praxia.errors import ConfigError
from praxia.train.recompute import recompute, restore

PATTERNS = ("*.mlp", "*encoder.layers.*")


def gradients(patterns):
    """Gradients by name, and the bytes that the forward keeps for the backward."""
    model, batch = micro_model(), micro_batch(1)
    own, kept = {p.data_ptr() for p in model.parameters()}, {}
    chosen = recompute(model, patterns)

    def keep(tensor):
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model(batch, model.draw(batch, torch.Generator().manual_seed(0)))
    size = sum(size for place, size in kept.items() if place not in own)
    (outputs.heads["action"].prediction - outputs.heads["action"].target).square().mean().backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}, size, chosen


def test_less_is_kept_and_gradients_are_the_same():
    plain, all_kept, none = gradients(())
    again, fewer_kept, chosen = gradients(PATTERNS)
    # two of the decoder, two of the expert, one block of the tower (its mlp is inside)
    assert none == {} and [calls.count for calls in chosen.values()] == [1] * 5
    assert fewer_kept < 0.9 * all_kept
    assert plain.keys() == again.keys() and all(torch.equal(plain[name], again[name]) for name in plain)


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"pattern 'backbone\.blocks\.\*' matches no module; nearest"):
        recompute(micro_model(), ("backbone.blocks.*",))


def test_a_layer_that_appends_to_a_cache_is_refused():
    with pytest.raises(ConfigError, match=r"language_model.layers.0' appends to a cache"):
        recompute(micro_model(), ("*language_model.layers.*",))


def test_a_model_is_as_it_was_when_recomputing_is_undone():
    model = micro_model()
    chosen = recompute(model, PATTERNS)
    restore(model, chosen)
    assert all("forward" not in vars(module) for module in model.modules())
