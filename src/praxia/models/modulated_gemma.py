"""Gemma layers whose norms are modulated by a condition: adaptive RMS norm, as in the action expert of pi0.5 (arXiv 2504.16054)."""

import torch
from torch import Tensor, nn
from transformers import Cache, GemmaConfig
from transformers.models.gemma.modeling_gemma import GemmaAttention, GemmaMLP, GemmaRotaryEmbedding


class AdaptiveRMSNorm(nn.Module):
    """rows, condition -> norm(rows) (1 + scale) + shift, and a gate for the branch behind it; no gain of its own.

    `dense` (its public name) starts at zero: then the norm is a plain one and the gate is shut, so a fresh layer passes its rows on unchanged.
    """

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.eps = eps
        self.dense = nn.Linear(width, 3 * width)
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, rows: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """rows [B, N, W], condition [B, W] -> normed [B, N, W], gate [B, 1, W]."""
        scale, shift, gate = self.dense(condition)[:, None].chunk(3, dim=-1)
        wide = rows.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (normed * (1 + scale.float()) + shift.float()).to(rows.dtype), gate


class ModulatedGemmaLayer(nn.Module):
    """One Gemma block with adaptive norms; attention and MLP are the library's."""

    def __init__(self, config: GemmaConfig, index: int):
        super().__init__()
        self.self_attn = GemmaAttention(config, index)
        self.mlp = GemmaMLP(config)
        self.input_layernorm = AdaptiveRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = AdaptiveRMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, rows: Tensor, condition: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor, cache: Cache) -> Tensor:
        """rows [B, N, W] -> [B, N, W]; the layer's keys and values are appended to the cache."""
        normed, gate = self.input_layernorm(rows, condition)
        attended, _ = self.self_attn(normed, position_embeddings=rotary, attention_mask=mask, past_key_values=cache)
        rows = rows + gate * attended
        normed, gate = self.post_attention_layernorm(rows, condition)
        return rows + gate * self.mlp(normed)


class ModulatedGemma(nn.Module):
    """A Gemma stack without a vocabulary; parameter names are the library's, but for the norms."""

    def __init__(self, config: GemmaConfig):
        super().__init__()
        self.layers = nn.ModuleList([ModulatedGemmaLayer(config, i) for i in range(config.num_hidden_layers)])
        self.norm = AdaptiveRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.rotary_emb = GemmaRotaryEmbedding(config)

    def forward(self, rows: Tensor, condition: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """rows [B, N, W] behind the cached ones, condition [B, W], mask as the library takes it, positions int64 [B, N] -> [B, N, W]."""
        rotary = self.rotary_emb(rows, positions)
        for layer in self.layers:
            rows = layer(rows, condition, rotary, mask, cache)
        return self.norm(rows, condition)[0]
