"""Rotary embedding over rows and columns, as VGGT and CUT3R have it: first half of a head turns by the row, second half by the column.

Inside a half of width d / 2, channel j pairs with channel j + d / 4 and turns by position * base ** (-j / (d / 4)). Position 0 is the identity;
positions may be negative. Angles, sines and products are float32 whatever the tokens are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.errors import ConfigError


@dataclass(frozen=True)
class Rotation:
    """cos, sin: float32 [B or 1, 1, N, 2, d / 4] for N tokens and heads of width d. half: round to float16 before and after turning."""

    cos: Tensor
    sin: Tensor
    half: bool = False

    def __call__(self, tokens: Tensor) -> Tensor:
        """Queries or keys [B, heads, N, d] -> the same, turned."""
        wide = (tokens.half() if self.half else tokens).float()
        a, b = wide.unflatten(-1, (2, 2, -1)).unbind(-2)
        turned = torch.stack((a * self.cos - b * self.sin, b * self.cos + a * self.sin), dim=-2).flatten(-3)
        return (turned.half() if self.half else turned).to(tokens.dtype)


def rotation(positions: Tensor, width: int, base: float, half: bool = False) -> Rotation:
    """positions: [B or 1, N, 2] (row, column); width: of a head."""
    steps = torch.arange(width // 4, device=positions.device, dtype=torch.float32) / (width // 4)
    angles = (positions[..., None].float() * base**-steps)[:, None]
    return Rotation(angles.cos(), angles.sin(), half)


def grid_positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """(row, column) of the patches of a picture, row by row: int64 [1, rows * columns, 2]."""
    grid = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.stack(grid, dim=-1).flatten(0, 1)[None]


def check_heads(where: str, width: int, heads: int) -> None:
    """ConfigError unless `heads` divide the width into heads that can be turned."""
    if width % heads or width // heads % 4:
        raise ConfigError(
            f"{where}: width {width} in {heads} heads; a head must be a whole number of channels, a multiple of 4 (rows, columns, pairs)"
        )
