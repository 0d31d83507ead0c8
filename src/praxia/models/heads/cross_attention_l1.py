"""Cross-attention head: action latents attend to queries and state, to the views, and to the goal token; regressed with L1 (PokeVLA, action expert).

Blocks: self -> [queries; state] -> views -> goal -> MLP, pre-norm residuals (arXiv 2604.20834). Published are the order of the four attentions, one
latent for each number of the chunk and the loss; widths, gates and the MLP are our choice, of about the parent's size (VLA-Adapter Pro).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from praxia.errors import ConfigError
from praxia.models.attention import Attention, MultiHeadAttention
from praxia.models.heads.head import RegressionHead
from praxia.models.spec_checks import check_choice, check_counts, check_shared
from praxia.models.states import AttentionGeometry, PrefixStates
from praxia.registry import register


@register("head/cross_attention_l1")
@dataclass(frozen=True)
class CrossAttentionL1:
    """Sizes of the head and of the chunk.

    latents: one for each of the `numbers` of the chunk (horizon x action_width), as published, or for each of its `steps`, read out as action_width
    numbers. queries: token group of the action queries. goal: token group of the goal token, empty = the goal is a training signal only (its state
    does not enter the head; the queries, which stand behind it, still see it).
    """

    horizon: int = 8
    action_width: int = 7
    state_width: int = 8
    width: int = 896
    layers: int = 12
    heads: int = 8
    latents: Literal["numbers", "steps"] = "numbers"
    queries: str = "queries"
    goal: str = "seg"
    attention: Attention = "sdpa"

    def __post_init__(self) -> None:
        check_counts(self, "horizon", "width", "layers", "heads")
        check_counts(self, "action_width", "state_width", least=0)
        check_choice(self, "latents", ("numbers", "steps"))
        check_shared(self, "heads", self.width)

    def build(self, geometry: AttentionGeometry | None, prefix_width: int) -> "CrossAttentionL1Head":
        """The module. prefix_width: width of the prefix states."""
        if geometry is None:
            raise ConfigError("head 'cross_attention_l1' reads prefix states; this model has no backbone. Use head 'prior_decoder'")
        return CrossAttentionL1Head(self, prefix_width)


class CrossAttentionL1Head(RegressionHead):
    """The module of `CrossAttentionL1`."""

    def __init__(self, spec: CrossAttentionL1, prefix_width: int):
        super().__init__()
        self.spec = spec
        width = spec.width
        count, numbers = (spec.horizon * spec.action_width, 1) if spec.latents == "numbers" else (spec.horizon, spec.action_width)
        self.latents = nn.Parameter(0.02 * torch.randn(count, width))
        self.state_in = nn.Sequential(nn.Linear(spec.state_width, width), nn.GELU(), nn.Linear(width, width))
        self.query_in = nn.Linear(prefix_width, width)
        self.goal_in = nn.Linear(prefix_width, width) if spec.goal else None
        self.blocks = nn.ModuleList([CrossAttentionBlock(spec, prefix_width) for _ in range(spec.layers)])
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, numbers))

    def actions(self, prefix: PrefixStates, state: Tensor) -> Tensor:
        spec = self.spec
        queries = torch.cat([self.query_in(prefix.group(spec.queries)), self.state_in(state)[:, None]], dim=1)
        views = prefix.views().flatten(1, 2)
        goal = self.goal_in(prefix.group(spec.goal)) if self.goal_in is not None else None
        rows = self.latents.expand(len(queries), -1, -1)
        for block in self.blocks:
            rows = block(rows, queries, views, prefix.views_valid(), goal)
        return self.out(rows).float().view(-1, spec.horizon, spec.action_width)


class CrossAttentionBlock(nn.Module):
    """Self, query, vision and goal attention, then an MLP. Vision and goal enter through a gate tanh(g) on the output, g = 0 at the start.

    With one goal token, as published, its attention has nothing to choose between: every latent is told the same o(v(goal)), and the queries and keys
    of that attention never learn.
    """

    def __init__(self, spec: CrossAttentionL1, prefix_width: int):
        super().__init__()
        width = spec.width
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(4 if spec.goal else 3)])
        self.self_attention = MultiHeadAttention(width, spec.heads, kind=spec.attention)
        self.query_attention = MultiHeadAttention(width, spec.heads, kind=spec.attention)
        self.view_attention = MultiHeadAttention(width, spec.heads, prefix_width, spec.attention)
        self.view_gate = nn.Parameter(torch.zeros(()))
        self.goal_attention = MultiHeadAttention(width, spec.heads, kind=spec.attention) if spec.goal else None
        self.goal_gate = nn.Parameter(torch.zeros(())) if spec.goal else None
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, rows: Tensor, queries: Tensor, views: Tensor, seen: Tensor, goal: Tensor | None) -> Tensor:
        """rows [B, H * A or H, W]; queries [B, Q + 1, W]; views [B, V * N, D] with seen bool [B, V * N]; goal [B, 1, W] -> rows."""
        rows = rows + self.self_attention(self.norms[0](rows))
        rows = rows + self.query_attention(self.norms[1](rows), queries)
        rows = rows + self.view_gate.tanh() * self.view_attention(self.norms[2](rows), views, seen)
        if self.goal_attention is not None and self.goal_gate is not None:
            rows = rows + self.goal_gate.tanh() * self.goal_attention(self.norms[3](rows), goal)
        return rows + self.mlp(rows)
