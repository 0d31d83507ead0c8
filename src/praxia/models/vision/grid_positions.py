"""Sine-cosine positions of a grid of patches."""

import math

import torch
from torch import Tensor

from praxia.errors import ConfigError


def sine_positions(rows: Tensor, columns: Tensor, width: int, base: float) -> Tensor:
    """float32 [h, w, width] for coordinates rows [h] and columns [w]: first half of the channels from the column, second from the row.

    Each half is [sines | cosines] of coordinate * base**(-k / (width / 4)), k = 0 .. width / 4 - 1.
    """
    if width % 4:
        raise ConfigError(f"positions of width {width}: expected a multiple of 4 (sine and cosine of row and column)")
    frequency = base ** (-torch.arange(width // 4, dtype=torch.float64, device=rows.device) / (width // 4))
    y, x = (torch.cat([angle.sin(), angle.cos()], dim=1).float() for angle in (c.double()[:, None] * frequency for c in (rows, columns)))
    h, w = len(rows), len(columns)
    return torch.cat([x[None].expand(h, -1, -1), y[:, None].expand(-1, w, -1)], dim=-1)


def plane_coordinates(length: int, device: torch.device | str = "cpu") -> Tensor:
    """Coordinates float64 [length] of patch centres along a side of a square picture whose half diagonal is 1 (VGGT's position map)."""
    edge = math.sqrt(0.5) * (length - 1) / length
    return torch.linspace(-edge, edge, length, dtype=torch.float64, device=device)
