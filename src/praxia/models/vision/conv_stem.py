"""Convolutional stem in place of a ViT's patch convolution: easier to train from scratch at small size (Xiao 2021, arXiv 2106.14881)."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.errors import ConfigError


class ConvStem(nn.Module):
    """Pixels [M, 3, S, S] -> [M, width, S / patch, S / patch] by log2(patch) stride-2 3x3 convolutions.

    Kernels are rows of [out, 3 x 3 x in], so that they are matrices to the optimiser; seen as [out, in, 3, 3] they lie channels last, as the pictures
    do: the library's CPU convolutions are several times slower otherwise, backwards most.
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
        grid = pixels.contiguous(memory_format=torch.channels_last)
        for i, layer in enumerate(self.layers):
            kernels = layer.weight.unflatten(1, (3, 3, -1)).permute(0, 3, 1, 2)  # type: ignore[operator]
            grid = F.conv2d(F.relu(grid) if i else grid, kernels, layer.bias, stride=2, padding=1)  # type: ignore[arg-type]
        return grid
