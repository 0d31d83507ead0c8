"""Blocks that VGGT, CUT3R and tabletop geometry share: pre-norm blocks under the published tensor names, patches, first weights, float32 heads."""

from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.errors import ConfigError
from praxia.models.geometry_nets.rope_2d import Rotation


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, width: int, hidden: int, out: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, rows: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(rows)))


def split_heads(rows: Tensor, heads: int) -> Tensor:
    """[B, N, width] -> [B, heads, N, width / heads]."""
    return rows.unflatten(-1, (heads, -1)).transpose(1, 2)


class SelfAttention(nn.Module):
    """One fused linear for queries, keys and values, in this order. qk_norm: epsilon of a LayerNorm over each head before turning, or None.

    plain: matrix products and a softmax in place of the library's fused attention, whose backward is slower for few tokens on CPUs.
    """

    def __init__(self, width: int, heads: int, qk_norm: float | None = None, plain: bool = False):
        super().__init__()
        self.heads, self.plain = heads, plain
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm, self.k_norm = (nn.Identity() if qk_norm is None else nn.LayerNorm(width // heads, eps=qk_norm) for _ in range(2))
        self.proj = nn.Linear(width, width)

    def forward(self, rows: Tensor, turn: Rotation | None = None) -> Tensor:
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(rows).chunk(3, dim=-1))
        # norms are float32 under autocast, values are not; the attention kernel wants one type
        query, key = self.q_norm(query).to(value.dtype), self.k_norm(key).to(value.dtype)
        if turn is not None:
            query, key = turn(query), turn(key)
        if self.plain:
            mixed = torch.softmax(query * query.shape[-1] ** -0.5 @ key.mT, dim=-1).to(value.dtype) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    """A factor a channel."""

    def __init__(self, width: int, start: float):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), start))

    def forward(self, rows: Tensor) -> Tensor:
        return rows * self.gamma


class Block(nn.Module):
    """x + ls1(attention(norm1(x))), then x + ls2(mlp(norm2(x))). layer_scale: its first value, None = no such parameters."""

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_ratio: float,
        eps: float,
        layer_scale: float | None = None,
        qk_norm: float | None = None,
        plain: bool = False,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = SelfAttention(width, heads, qk_norm, plain)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, int(width * mlp_ratio), width)
        self.ls1, self.ls2 = (nn.Identity() if layer_scale is None else LayerScale(width, layer_scale) for _ in range(2))

    def forward(self, rows: Tensor, turn: Rotation | None = None) -> Tensor:
        rows = rows + self.ls1(self.attn(self.norm1(rows), turn))
        return rows + self.ls2(self.mlp(self.norm2(rows)))


class PatchEmbed(nn.Module):
    """Square patches by a convolution, row by row, in the type of the weights: the residual stream stays float32 under autocast."""

    def __init__(self, channels: int, width: int, patch_size: int):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch_size, patch_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, N, width]. ConfigError for a picture that is not whole patches."""
        size, (height, width) = self.proj.kernel_size[0], pixels.shape[-2:]
        if height % size or width % size:
            raise ConfigError(f"a picture is {height} x {width} pixels, a patch {size} x {size}; resize or cut pictures to multiples of {size}")
        return self.proj(pixels).to(self.proj.weight.dtype).flatten(2).transpose(1, 2)


def first_weights(net: nn.Module, std: float = 0.02) -> None:
    """Small truncated normal for linear layers, zero for their biases; the rest keeps the library's first values."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Float32 inside, whatever autocast the caller set: dense heads and poses are exponentials of small numbers."""
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)  # shapes alone (meta) may say any
