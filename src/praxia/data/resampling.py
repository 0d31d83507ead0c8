"""The ways pixels move from stored pictures to a square canvas, picked per picture from its affine (so no picture depends on its neighbours).

Whole-pixel shifts are copied. Whole windows onto whole windows go through the library's antialiased uint8 resize (CPU). Other upright scalings
go through an exact filter per axis: a triangle, or Pillow's cubic with its rounding to 8-bit levels after each axis. Turns go through an
average-pool of whole factor and bilinear sampling.
All take the full transform stored -> canvas, float64 [B, 2, 3] on the CPU, and give levels 0..255, float32 [B, 3, S, S].
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

# Floats that one block of pictures may take while it is filtered: bounds memory for large stored pictures.
_BLOCK = 1 << 24
_COPY, _CUT, _FILTER, _TURN = range(4)
_STEP = 2.0**-22  # Pillow's weights are whole numbers of it


def levels(
    images: Tensor, to_canvas: Tensor, transform: Tensor, size: Tensor, side: int, level: float, replicate: bool, cubic: bool = False
) -> Tensor:
    """uint8 [B, H, W, 3] on the canvas, `level` where no picture is; arguments as in `data.pixels.resample`. cubic: of upright scalings."""
    stored = (images.shape[1], images.shape[2])
    on_cpu = images.device.type == "cpu"
    way, cuts = torch.where(_shifted(transform), _COPY, _TURN), torch.empty(0)
    if (way == _TURN).any():
        way[(way == _TURN) & _upright(transform)] = _FILTER
        cuts, cuttable = _cuts(to_canvas, transform, size, stored, side)
        if on_cpu and not replicate and not cubic:
            way[(way == _FILTER) & cuttable] = _CUT
    kinds = way.unique().tolist()
    out = None if len(kinds) == 1 else torch.empty(len(images), 3, side, side, device=images.device)
    for kind in kinds:
        rows = slice(None) if out is None else (way == kind).nonzero()[:, 0]
        part, full = images[rows], transform[rows]
        if kind == _COPY:
            shifts = full[:, :, 2].round().long()
            windows = _windows(to_canvas[rows], size[rows], shifts, stored, side, replicate)
            done = (_copy_shifted if on_cpu else _gather_shifted)(part, shifts, windows, side, level)
        elif kind == _CUT:
            done = _cut_and_scaled(part, cuts[rows], side, level)
        else:
            done = _filtered(part, full, side, cubic) if kind == _FILTER else _turned(part, full, side)
            done.masked_fill_(~inside(to_canvas[rows], full, size[rows], stored, side, images.device, beyond=replicate)[:, None], level)
        if out is None:
            return done
        out[rows] = done
    return out if out is not None else torch.empty(0, 3, side, side, device=images.device)


def inside(to_canvas: Tensor, transform: Tensor, size: Tensor, stored: tuple[int, int], side: int, device: torch.device, beyond: bool) -> Tensor:
    """bool [B, S, S]: the pixel centre lies on the transformed picture and, unless `beyond`, on the stored one."""
    height, width = size.detach().to(device, torch.float64, non_blocking=True).unbind(dim=1)
    u, v = coordinates(to_canvas, side, device)
    seen = (u >= -0.5) & (u < width[:, None, None] - 0.5) & (v >= -0.5) & (v < height[:, None, None] - 0.5)
    if not beyond:
        u, v = coordinates(transform, side, device)
        seen = seen & (u >= -0.5) & (u < stored[1] - 0.5) & (v >= -0.5) & (v < stored[0] - 0.5)
    return seen


def coordinates(transform: Tensor, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where every canvas pixel centre comes from: (u, v) float64, [B, S, S] each, or broadcastable to it when nothing is turned."""
    back = torch.linalg.inv(homogeneous(transform)).to(device, non_blocking=True)
    x = torch.arange(side, device=device, dtype=torch.float64)
    y = x[:, None]
    a, b, c, d, e, f = back[:, :2].flatten(1).T[:, :, None, None]
    if _upright(transform).all():
        return a * x + c, e * y + f
    return a * x + b * y + c, d * x + e * y + f


def homogeneous(affine: Tensor) -> Tensor:
    """[B, 2, 3] -> [B, 3, 3]."""
    last = torch.tensor((0.0, 0.0, 1.0), dtype=affine.dtype, device=affine.device).expand(len(affine), 1, 3)
    return torch.cat((affine, last), dim=1)


