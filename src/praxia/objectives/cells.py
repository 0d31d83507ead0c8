"""From pixels of a view to the visual tokens that cover them."""

import torch
from torch import Tensor

from praxia.data.batch import ViewBatch
from praxia.data.pixels import canvas_transform
from praxia.specs import ImageSpec


def places(pixels: Tensor, size: Tensor, spec: ImageSpec, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Where pixels lie on the token grid of the square that the backbone saw.

    pixels: float32 [B, n, 2] (u, v) in the transformed picture; size: [B, 2] (height, width) of it.
    Returns the token's number int64 [B, n] (row by row; 0 where outside), the offset (u, v) from its middle in tokens float32 [B, n, 2], and
    bool [B, n]: inside the square.
    """
    A = canvas_transform(size, spec).to(pixels)
    canvas = torch.einsum("bij,bnj->bni", A[..., :2], pixels) + A[:, None, :, 2]
    tokens = pixels.new_tensor([grid[1], grid[0]])
    at = (canvas + 0.5) / spec.size * tokens
    inside = ((at >= 0) & (at < tokens)).all(dim=-1)
    cell = torch.where(inside[..., None], at, 0.0).floor()
    return (cell[..., 1] * grid[1] + cell[..., 0]).long(), at - cell - 0.5, inside


def view_sizes(views: ViewBatch, slots: Tensor) -> Tensor:
    """(height, width) [B, n, 2] of view slots int64 [B, n]; below 0 reads slot 0."""
    return views.size.gather(1, slots.clamp_min(0)[..., None].expand(*slots.shape, 2))
