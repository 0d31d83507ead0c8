"""DiT flow head: a diffusion transformer over [state, noisy chunk] that cross-attends to action queries (VIPA-VLA §3.3).

Blocks, embeddings and sizes follow GR00T N1.5 (arXiv 2503.14734), the closest published head.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.errors import ConfigError
from praxia.models.attention import Attention, MultiHeadAttention
from praxia.models.heads.flow import integrate, path
from praxia.models.heads.head import Head, chunk_validity
from praxia.models.heads.time_embedding import time_embedding
from praxia.models.states import AttentionGeometry, HeadOutput, PrefixStates
from praxia.registry import register

_BUCKETS = 1000  # flow times are rounded down to thousandths before they are embedded


@register("head/dit_flow")
@dataclass(frozen=True)
class DiTFlow:
    """Sizes of the transformer and of the chunk; flow time 0 = noise, 1 = data.

    queries: token group the head reads. draws: (noise, time) pairs per prefix in one step; times are uniform. Even blocks cross-attend to the
    queries, odd blocks attend among [state, chunk].
    """

    horizon: int = 16
    action_width: int = 7
    state_width: int = 8
    width: int = 1536
    layers: int = 16
    heads: int = 32
    out_width: int = 1024
    queries: str = "queries"
    draws: int = 1
    steps: int = 4
    dropout: float = 0.2
    attention: Attention = "sdpa"

    def build(self, geometry: AttentionGeometry | None, prefix_width: int) -> "DiTFlowHead":
        """The module. prefix_width: width of the query states."""
        if geometry is None:
            raise ConfigError("head 'dit_flow' reads query states; this model has no backbone. Use head 'prior_decoder'")
        return DiTFlowHead(self, prefix_width)


class DiTFlowHead(Head):
    """State and noisy chunk through alternating cross- and self-attention, modulated by the flow time."""

    def __init__(self, spec: DiTFlow, prefix_width: int):
        super().__init__()
        self.spec, self.steps = spec, spec.steps
        width = spec.width
        self.state_in = nn.Sequential(nn.Linear(spec.state_width, width), nn.ReLU(), nn.Linear(width, width))
        self.action_in = nn.Linear(spec.action_width, width)
        self.action_time_in = nn.Linear(2 * width, width)
        self.action_time_out = nn.Linear(width, width)
        self.step_embedding = nn.Parameter(0.02 * torch.randn(spec.horizon, width))
        self.time_mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.query_norm = nn.LayerNorm(prefix_width)
        self.blocks = nn.ModuleList([DiTBlock(spec, prefix_width if i % 2 == 0 else None) for i in range(spec.layers)])
        self.modulation = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.project = nn.Linear(width, spec.out_width)
        self.action_out = nn.Sequential(nn.Linear(spec.out_width, spec.out_width), nn.ReLU(), nn.Linear(spec.out_width, spec.action_width))

    def draw(self, batch_size: int, generator: torch.Generator) -> Draws:
        spec = self.spec
        noise = torch.randn(batch_size, spec.draws, spec.horizon, spec.action_width, generator=generator)
        return Draws(noise=noise, time=torch.rand(batch_size, spec.draws, generator=generator))

    def forward(self, prefix: PrefixStates | None, condition: Tensor | None, batch: Batch, draws: Draws) -> HeadOutput:
        assert prefix is not None and batch.future is not None and draws.noise is not None and draws.time is not None
        noisy, target = path(batch.future.actions, draws.noise, draws.time)
        return HeadOutput(self.velocity(prefix, batch.state, noisy, draws.time), target, chunk_validity(batch))

    def velocity(self, prefix: PrefixStates, state: Tensor | None, noisy: Tensor, time: Tensor) -> Tensor:
        """dx/dt at flow time `time` [B, K] for noisy chunks [B, K, H, A] -> float32 [B, K, H, A]."""
        if state is None:
            raise ConfigError("head 'dit_flow' needs the robot's state; the batch has none. Add state to the dataset card")
        b, k, h, _ = noisy.shape
        bucket = (time.flatten() * _BUCKETS).floor().clamp_max(_BUCKETS - 1) / _BUCKETS
        # sines and cosines of 1000 t / 10000^(i / n), as periods in t
        moment = time_embedding(bucket, self.spec.width, 2 * math.pi / _BUCKETS, 2 * math.pi / _BUCKETS * 1e4)
        chunk = self.action_in(noisy.flatten(0, 1))
        chunk = self.action_time_out(F.silu(self.action_time_in(torch.cat([chunk, moment[:, None].expand_as(chunk)], dim=-1))))
        first = self.state_in(state).repeat_interleave(k, dim=0)[:, None]
        rows = torch.cat([first, chunk + self.step_embedding[:h]], dim=1)
        queries = self.query_norm(prefix.group(self.spec.queries)).repeat_interleave(k, dim=0)
        condition = F.silu(self.time_mlp(moment))
        for block in self.blocks:
            rows = block(rows, queries, condition)
        shift, scale = self.modulation(condition)[:, None].chunk(2, dim=-1)
        out = self.project(self.norm(rows) * (1 + scale) + shift)
        return self.action_out(out[:, 1:]).float().unflatten(0, (b, k))

    def noise(self, batch_size: int, generator: torch.Generator) -> Tensor:
        return torch.randn(batch_size, self.spec.horizon, self.spec.action_width, generator=generator)

    def sample(
        self, prefix: PrefixStates | None, condition: Tensor | None, state: Tensor | None, noise: Tensor, steps: int, dims: Tensor | None = None
    ) -> Tensor:
        assert prefix is not None
        return integrate(lambda chunk, time: self.velocity(prefix, state, chunk, time), noise, steps, dims)


class DiTBlock(nn.Module):
    """Attention (to the queries if `context_width` is given, else among the rows) under a norm modulated by the flow time, then an MLP."""

    def __init__(self, spec: DiTFlow, context_width: int | None):
        super().__init__()
        width = spec.width
        self.crosses = context_width is not None
        self.modulation = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = MultiHeadAttention(width, spec.heads, context_width, spec.attention)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, rows: Tensor, queries: Tensor, condition: Tensor) -> Tensor:
        """rows [B, 1 + H, W], queries [B, Q, D], condition [B, W] -> [B, 1 + H, W]."""
        shift, scale = self.modulation(condition)[:, None].chunk(2, dim=-1)
        rows = rows + self.dropout(self.attention(self.norm(rows) * (1 + scale) + shift, queries if self.crosses else None))
        return rows + self.dropout(self.mlp(rows))
