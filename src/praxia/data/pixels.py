"""Pixels on the device, in batch, once per consumer: stored pictures -> the square canvas an ImageSpec asks for.

Geometry was drawn before, as one affine per view (stored pixel -> transformed picture); here it is executed together with the fit to the canvas.
Coordinates as everywhere: integer (u, v) = pixel centre, a picture covers [-0.5, W - 0.5] x [-0.5, H - 0.5]. The single-picture counterpart,
made of other parts, is `geometry.image_transform.realise`.
How pixels are moved: `data.resampling`.
"""

from dataclasses import replace

import torch
from torch import Tensor

from praxia.data.batch import ViewBatch
from praxia.data.resampling import coordinates, homogeneous, inside, levels
from praxia.errors import ObservationError
from praxia.specs import ImageSpec


def canvas_transform(size: Tensor, spec: ImageSpec) -> Tensor:
    """Transformed picture -> canvas, float64 [B, 2, 3] on the CPU, for picture sizes [B, 2] (height, width).

    letterbox: equal scale, centred, bars start on whole pixels; stretch: each axis fills the canvas.
    """
    size = size.detach().to("cpu", torch.float64)
    scale = spec.size / size
    if spec.fit == "letterbox":
        scale = scale.amin(dim=1, keepdim=True).expand(-1, 2)
    # 1e-6: a bar of exactly n pixels must not become n - 1 by rounding
    bar = torch.floor((spec.size - size * scale) / 2 + 1e-6)
    start = 0.5 * scale - 0.5 + bar
    return torch.cat((torch.diag_embed(scale.flip(1)), start.flip(1)[:, :, None]), dim=2)  # u is the second of (height, width)


def canvas_K(K: Tensor, size: Tensor, spec: ImageSpec) -> Tensor:
    """Intrinsics [B, 3, 3] of the transformed pictures -> of the canvas, same dtype and device; NaN (unknown) stays NaN."""
    to_canvas = homogeneous(canvas_transform(size, spec)).to(K.device, non_blocking=True)
    return (to_canvas @ K.double()).to(K.dtype)


def rays(K: Tensor, valid: Tensor) -> Tensor:
    """Viewing rays ((u - cx) / fx, (v - cy) / fy, 1) float32 [B, 3, S, S] of a canvas; zero where not valid or K unknown.

    K: [B, 3, 3] of the canvas (`canvas_K`); valid: bool [B, S, S] (`valid_pixels`).
    """
    known = K.isfinite().all(dim=2).all(dim=1)
    back = torch.linalg.inv(torch.where(known[:, None, None], K, torch.eye(3, device=K.device, dtype=K.dtype)).double())
    side = torch.arange(valid.shape[-1], device=K.device, dtype=torch.float64)
    u, v = (back[:, i, 0, None, None] * side + back[:, i, 1, None, None] * side[:, None] + back[:, i, 2, None, None] for i in range(2))
    grid = torch.stack(torch.broadcast_tensors(u, v, torch.ones_like(u)), dim=1)
    return torch.where((valid & known[:, None, None])[:, None], grid, 0).float()


def valid_pixels(affine: Tensor, size: Tensor, stored: tuple[int, int], spec: ImageSpec, device: torch.device | str = "cpu") -> Tensor:
    """bool [B, S, S]: canvas pixels that show the stored picture, not bars nor what lies beyond its border.

    affine [B, 2, 3] and size [B, 2] as in `resample`; stored: (height, width) of the stored pictures.
    """
    to_canvas = canvas_transform(size, spec)
    return inside(to_canvas, _multiply(to_canvas, affine), size, stored, spec.size, torch.device(device), beyond=False)


