"""Convolutional stem in place of a ViT's patch convolution: easier to train from scratch at small size (Xiao 2021, arXiv 2106.14881)."""

import math

import torch
from torch import Tensor, nn

from praxia.errors import ConfigError


class ConvStem(nn.Sequential):
    """Pixels [M, 3, S, S] -> [M, width, S / patch, S / patch] by log2(patch) stride-2 3x3 convolutions.

    Has a `weight`, as the patch convolution it replaces (the library reads its dtype).
    """

    def __init__(self, width: int, patch: int):
        steps = int(math.log2(patch))
        if 2**steps != patch:
            raise ConfigError(f"patch_size {patch} with stem 'conv' must be a power of two; use 8 or 16, or stem 'patch'")
        widths = [3, *(max(16, width // 2 ** (steps - i)) for i in range(1, steps)), width]
        layers: list[nn.Module] = []
        for i in range(steps):
            last = i == steps - 1
            layers.append(nn.Conv2d(widths[i], widths[i + 1], 3, stride=2, padding=1, bias=last))
            if not last:
                layers += [nn.GroupNorm(1, widths[i + 1]), nn.ReLU()]
        super().__init__(*layers)

    @property
    def weight(self) -> Tensor:
        """Weights of the last convolution."""
        return self[-1].weight  # type: ignore[return-value]

    def forward(self, input: Tensor) -> Tensor:
        """Channels-last is the fast layout of small convolutions on CPUs."""
        return super().forward(input.contiguous(memory_format=torch.channels_last))
