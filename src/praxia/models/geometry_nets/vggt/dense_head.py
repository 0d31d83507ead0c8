"""VGGT's depth and point heads: a DPT over four aggregator entries, with a 2-D sine and cosine term that knows the picture's shape."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from praxia.models.geometry_nets.dpt import FusionPyramid, size_of, upsample

POSITION_SHARE = 0.1
POSITION_BASE = 100.0


class Scratch(FusionPyramid):
    """The pyramid with the output convolutions, which the published names put beside it."""

    def __init__(self, widths: Sequence[int], features: int, hidden: int, channels: int):
        super().__init__(widths, features, rectified_skip=True, spare_unit=False, fit="target")
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(nn.Conv2d(features // 2, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, channels, 1))


class DenseHead(nn.Module):
    """channels: of a pixel's raw output, the last one the logit of its confidence. views_at_once bounds memory and changes nothing else."""

    def __init__(self, width: int, widths: Sequence[int], features: int, hidden: int, channels: int, patch_size: int, views_at_once: int):
        super().__init__()
        self.patch_size, self.views_at_once = patch_size, views_at_once
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.projects = nn.ModuleList(nn.Conv2d(width, w, 1) for w in widths)
        first, second, _, last = widths
        self.resize_layers = nn.ModuleList(
            [nn.ConvTranspose2d(first, first, 4, 4), nn.ConvTranspose2d(second, second, 2, 2), nn.Identity(), nn.Conv2d(last, last, 3, 2, 1)]
        )
        self.scratch = Scratch(widths, features, hidden, channels)

    def fused(self, entries: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        """Patch tokens [B, N, 2 C] of four entries -> maps [B, features / 2, h, w] of eight times the grid."""
        maps = []
        for tokens, project, resize in zip(entries, self.projects, self.resize_layers, strict=True):
            patches = project(self.norm(tokens).transpose(1, 2).unflatten(2, grid))
            maps.append(resize(_placed(patches, grid)))
        return self.scratch.output_conv1(self.scratch(maps))

    def forward(self, entries: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        """Patch tokens [B, V, N, 2 C] of four entries -> raw maps [B, V, channels, H, W]."""
        b, v = entries[0].shape[:2]
        flat = [e.flatten(0, 1) for e in entries]
        size = (grid[0] * self.patch_size, grid[1] * self.patch_size)
        raw = []
        for start in range(0, b * v, self.views_at_once):
            maps = self.fused([e[start : start + self.views_at_once] for e in flat], grid)
            raw.append(self.scratch.output_conv2(_placed(upsample(maps, size), grid)))
        return torch.cat(raw).unflatten(0, (b, v))


def _placed(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Maps plus the position term; patches are square, so the grid has the picture's shape."""
    return maps + position_term(maps.shape[1], size_of(maps), grid[1] / grid[0], maps.device).to(maps.dtype)


def position_term(channels: int, size: tuple[int, int], aspect: float, device: torch.device) -> Tensor:
    """float32 [channels, h, w]. First half of the channels x, second half y; each half sines, then cosines. aspect: width / height.

    Places lie on a rectangle of the picture's shape whose half diagonal is 1, at the middles of the map's pixels.
    """
    height, width = size
    diagonal = (aspect**2 + 1) ** 0.5
    spans = ((aspect / diagonal, width), (1 / diagonal, height))
    x, y = (torch.linspace(-s * (n - 1) / n, s * (n - 1) / n, n, device=device, dtype=torch.float64) for s, n in spans)
    quarter = channels // 4
    omega = POSITION_BASE ** -(torch.arange(quarter, device=device, dtype=torch.float64) / quarter)
    waves = [torch.cat([angle.sin(), angle.cos()]) for angle in (omega[:, None] * x, omega[:, None] * y)]
    across, down = waves[0][:, None, :].expand(-1, height, -1), waves[1][:, :, None].expand(-1, -1, width)
    return POSITION_SHARE * torch.cat([across, down]).float()


def depth_of(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Raw [..., 2, H, W] -> depth and confidence [..., H, W]."""
    depth, confidence = raw.unbind(-3)
    return depth.exp(), 1 + confidence.exp()


def points_of(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Raw [..., 4, H, W] -> points [..., H, W, 3] and confidence [..., H, W]."""
    values = raw.movedim(-3, -1)
    xyz = values[..., :3]
    return xyz.sign() * torch.expm1(xyz.abs()), 1 + values[..., 3].exp()