def resample(
    images: Tensor,
    affine: Tensor,
    size: Tensor,
    spec: ImageSpec,
    dtype: torch.dtype = torch.float32,
    fill: float = 0.0,
    replicate: bool = False,
) -> tuple[Tensor, Tensor]:
    """Stored pictures on the canvas, normalised: pixels [B, 3, S, S] in `dtype`, and the full affine stored -> canvas float64 [B, 2, 3] (CPU).

    images: uint8 [B, H, W, 3]. affine: [B, 2, 3], stored pixel -> transformed picture. size: [B, 2] (height, width) of the transformed picture.
    Both are finite and invertible also for empty view slots (identity and the stored size will do).
    fill: grey level in [0, 1], before normalisation, of bars and of what lies off the stored picture.
    replicate: parts of the transformed picture beyond the stored one repeat its border instead (random shifts); bars keep `fill`.
    For other colours ask with mean 0 and std 1, `jitter_colour`, then `normalise`.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ObservationError(f"images are {images.dtype} {tuple(images.shape)}: expected uint8 [B, H, W, 3]; fix: stack RGB frames as stored")
    to_canvas = canvas_transform(size, spec)
    transform = _multiply(to_canvas, affine)
    with torch.autocast(_kind(images.device), enabled=False):  # a bf16 forward must not round coordinates' weights and pixels
        moved = levels(
            images, to_canvas, transform, size.detach().to("cpu", torch.float64), spec.size, 255 * fill, replicate, spec.filter == "bicubic"
        )
    return _scaled(moved, spec, 255.0).to(dtype), transform


def resample_nearest(values: Tensor, affine: Tensor, size: Tensor, spec: ImageSpec) -> Tensor:
    """Depth or masks [B, H, W] on the canvas [B, S, S], nearest, never mixed; 0 on bars and off the stored picture. As `resample` otherwise."""
    stored = (values.shape[1], values.shape[2])
    to_canvas = canvas_transform(size, spec)
    transform = _multiply(to_canvas, affine)
    u, v = coordinates(transform, spec.size, values.device)
    # Half-way cases go to the lower index, as in geometry.image_transform.
    column = (u - 0.5 - 1e-6).ceil().clamp(0, stored[1] - 1).long()
    row = (v - 0.5 - 1e-6).ceil().clamp(0, stored[0] - 1).long()
    picked = values[torch.arange(len(values), device=values.device)[:, None, None], row, column]
    return picked.masked_fill(~inside(to_canvas, transform, size, stored, spec.size, values.device, beyond=False), 0)


def view_pixels(views: ViewBatch, spec: ImageSpec) -> Tensor:
    """Pictures of all slots as one consumer wants them: float32 [B, V, 3, S, S]; empty slots are black before normalisation."""
    slots = []
    for i, image in enumerate(views.images):
        affine, size = views.affine[:, i], views.size[:, i]
        if views.colour is None:
            slots.append(resample(image, affine, size, spec, replicate=True)[0])
            continue
        plain, _ = resample(image, affine, size, replace(spec, mean=(0.0,) * 3, std=(1.0,) * 3), replicate=True)
        seen = valid_pixels(affine, size, (image.shape[1], image.shape[2]), spec, image.device)
        slots.append(normalise(jitter_colour(plain, views.colour[:, i], seen), spec))
    return torch.stack(slots, dim=1)


def normalise(pixels: Tensor, spec: ImageSpec) -> Tensor:
    """[0, 1] RGB [B, 3, S, S] -> (pixels - mean) / std per channel, a new tensor."""
    return _scaled(pixels.clone(), spec, 1.0)


_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))  # RGB -> NTSC luma and chroma


def jitter_colour(pixels: Tensor, colour: Tensor, valid: Tensor | None = None) -> Tensor:
    """Pixels [B, 3, S, S] in [0, 1] in other colours. colour: float32 [B, 4], factors of brightness, contrast, saturation, and turns of hue.

    Contrast is about the picture's mean grey, saturation about each pixel's grey, hue turns the chroma plane; applied in this order, clamped
    once at the end. valid: bool [B, S, S]; other pixels (bars) stay as they are and do not count in the mean.
    """
    with torch.autocast(_kind(pixels.device), enabled=False):  # as in `resample`
        luma, yiq = (torch.tensor(rows).to(pixels.device, non_blocking=True) for rows in (_LUMA, _YIQ))
        b, c, s, turns = colour.T[..., None, None]
        angle = 2 * torch.pi * turns
        still, zero = torch.ones_like(angle), torch.zeros_like(angle)
        rows = [torch.cat(row, dim=-1) for row in ((still, zero, zero), (zero, angle.cos(), -angle.sin()), (zero, angle.sin(), angle.cos()))]
        hue = torch.linalg.inv(yiq) @ torch.cat(rows, dim=-2) @ yiq
        # All four are affine in colour: one 3x3 matrix and one offset a picture. c scales about the mean, s about the luma; greys have no hue.
        matrix = b * c * hue @ (s * torch.eye(3, device=pixels.device) + (1 - s) * luma)
        flat = pixels.flatten(2).float()
        weight = torch.ones_like(flat[:, 0]) if valid is None else valid.flatten(1).to(flat.dtype)
        mean = torch.einsum("bcn,bn,c->b", flat, weight, luma) / weight.sum(1).clamp(min=1)
        offset = ((1 - c) * b)[:, 0, 0] * mean
        out = torch.baddbmm(offset[:, None, None].expand(-1, 3, 1), matrix, flat).clamp_(0, 1).view_as(pixels).to(pixels.dtype)
    return out if valid is None else torch.where(valid[:, None], out, pixels)


def _kind(device: torch.device) -> str:
    """Device type for autocast; shapes alone (meta) may say any."""
    return "cpu" if device.type == "meta" else device.type


def _multiply(later: Tensor, first: Tensor) -> Tensor:
    """Affine [B, 2, 3] of `first` then `later`, float64 on the CPU."""
    return (homogeneous(later) @ homogeneous(first.detach().to("cpu", torch.float64)))[:, :2]


def _scaled(pixels: Tensor, spec: ImageSpec, top: float) -> Tensor:
    """(pixels / top - mean) / std in place, one pass a channel."""
    for channel, (mean, std) in enumerate(zip(spec.mean, spec.std)):
        plane = pixels[:, channel]
        torch.add(torch.full((), -mean / std, dtype=pixels.dtype, device=pixels.device), plane, alpha=1 / (top * std), out=plane)
    return pixels
