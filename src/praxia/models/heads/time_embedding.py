"""Sine-cosine embedding of the flow time (pi0: periods 4e-3 to 4, geometrically spaced)."""

import math

import torch
from torch import Tensor


def time_embedding(time: Tensor, width: int, shortest: float = 4e-3, longest: float = 4.0) -> Tensor:
    """float32 [N] -> float32 [N, width]: sines of all periods, then cosines."""
    fraction = torch.linspace(0.0, 1.0, width // 2, dtype=torch.float32, device=time.device)
    period = shortest * (longest / shortest) ** fraction
    angle = (2 * math.pi / period) * time.float()[:, None]
    return torch.cat([angle.sin(), angle.cos()], dim=1)