def _copy_shifted(images: Tensor, shifts: Tensor, windows: Tensor, side: int, level: float) -> Tensor:
    """Whole-pixel shifts on the CPU: one strided copy a picture (numpy slices cost a third of torch's here), borders repeated by hand."""
    covered = bool((windows == torch.tensor((0, 0, side, side))).all())
    out = torch.empty(len(images), 3, side, side) if covered else torch.full((len(images), 3, side, side), level)
    target, source = out.numpy(), images.numpy().transpose(0, 3, 1, 2)
    if len(images) and bool((shifts == shifts[0]).all() and (windows == windows[0]).all()):
        target, source, shifts, windows = target[None], source[None], shifts[:1], windows[:1]
    # Of each window, the part the stored picture covers; where it covers nothing, the nearest border pixel is the part.
    origin = shifts[:, [1, 0]]
    low = torch.minimum(torch.maximum(windows[:, :2], origin), windows[:, 2:] - 1)
    high = torch.maximum(torch.minimum(windows[:, 2:], origin + torch.tensor(images.shape[1:3])), low + 1)
    first = torch.minimum((low - origin).clamp(min=0), torch.tensor(images.shape[1:3]) - 1)
    plan = torch.cat((windows, low, high, first, first + high - low), dim=1).tolist()
    for here, there, (top, left, bottom, right, y0, x0, y1, x1, v0, u0, v1, u1) in zip(target, source, plan):
        if top >= bottom or left >= right:
            continue
        here[..., y0:y1, x0:x1] = there[..., v0:v1, u0:u1]
        if left < x0:
            here[..., y0:y1, left:x0] = here[..., y0:y1, x0 : x0 + 1]
        if x1 < right:
            here[..., y0:y1, x1:right] = here[..., y0:y1, x1 - 1 : x1]
        if top < y0:
            here[..., top:y0, left:right] = here[..., y0 : y0 + 1, left:right]
        if y1 < bottom:
            here[..., y1:bottom, left:right] = here[..., y1 - 1 : y1, left:right]
    return out


