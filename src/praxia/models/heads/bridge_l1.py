"""Bridge attention head: one block for each layer of the language model, regressed with L1 (VLA-Adapter, arXiv 2509.09372).

It is the parent of PokeVLA's head, which is compared with it.

Block k looks at layer k: one softmax over the latents themselves, the queries with the state, and the views; then x <- ReLU(W LN(attention + x)).
Kept of the public code: both its forms, the gate on logits, the block without a second residual. Not copied: latents that are fresh noise in every
training step and zeros afterwards (its norm blows the noise up to unit size; here they are learned, one a step); views read one position too early;
a FiLM generator that nothing uses.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from praxia.errors import ConfigError
from praxia.models.attention import Attention, attend
from praxia.models.heads.head import RegressionHead
from praxia.models.spec_checks import check_choice, check_counts
from praxia.models.states import AttentionGeometry, PrefixStates, Want
from praxia.registry import register

_ROTARY_BASE = 1e4


@register("head/bridge_l1")
@dataclass(frozen=True)
class BridgeL1:
    """Sizes of the head and of the chunk; it has as many blocks as the language model has layers.

    form: `pro` has keys and values of its own for latents, queries and views, and rotary positions that start anew in each; `base` has one projection
    for all three (so `width` is the language model's) and no positions.
    gate: what tanh(g) of the views multiplies, g = 0 at the start: their `logits` in the one softmax, as published (they start with score 0, not
    without weight), or their `outputs`, from a softmax of their own (they start without a say, as in `cross_attention_l1`).
    queries, goal: token groups as in `cross_attention_l1`; the goal stands beside queries and state (the parent has none: goal="").
    """

    horizon: int = 8
    action_width: int = 7
    state_width: int = 8
    width: int = 896
    heads: int = 8
    form: Literal["base", "pro"] = "pro"
    gate: Literal["logits", "outputs"] = "logits"
    queries: str = "queries"
    goal: str = "seg"
    attention: Attention = "sdpa"

    def __post_init__(self) -> None:
        check_counts(self, "horizon", "width", "heads")
        check_counts(self, "action_width", "state_width", least=0)
        check_choice(self, "form", ("base", "pro"))
        check_choice(self, "gate", ("logits", "outputs"))
        if self.width % self.heads or (self.form == "pro" and self.width // self.heads % 2):
            raise ConfigError(
                f"BridgeL1.width {self.width} over {self.heads} heads; each head needs a whole, for form 'pro' an even number of channels"
            )

    def build(self, geometry: AttentionGeometry | None, prefix_width: int) -> "BridgeL1Head":
        """The module. prefix_width: width of the prefix states."""
        if geometry is None:
            raise ConfigError("head 'bridge_l1' reads prefix states; this model has no backbone. Use head 'prior_decoder'")
        if self.form == "base" and self.width != prefix_width:
            raise ConfigError(
                f"BridgeL1.width is {self.width}; form 'base' shares its projections with the states, which are {prefix_width} wide: set that"
            )
        return BridgeL1Head(self, geometry.layers, prefix_width)


class BridgeL1Head(RegressionHead):
    """The module of `BridgeL1`."""

    want = Want(layers=True)

    def __init__(self, spec: BridgeL1, layers: int, prefix_width: int):
        super().__init__()
        self.spec = spec
        self.latents = nn.Parameter(0.02 * torch.randn(spec.horizon, spec.width))
        self.state_in = nn.Sequential(nn.Linear(spec.state_width, prefix_width), nn.GELU(), nn.Linear(prefix_width, prefix_width))
        self.blocks = nn.ModuleList([BridgeBlock(spec, prefix_width) for _ in range(layers)])
        self.out = nn.Sequential(nn.LayerNorm(spec.width), nn.Linear(spec.width, spec.action_width))

    def actions(self, prefix: PrefixStates, state: Tensor) -> Tensor:
        spec = self.spec
        groups = (spec.queries, spec.goal) if spec.goal else (spec.queries,)
        told = self.state_in(state)[:, None]
        rows = self.latents.expand(len(state), -1, -1)
        for layer, block in enumerate(self.blocks, start=1):  # layer 0 are the embeddings
            queries = torch.cat([*(prefix.group(name, layer) for name in groups), told], dim=1)
            rows = block(rows, queries, prefix.views(layer).flatten(1, 2), prefix.views_valid())
        return self.out(rows).float()


class BridgeBlock(nn.Module):
    """Latents look at three groups: themselves, queries with state, views."""

    def __init__(self, spec: BridgeL1, prefix_width: int):
        super().__init__()
        self.spec = spec
        width, sources = spec.width, (spec.width, prefix_width, prefix_width) if spec.form == "pro" else (spec.width,)
        self.q_proj, self.o_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj = nn.ModuleList([nn.Linear(source, width) for source in sources])
        self.v_proj = nn.ModuleList([nn.Linear(source, width) for source in sources])
        self.view_gate = nn.Parameter(torch.zeros(()))
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU())

    def forward(self, rows: Tensor, queries: Tensor, views: Tensor, seen: Tensor) -> Tensor:
        """rows [B, H, W]; queries [B, Q, D]; views [B, N, D] with seen bool [B, N] -> [B, H, W]."""
        groups = (rows, queries, views)
        keys = [self._placed(self._heads(self.k_proj[i % len(self.k_proj)](group))) for i, group in enumerate(groups)]
        values = [self._heads(self.v_proj[i % len(self.v_proj)](group)) for i, group in enumerate(groups)]
        query, gate, kind = self._placed(self._heads(self.q_proj(rows))), self.view_gate.tanh(), self.spec.attention
        if self.spec.gate == "logits":
            keys[2] = keys[2] * gate  # a scaled key is a scaled logit
            all_seen = torch.cat([seen.new_ones(len(seen), rows.shape[1] + queries.shape[1]), seen], dim=1)
            looked = attend(query, torch.cat(keys, dim=2), torch.cat(values, dim=2), all_seen, kind)
        else:
            looked = attend(query, torch.cat(keys[:2], dim=2), torch.cat(values[:2], dim=2), None, kind)
            looked = looked + gate * attend(query, keys[2], values[2], seen, kind)
        return self.mlp(self.o_proj(looked) + rows)

    def _heads(self, rows: Tensor) -> Tensor:
        """[B, N, W] -> [B, heads, N, d]."""
        return rows.unflatten(-1, (self.spec.heads, -1)).transpose(1, 2)

    def _placed(self, rows: Tensor) -> Tensor:
        """Rows [B, heads, N, d] of one group, turned by their positions 0 to N - 1 in form `pro`."""
        return rotated(rows) if self.spec.form == "pro" else rows


def rotated(rows: Tensor) -> Tensor:
    """Rotary positions (arXiv 2104.09864) 0 to N - 1 on rows [..., N, d], d even: channel i turns with channel i + d / 2."""
    n, d = rows.shape[-2:]
    rates = _ROTARY_BASE ** -(torch.arange(0, d, 2, device=rows.device, dtype=torch.float32) / d)
    angles = torch.arange(n, device=rows.device, dtype=torch.float32)[:, None] * rates
    cos, sin = angles.cos().to(rows.dtype), angles.sin().to(rows.dtype)
    a, b = rows.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
