"""Skip decoder: numbers for every pixel from patch tokens, finer step by step with what the stem saw (a small U-Net, arXiv 1505.04597)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SkipDecoder(nn.Module):
    """Tokens [M, h, w, width] -> [M, channels, S, S], where every step doubles the side and adds the stem's grid of that side; the last one adds
    the pixels with their places in the picture (arXiv 1807.03247). Zeros at first.

    stem: channels of the stem's grids, from fine (S / 2) to coarse (the tokens' own side). hidden: channels after each step, from coarse to fine.
    """

    def __init__(self, width: int, stem: Sequence[int], hidden: Sequence[int], channels: int):
        super().__init__()
        skips = [*stem[-2::-1], 5]  # three colours and two coordinates
        widths = [width, *hidden]
        self.up = nn.ModuleList(nn.Conv2d(a, 4 * b, 1) for a, b in zip(widths, hidden))
        self.skip = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(skips, hidden, strict=True))
        self.mix = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for b in hidden)
        for convolution in (*self.up, *self.skip, *self.mix):  # the library's first values would shrink what passes step by step
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")  # type: ignore[arg-type]
        self.out = nn.Conv2d(hidden[-1], channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, tokens: Tensor, grids: Sequence[Tensor], pixels: Tensor) -> Tensor:
        """grids: [M, side, side, C] of the stem from fine to coarse; pixels: [M, 3, S, S]."""
        v, u = (torch.linspace(-1, 1, side, device=pixels.device) for side in pixels.shape[-2:])
        places = torch.stack(torch.meshgrid(v, u, indexing="ij")).expand(len(pixels), -1, -1, -1)
        finer = [*(grid.permute(0, 3, 1, 2) for grid in grids[-2::-1]), torch.cat([pixels, places], dim=1)]
        rows = tokens.permute(0, 3, 1, 2)
        for up, skip, mix, grid in zip(self.up, self.skip, self.mix, finer, strict=True):
            rows = F.pixel_shuffle(up(rows), 2) + skip(grid)
            rows = rows + mix(F.gelu(rows))
        return self.out(F.gelu(rows))
