"""Multi-head attention of the parts that are ours (heads, fusion, mask decoder); language models keep the library's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Attention


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, kind: Attention) -> Tensor:
    """Attention of rows [B, heads, Q, d] to keys and values [B, heads, N, d] -> [B, Q, heads * d]. seen: bool [B, N], None = all."""
    # a finite number, not -inf: a sample with nothing to see must not become NaN
    bias = None if seen is None else torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, -1e4)[:, None, None]
    if kind == "plain":
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        out = (scores if bias is None else scores + bias).softmax(-1).to(value.dtype) @ value
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
