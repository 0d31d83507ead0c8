"""Plain attention inside the library's models: what the library's own computes, with grouped keys, a mask and weights that can be read."""

import pytest
import torch
from transformers import Qwen3Config, Qwen3Model, SiglipVisionConfig, SiglipVisionModel

from praxia.models.attention import attend, library_name, plain
from praxia.models.backbones.backbone import additive_mask


def twins(kind, config):
    """The same model with the library's plain attention and with ours."""
    models = []
    for name in ("eager", library_name("plain")):
        config._attn_implementation = name
        torch.manual_seed(0)
        models.append(kind(config))
    return models


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_language_model_says_the_same(precision):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48}
    theirs, ours = twins(Qwen3Model, Qwen3Config(vocab_size=7, **sizes))
    rows, seen = torch.randn(2, 5, 32), torch.ones(2, 1, 5, 5, dtype=torch.bool).tril()
    seen[1, :, :, 2] = False
    told = {"inputs_embeds": rows, "attention_mask": additive_mask(seen, torch.bfloat16), "output_attentions": True}
    rtol, atol = (1e-4, 1e-5) if precision == torch.float32 else (0.05, 0.05)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        expected, found = theirs(**told), ours(**told)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, rtol=rtol, atol=atol)
    for a, b in zip(found.attentions, expected.attentions, strict=True):
        torch.testing.assert_close(a.float(), b.float(), rtol=rtol, atol=atol)
        assert (a[1, :, 2:, 2] == 0).all() and (a.float().sum(-1) - 1).abs().max() < 0.02
    expected.last_hidden_state.float().square().sum().backward()
    found.last_hidden_state.float().square().sum().backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if a.grad is not None:
            assert b.grad is not None
            assert (a.grad - b.grad).norm() <= (1e-4 if precision == torch.float32 else 0.05) * b.grad.norm() + 1e-5, name


def test_a_picture_tower_says_the_same():
    theirs, ours = twins(
        SiglipVisionModel,
        SiglipVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=8),
    )
    pictures = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(ours(pictures).last_hidden_state, theirs(pictures).last_hidden_state, rtol=1e-4, atol=1e-5)


def test_it_is_the_fused_attention_and_drops_weights_where_asked():
    query, key, value = torch.randn(3, 2, 4, 6, 8).unbind()
    seen = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    torch.testing.assert_close(attend(query, key, value, seen, "plain"), attend(query, key, value, seen, "sdpa"), rtol=1e-4, atol=1e-5)
    _, weights = plain(query, key, value, None, 8**-0.5, dropout=0.5)
    assert 0.2 < (weights == 0).float().mean() < 0.8
