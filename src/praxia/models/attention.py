"""Attention as matrix products: of the parts that are ours (heads, fusion, mask decoder), and inside the library's language models and towers.

At tiny sizes on CPUs the library's fused attention is slow backwards, and its plain one makes float32 copies of every weight.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from praxia.errors import ConfigError

Attention = Literal["sdpa", "plain"]
_NAME = "praxia_plain"


def library_name(kind: Attention) -> str:
    """What a library configuration calls it (`_attn_implementation`)."""
    return _NAME if kind == "plain" else kind


def plain(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float, dropout: float = 0.0) -> tuple[Tensor, Tensor]:
    """Rows [B, heads, Q, d] attend to keys and values [B, heads, N, d] -> found [B, heads, Q, d] and weights [B, heads, Q, N].

    bias: added to the scores, of a shape that spreads over theirs, None = nothing. The softmax sums in float32 whatever the numbers are.
    """
    scores = (query * scale) @ key.mT
    if bias is not None:
        scores += bias  # in place: nobody needs the scores themselves
    weights = F.dropout(scores.softmax(-1), dropout) if dropout else scores.softmax(-1)
    return weights.to(value.dtype) @ value, weights


def _in_the_library(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float, dropout: float = 0.0, **_: Any
) -> tuple[Tensor, Tensor]:
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = (x[:, :, None].expand(-1, -1, groups, -1, -1).flatten(1, 2) for x in (key, value))
    found, weights = plain(query, key, value, attention_mask, scaling, dropout)
    return found.transpose(1, 2).contiguous(), weights


AttentionInterface.register(_NAME, _in_the_library)
AttentionMaskInterface.register(_NAME, eager_mask)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, kind: Attention) -> Tensor:
    """Attention of rows [B, heads, Q, d] to keys and values [B, heads, N, d] -> [B, Q, heads * d]. seen: bool [B, N], None = all."""
    # a finite number, not -inf: a sample with nothing to see must not become NaN
    bias = None if seen is None else torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, -1e4)[:, None, None]
    if kind == "plain":
        out, _ = plain(query, key, value, bias, query.shape[-1] ** -0.5)
    else:
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return out.transpose(1, 2).flatten(2)


class MultiHeadAttention(nn.Module):
    """Rows [B, Q, width] attend to a context [B, N, context_width] (themselves if none is given).

    kind: `sdpa` or `plain` matrix products (faster for tiny models on CPU).
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None, kind: Attention = "sdpa"):
        super().__init__()
        if width % heads:
            raise ConfigError(f"attention width {width} is not divisible by {heads} heads; choose heads that divide the width")
        self.heads = heads
        self.kind: Attention = kind
        context_width = width if context_width is None else context_width
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(context_width, width)
        self.v_proj = nn.Linear(context_width, width)
        self.o_proj = nn.Linear(width, width)

    def forward(self, rows: Tensor, context: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        """[B, Q, width]. seen: bool [B, N], False = a context row nobody may look at; a sample without any sees the mean of its context."""
        context = rows if context is None else context
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection, x in ((self.q_proj, rows), (self.k_proj, context), (self.v_proj, context))
        )
        return self.o_proj(attend(query, key, value, seen, self.kind))
