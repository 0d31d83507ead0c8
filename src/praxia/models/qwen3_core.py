"""Qwen3 transformer without a vocabulary: sizes, and the form whose norms are modulated by a condition (Action Priors encoder and decoder)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3Model
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3MLP, Qwen3RMSNorm, Qwen3RotaryEmbedding

from praxia.errors import ConfigError
from praxia.models.attention import Attention, library_name
from praxia.models.backbones.public import load_public, public_config
from praxia.models.spec_checks import check_counts
from praxia.registry import register


@register("core/qwen3")
@dataclass(frozen=True)
class Qwen3Size:
    """Sizes of a Qwen3 decoder stack; defaults are Qwen3-0.6B. checkpoint: public name or folder that a stack starts from ("" = random)."""

    width: int = 1024
    layers: int = 28
    heads: int = 16
    kv_heads: int = 8
    head_dim: int = 128
    mlp: int = 3072
    checkpoint: str = ""

    def __post_init__(self) -> None:
        check_counts(self, "width", "layers", "heads", "kv_heads", "head_dim", "mlp")

    def hf_config(self, attention: Attention) -> Qwen3Config:
        """The same stack as a Hugging Face configuration (one unused vocabulary row). Raises ConfigError for heads that cannot share keys."""
        if self.heads % self.kv_heads:
            raise ConfigError(f"Qwen3Size.kv_heads is {self.kv_heads}; expected a divisor of heads {self.heads}, which share keys and values")
        if self.head_dim % 2:
            raise ConfigError(f"Qwen3Size.head_dim is {self.head_dim}; expected an even number, as rotary positions turn pairs")
        config = Qwen3Config(
            vocab_size=1,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head_dim,
            intermediate_size=self.mlp,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        )
        config._attn_implementation = library_name(attention)
        return config

    def public_weights(self) -> dict[str, Tensor]:
        """Weights of `checkpoint` under the library's names, without the vocabulary. Raises CheckpointError if it is of other sizes."""
        config = self.hf_config("plain")
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "rope_parameters")
        expected = {name: getattr(config, name) for name in names}
        config.vocab_size = public_config(self.checkpoint, "Qwen3Size").vocab_size
        stack = load_public(Qwen3Model, config, expected, self.checkpoint, "Qwen3Size")
        return {name: tensor for name, tensor in stack.state_dict().items() if not name.startswith("embed_tokens")}


class ModulatedQwen3(nn.Module):
    """Bidirectional Qwen3 stack whose norms are scaled, shifted and gated by a condition (adaRMS, as in pi0.5).

    Parameter names are the library's, plus `modulation`: y = norm(x) (1 + scale) + shift, residual x + (1 + gate) f(y), with the norm's own gain
    kept and the modulation starting at zero, so that pretrained blocks start as they were (the plain zero gate would switch them off).
    """

    def __init__(self, size: Qwen3Size, attention: Attention):
        super().__init__()
        config = size.hf_config(attention)
        self.layers = nn.ModuleList([ModulatedLayer(config, i) for i in range(size.layers)])
        self.norm = Qwen3RMSNorm(size.width, eps=config.rms_norm_eps)
        self.modulation = zero_linear(size.width, 2 * size.width)
        self.rotary_emb = Qwen3RotaryEmbedding(config)

    def forward(self, rows: Tensor, condition: Tensor) -> Tensor:
        """rows [B, N, W], condition [B, W] -> [B, N, W]."""
        positions = torch.arange(rows.shape[1], device=rows.device)[None]
        rotary = self.rotary_emb(rows, positions)
        for layer in self.layers:
            rows = layer(rows, condition, rotary)
        scale, shift = self.modulation(condition)[:, None].chunk(2, dim=-1)
        return self.norm(rows) * (1 + scale) + shift


class ModulatedLayer(nn.Module):
    """One Qwen3 block with modulated norms."""

    def __init__(self, config: Qwen3Config, index: int):
        super().__init__()
        self.self_attn = Qwen3Attention(config, index)
        self.self_attn.is_causal = False  # without a mask the library would fall back to a causal one
        self.mlp = Qwen3MLP(config)
        self.input_layernorm = Qwen3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = Qwen3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.modulation = zero_linear(config.hidden_size, 6 * config.hidden_size)

    def forward(self, rows: Tensor, condition: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """rows [B, N, W] -> [B, N, W]."""
        scale, shift, gate, scale2, shift2, gate2 = self.modulation(condition)[:, None].chunk(6, dim=-1)
        attended, _ = self.self_attn(self.input_layernorm(rows) * (1 + scale) + shift, position_embeddings=rotary, attention_mask=None)
        rows = rows + (1 + gate) * attended
        return rows + (1 + gate2) * self.mlp(self.post_attention_layernorm(rows) * (1 + scale2) + shift2)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that starts at zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
