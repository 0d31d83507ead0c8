"""What flow-matching heads from noise (r = 0) to data (r = 1) share: draws, the path, and Euler integration."""

from collections.abc import Callable

import torch
from torch import Tensor


def skewed_time(uniform: Tensor, alpha: float) -> Tensor:
    """Flow times r = (0.999 - u) / 0.999 with u ~ Beta(alpha, 1) clipped at 0.999, from uniform numbers; alpha > 1 puts more weight near noise."""
    return (0.999 - (uniform ** (1 / alpha)).clamp_max(0.999)) / 0.999


def path(actions: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """x_r = r a + (1 - r) noise and its velocity a - noise. actions [B, H, A], noise [B, K, H, A], time [B, K] -> two [B, K, H, A]."""
    actions, r = actions[:, None], time[:, :, None, None]
    return r * actions + (1 - r) * noise, actions - noise


def integrate(velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int, dims: Tensor | None = None) -> Tensor:
    """Euler from r = 0 to 1. velocity: (chunk [B, 1, H, A], time [B, 1]) -> [B, 1, H, A]; noise [B, H, A] -> [B, H, A]; dims as in `Head.sample`."""
    chunk = noise[:, None]
    for i in range(steps):
        found = velocity(chunk, torch.full((len(noise), 1), i / steps, device=noise.device))
        chunk = chunk + known(found, -noise[:, None], dims) / steps
    return chunk[:, 0]


def known(velocity: Tensor, padding: Tensor, dims: Tensor | None) -> Tensor:
    """Velocity [B, 1, H, A], in the slots that the robot has not (bool [B, A]; None: it has all) the path's own: `padding`, of the same shape."""
    return velocity if dims is None else torch.where(dims[:, None, None], velocity, padding)
