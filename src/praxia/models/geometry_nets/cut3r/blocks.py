"""Blocks of CUT3R beside the shared ones: a stream that reads another, and one modulated by a pose token."""

import torch.nn.functional as F
from torch import Tensor, nn

from praxia.models.geometry_nets.rope_2d import Rotation
from praxia.models.geometry_nets.transformer_blocks import Mlp, SelfAttention, split_heads

EPS = 1e-6


class CrossAttention(nn.Module):
    """Queries from one stream, keys and values from another."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.projq, self.projk, self.projv, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, rows: Tensor, other: Tensor, turn: Rotation | None, turn_other: Rotation | None) -> Tensor:
        query, key, value = (split_heads(project(x), self.heads) for project, x in ((self.projq, rows), (self.projk, other), (self.projv, other)))
        query = query if turn is None else turn(query)
        key = key if turn_other is None else turn_other(key)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class DecoderBlock(nn.Module):
    """Stream x attends to itself, then to the normalised stream y, then its MLP."""

    def __init__(self, width: int, heads: int, mlp_ratio: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.norm_y = nn.LayerNorm(width, eps=EPS)
        self.cross_attn = CrossAttention(width, heads)
        self.norm3 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, int(width * mlp_ratio), width)

    def forward(self, x: Tensor, y: Tensor, turn_x: Rotation | None = None, turn_y: Rotation | None = None) -> Tensor:
        x = x + self.attn(self.norm1(x), turn_x)
        x = x + self.cross_attn(self.norm2(x), self.norm_y(y), turn_x, turn_y)
        return x + self.mlp(self.norm3(x))


class ModulatedNorm(nn.Module):
    """LayerNorm scaled and shifted by a linear map of a token."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, rows: Tensor, token: Tensor) -> Tensor:
        """[B, N, width], token [B, 1, width]."""
        shift, scale = self.mlp(token).chunk(2, dim=-1)
        return self.norm(rows) * (1 + scale) + shift


class ModulatedBlock(nn.Module):
    """A self-attention block whose norms are modulated."""

    def __init__(self, width: int, heads: int, mlp_ratio: float):
        super().__init__()
        self.norm1 = ModulatedNorm(width)
        self.attn = SelfAttention(width, heads)
        self.norm2 = ModulatedNorm(width)
        self.mlp = Mlp(width, int(width * mlp_ratio), width)

    def forward(self, rows: Tensor, token: Tensor, turn: Rotation) -> Tensor:
        rows = rows + self.attn(self.norm1(rows, token), turn)
        return rows + self.mlp(self.norm2(rows, token))
