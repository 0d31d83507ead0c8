"""Rotations and rigid transforms as tensors, for networks (edges use `praxia.geometry`, in float64)."""

import torch
from torch import Tensor


def quaternion_to_matrix(wxyz: Tensor) -> Tensor:
    """[..., 4], any non-zero norm -> [..., 3, 3]."""
    w, x, y, z = wxyz.unbind(-1)
    s = 2 / wxyz.square().sum(-1)
    rows = (
        (1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)),
        (s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)),
        (s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def matrix_to_quaternion(R: Tensor) -> Tensor:
    """[..., 3, 3] -> unit quaternion [..., 4] (w, x, y, z) with w >= 0."""
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in R.unbind(-2))
    # 4 q q^T, each entry from the matrix; the row of the largest component divides by the largest number
    rows = (
        (1 + a + e + i, h - f, c - g, d - b),
        (h - f, 1 + a - e - i, b + d, c + g),
        (c - g, b + d, 1 - a + e - i, f + h),
        (d - b, c + g, f + h, 1 - a - e + i),
    )
    outer = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = torch.take_along_dim(outer, best[..., None, None], dim=-2).squeeze(-2)
    q = row / row.norm(dim=-1, keepdim=True)
    return torch.where(q[..., :1] < 0, -q, q)


def rigid(R: Tensor, t: Tensor) -> Tensor:
    """Rotation [..., 3, 3] and translation [..., 3] -> [..., 4, 4]."""
    last = torch.zeros_like(R[..., :1, :])
    bottom = torch.cat([last, torch.ones_like(last[..., :1])], dim=-1)
    return torch.cat([torch.cat([R, t[..., None]], dim=-1), bottom], dim=-2)


def inverse(T: Tensor) -> Tensor:
    """Inverse of rigid [..., 4, 4]."""
    turned = T[..., :3, :3].transpose(-1, -2)
    return rigid(turned, -(turned @ T[..., :3, 3:])[..., 0])


def transform(T: Tensor, points: Tensor) -> Tensor:
    """Rigid [..., 4, 4] on points [..., H, W, 3]."""
    return points @ T[..., None, :3, :3].transpose(-1, -2) + T[..., None, None, :3, 3]


def intrinsics(fx: Tensor, fy: Tensor, cx: float, cy: float) -> Tensor:
    """K [..., 3, 3] of focal lengths [...] and one principal point."""
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    rows = ((fx, zero, zero + cx), (zero, fy, zero + cy), (zero, zero, one))
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
