"""Convolutional stem in place of a ViT's patch convolution: easier to train from scratch at small size (Xiao 2021, arXiv 2106.14881)."""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.errors import ConfigError


class ConvStem(nn.Module):
    """Pixels [M, 3, S, S] -> [M, width, S / patch, S / patch] by log2(patch) stride-2 3x3 convolutions.

    The convolutions are matrix products over gathered neighbourhoods, channels last: on CPUs the library's strided convolutions of this size
    are slower, and much slower backwards.
    """

    def __init__(self, width: int, patch: int):
        super().__init__()
        steps = round(math.log2(patch))
        if 2**steps != patch:
            raise ConfigError(f"patch_size {patch} with stem 'conv' must be a power of two; use 8 or 16, or stem 'patch'")
        widths = [3, *(max(24, width // 2 ** (steps - i)) for i in range(1, steps)), width]
        self.layers = nn.ModuleList([nn.Linear(9 * a, b) for a, b in pairwise(widths)])
        for layer in self.layers:
            # The library's default would shrink the picture thirtyfold through the rectifiers, far below the position embedding added to it.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @property
    def weight(self) -> Tensor:
        """Weights of the last layer (the library reads the dtype of the convolution that this stands for)."""
        return self.layers[-1].weight  # type: ignore[return-value]

    def forward(self, pixels: Tensor) -> Tensor:
        """Rectified between the layers."""
        grid = pixels.permute(0, 2, 3, 1)
        for i, layer in enumerate(self.layers):
            grid = layer(neighbourhoods(F.relu(grid) if i else grid))
        return grid.permute(0, 3, 1, 2)


class _Neighbourhoods(torch.autograd.Function):
    """With a backward of its own: the library's would fill one full-size zero tensor for each of the nine slices."""

    @staticmethod
    def forward(ctx: Any, grid: Tensor) -> Tensor:
        ctx.shape = grid.shape
        padded, side = F.pad(grid, (0, 0, 1, 1, 1, 1)), grid.shape[1]
        return torch.cat([padded[:, i : i + side : 2, j : j + side : 2] for i in range(3) for j in range(3)], dim=-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        count, side, _, channels = ctx.shape
        total = gradient.new_zeros(count, side + 2, side + 2, channels)
        for place, part in enumerate(gradient.split(channels, dim=-1)):
            i, j = divmod(place, 3)
            total[:, i : i + side : 2, j : j + side : 2] += part
        return total[:, 1:-1, 1:-1]


def neighbourhoods(grid: Tensor) -> Tensor:
    """3x3 neighbourhoods at every second place, zero padded: [M, S, S, C] -> [M, S / 2, S / 2, 9 C]."""
    return _Neighbourhoods.apply(grid)  # type: ignore[return-value]
