"""DPT (arXiv 2103.13413): four token maps fused from coarse to fine. What VGGT and CUT3R share; where they differ is an argument.

Names as published (`layer1_rn`, `refinenet1`, `resConfUnit1`). Upsampling is bilinear with aligned corners everywhere.
"""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, aligned corners."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def size_of(maps: Tensor) -> tuple[int, int]:
    """(height, width) of maps [..., h, w]."""
    return maps.shape[-2], maps.shape[-1]


class ResidualConvUnit(nn.Module):
    """relu, 3x3, relu, 3x3, plus the input. rectified_skip: the input after its relu is added (as where that relu works in place)."""

    def __init__(self, width: int, rectified_skip: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.rectified_skip = rectified_skip

    def forward(self, maps: Tensor) -> Tensor:
        positive = F.relu(maps)
        return self.conv2(F.relu(self.conv1(positive))) + (positive if self.rectified_skip else maps)


class FusionBlock(nn.Module):
    """path + unit1(skip), unit2, upsampling to a size, 1x1. takes_skip: whether unit 1 exists."""

    def __init__(self, width: int, rectified_skip: bool, takes_skip: bool):
        super().__init__()
        self.out_conv = nn.Conv2d(width, width, 1)
        if takes_skip:
            self.resConfUnit1 = ResidualConvUnit(width, rectified_skip)
        self.resConfUnit2 = ResidualConvUnit(width, rectified_skip)

    def forward(self, path: Tensor, skip: Tensor | None, size: tuple[int, int]) -> Tensor:
        if skip is not None:
            path = path + self.resConfUnit1(skip)
        return self.out_conv(upsample(self.resConfUnit2(path), size))


class FusionPyramid(nn.Module):
    """Four maps, finest first, to one map of twice the finest size.

    rectified_skip: see ResidualConvUnit. spare_unit: the coarsest block carries a unit for a skip it never gets (published weights have it).
    fit: `target` upsamples each block to the size of the next finer map; `crop` doubles and cuts off what is too much at the bottom and right.
    """

    def __init__(self, widths: Sequence[int], features: int, *, rectified_skip: bool, spare_unit: bool, fit: Literal["target", "crop"]):
        super().__init__()
        self.fit = fit
        for level, width in enumerate(widths, 1):
            self.add_module(f"layer{level}_rn", nn.Conv2d(width, features, 3, padding=1, bias=False))
        for level in range(1, len(widths) + 1):
            self.add_module(f"refinenet{level}", FusionBlock(features, rectified_skip, level < len(widths) or spare_unit))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps [B, width, h, w], finest first -> [B, features, 2 h, 2 w] of the finest."""
        skips = [self.get_submodule(f"layer{level}_rn")(m) for level, m in enumerate(maps, 1)]
        path = None
        for level in range(len(skips), 0, -1):
            doubled = (2 * skips[level - 1].shape[-2], 2 * skips[level - 1].shape[-1])
            wanted = size_of(skips[level - 2]) if level > 1 else doubled
            inputs = (skips[level - 1], None) if path is None else (path, skips[level - 1])
            path = self.get_submodule(f"refinenet{level}")(*inputs, wanted if self.fit == "target" else doubled)
            path = path[..., : wanted[0], : wanted[1]]
        assert path is not None
        return path