def _gather_shifted(images: Tensor, shifts: Tensor, windows: Tensor, side: int, level: float) -> Tensor:
    """Whole-pixel shifts on an accelerator: one gather for the batch."""
    device = images.device
    shifts, windows = shifts.to(device, non_blocking=True), windows.to(device, non_blocking=True)
    at = torch.arange(side, device=device)
    rows = (at - shifts[:, 1, None]).clamp(0, images.shape[1] - 1)
    columns = (at - shifts[:, 0, None]).clamp(0, images.shape[2] - 1)
    out = images[torch.arange(len(images), device=device)[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2).float()
    seen_rows = (at >= windows[:, 0, None]) & (at < windows[:, 2, None])
    seen_columns = (at >= windows[:, 1, None]) & (at < windows[:, 3, None])
    return out.masked_fill(~(seen_rows[:, :, None] & seen_columns[:, None])[:, None], level).contiguous()


def _cut_and_scaled(images: Tensor, cuts: Tensor, side: int, level: float) -> Tensor:
    """Windows of whole pixels onto windows of whole pixels: the library's antialiased uint8 filter, by far the fastest on a CPU."""
    out = torch.full((len(images), 3, side, side), level)
    planes = images.permute(0, 3, 1, 2)
    if bool((cuts == cuts[0]).all()):
        cuts, planes, target = cuts[:1], planes[None], out[None]
    else:
        planes, target = planes[:, None], out[:, None]
    for here, there, (top, left, bottom, right, v0, u0, v1, u1) in zip(target, planes, cuts.tolist()):
        size = (bottom - top, right - left)
        here[..., top:bottom, left:right] = F.interpolate(there[..., v0:v1, u0:u1], size, mode="bilinear", antialias=True, align_corners=False)
    return out


def _filtered(images: Tensor, transform: Tensor, side: int, cubic: bool) -> Tensor:
    """Upright scale and shift: a filter as wide as the shrink, as two small matrix products a picture."""
    scale, shift = transform[:, [0, 1], [0, 1]], transform[:, :, 2]
    out = torch.empty(len(images), 3, side, side, device=images.device)
    shrinks = torch.ones(len(images)) if cubic else (1 / scale.amax(dim=1) + 1e-6).floor()
    for index, pooled, factor in _pooled(images, shrinks):
        columns, rows = (
            _weights(scale[index, axis], shift[index, axis], side, pooled.shape[3 - axis], factor, cubic).to(images.device, non_blocking=True)
            for axis in range(2)
        )
        if cubic:
            length = side / scale[index]
            tall = (length[:, 1] > side) & (length[:, 1] + side > 2 * length[:, 0])
            done = _as_pillow(pooled.double(), columns[:, None], rows[:, None], tall).float()
        else:
            done = rows[:, None] @ (pooled @ columns[:, None].mT)
        out[index.to(images.device, non_blocking=True)] = done
    return out


def _as_pillow(planes: Tensor, columns: Tensor, rows: Tensor, tall: Tensor) -> Tensor:
    """One axis after the other, rounded in between. tall: bool [b] on the CPU, rows go first (Pillow 13 onto a square; found by trying). float64 sums
    of whole numbers of _STEP are exact, as Pillow's of integers."""
    done = _to_level(rows @ _to_level(planes @ columns.mT))
    if tall.any():
        at = tall.nonzero()[:, 0].to(planes.device, non_blocking=True)
        done[at] = _to_level(_to_level(rows[at] @ planes[at]) @ columns[at].mT)
    return done


def _to_level(values: Tensor) -> Tensor:
    """The nearest 8-bit level, halves up."""
    return (values + 0.5).floor_().clamp_(0, 255)


def _weights(scale: Tensor, shift: Tensor, side: int, length: int, factor: int, cubic: bool) -> Tensor:
    """Filter weights [B, S, L] of one axis: canvas pixel i looks at stored pixel (i - shift) / scale; rows sum to 1. float32; float64, rounded to
    whole numbers of _STEP as in Pillow, if cubic."""
    centre = (torch.arange(side, dtype=torch.float64) - shift[:, None]) / scale[:, None]
    centre = ((centre - (factor - 1) / 2) / factor).clamp(-0.5, length - 0.5)
    reach = (1 / (scale * factor)).clamp(min=1)
    away = (torch.arange(length, dtype=torch.float64) - centre[..., None]).abs() / reach[:, None, None]
    weights = _cubic(away) if cubic else (1 - away).clamp(min=0)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return (weights / _STEP).round() * _STEP if cubic else weights.float()


def _cubic(away: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -1/2 (IEEE TASSP 29, 1981), as Pillow's."""
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    return torch.where(away < 1, near, torch.where(away < 2, far, 0))


def _turned(images: Tensor, transform: Tensor, side: int) -> Tensor:
    """Any affine: average-pool by the nearest whole shrink factor, then bilinear."""
    u, v = torch.broadcast_tensors(*coordinates(transform, side, images.device))
    out = torch.empty(len(images), 3, side, side, device=images.device)
    for index, pooled, factor in _pooled(images, (1 / torch.linalg.matrix_norm(transform[:, :, :2], ord=2)).round()):
        index = index.to(images.device, non_blocking=True)
        length = torch.tensor((pooled.shape[3], pooled.shape[2])).to(images.device, non_blocking=True)
        # -1 and 1 are the outer edges of the pooled picture, whose pixels are `factor` stored pixels wide
        grid = 2 * (torch.stack((u[index], v[index]), dim=-1) + 0.5) / (factor * length) - 1
        out[index] = F.grid_sample(pooled, grid.float(), mode="bilinear", padding_mode="border", align_corners=False)
    return out


def _pooled(images: Tensor, factors: Tensor) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Blocks of pictures of equal pool factor: (index int64 [b], planes float32 [b, 3, ceil(H / f), ceil(W / f)], f)."""
    factors = factors.clamp(min=1).long()
    for factor in factors.unique().tolist():
        for index in (factors == factor).nonzero()[:, 0].split(max(1, _BLOCK // images[0].numel())):
            planes = images[index.to(images.device, non_blocking=True)].permute(0, 3, 1, 2).contiguous().float()
            yield index, planes if factor == 1 else F.avg_pool2d(planes, factor, ceil_mode=True), factor


def _upright(transform: Tensor) -> Tensor:
    """bool [B]: scales both axes, turns and mirrors nothing."""
    return (transform[:, 0, 1] == 0) & (transform[:, 1, 0] == 0) & (transform[:, 0, 0] > 0) & (transform[:, 1, 1] > 0)


def _shifted(transform: Tensor) -> Tensor:
    """bool [B]: moves by whole pixels at equal size."""
    equal = (transform[:, :, :2] - torch.eye(2, dtype=transform.dtype)).abs().amax(dim=(1, 2)) < 1e-6
    return equal & ((transform[:, :, 2] - transform[:, :, 2].round()).abs().amax(dim=1) < 1e-4)


def _cuts(to_canvas: Tensor, transform: Tensor, size: Tensor, stored: tuple[int, int], side: int) -> tuple[Tensor, Tensor]:
    """int64 [B, 8]: canvas window (top, left, bottom, right) and the stored window it shows; bool [B]: all eight are whole pixels, upright."""
    scale = transform[:, [1, 0], [1, 0]]
    # Edges in corner-origin coordinates of the canvas, (vertical, horizontal).
    start = transform[:, [1, 0], 2] + 0.5 - 0.5 * scale
    fit = to_canvas[:, [1, 0], [1, 0]]
    picture = to_canvas[:, [1, 0], 2] + 0.5 - 0.5 * fit
    low = torch.maximum(start, picture).clamp(min=0)
    high = torch.minimum(start + torch.tensor(stored) * scale, picture + size * fit).clamp(max=side)
    edges = torch.cat((low, high, (low - start) / scale, (high - start) / scale), dim=1)
    whole = edges.round()
    fits = ((edges - whole).abs() < 1e-3).all(dim=1) & (whole[:, [2, 3, 6, 7]] > whole[:, [0, 1, 4, 5]]).all(dim=1) & _upright(transform)
    return torch.where(fits[:, None], whole, 0).long(), fits


def _windows(to_canvas: Tensor, size: Tensor, shifts: Tensor, stored: tuple[int, int], side: int, replicate: bool) -> Tensor:
    """int64 [B, 4] (top, left, bottom, right) of the canvas pixels that get a picture, for whole-pixel shifts at equal size."""
    start = to_canvas[:, [1, 0], 2]
    low, high = start, start + size
    if not replicate:
        origin = shifts[:, [1, 0]]
        low = torch.maximum(low, origin)
        high = torch.minimum(high, origin + torch.tensor(stored))
    edges = torch.cat((low, torch.maximum(low, high)), dim=1)
    return (edges - 1e-4).ceil().clamp(0, side).long()
