"""From pixels of a view to the visual tokens that cover them."""

import torch
from torch import Tensor

from praxia.data.batch import ViewBatch
from praxia.data.pixels import canvas_transform
from praxia.specs import ImageSpec


def places(pixels: Tensor, to_canvas: Tensor, spec: ImageSpec, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Where pixels lie on the token grid of the square that the backbone saw.

    pixels: float32 [B, n, 2] (u, v) in the transformed picture; to_canvas: [B, 2, 3] from there to the square (`data.pixels.canvas_transform`).
    Returns the token's number int64 [B, n] (row by row; 0 where outside), the offset (u, v) from its middle in tokens float32 [B, n, 2], and
    bool [B, n]: inside the square.
    """
    A = to_canvas.to(pixels, non_blocking=True)
    canvas = torch.einsum("bij,bnj->bni", A[..., :2], pixels) + A[:, None, :, 2]
    tokens = torch.tensor([grid[1], grid[0]]).to(pixels, non_blocking=True)
    at = (canvas + 0.5) / spec.size * tokens
    inside = ((at >= 0) & (at < tokens)).all(dim=-1)
    cell = torch.where(inside[..., None], at, 0.0).floor()
    return (cell[..., 1] * grid[1] + cell[..., 0]).long(), at - cell - 0.5, inside


def slot_transforms(views: ViewBatch, slots: Tensor, spec: ImageSpec) -> Tensor:
    """From transformed picture to square, float64 [B, n, 2, 3], of view slots int64 [B, n]; below 0 reads slot 0."""
    of_views = canvas_transform(views.size.flatten(0, 1), spec).unflatten(0, views.size.shape[:2]).to(slots.device, non_blocking=True)
    return of_views.gather(1, slots.clamp_min(0)[..., None, None].expand(*slots.shape, 2, 3))
