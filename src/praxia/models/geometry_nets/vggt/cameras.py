"""VGGT's pose encoding to cameras and back, and depth to points. Cameras are camera-from-world, OpenCV axes, pixel centres at whole numbers."""

import torch
from torch import Tensor

from praxia.models.geometry_nets.poses import intrinsics, inverse, matrix_to_quaternion, quaternion_to_matrix, rigid, transform


def decode(encoding: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Encoding [..., 9] and picture size (height, width) -> T_cam_world [..., 4, 4] and K [..., 3, 3].

    The quaternion may have any norm. A field of view of 0 has no finite focal length.
    """
    height, width = size
    R = quaternion_to_matrix(encoding[..., [6, 3, 4, 5]])
    fy, fx = (side / 2 / torch.tan(encoding[..., i] / 2) for i, side in ((7, height), (8, width)))
    return rigid(R, encoding[..., :3]), intrinsics(fx, fy, width / 2, height / 2)


def encode(T_cam_world: Tensor, K: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of `decode`, with a unit quaternion of non-negative w: [..., 9]."""
    quaternion = matrix_to_quaternion(T_cam_world[..., :3, :3])[..., [1, 2, 3, 0]]
    height, width = size
    views = [2 * torch.atan(side / 2 / K[..., i, i]) for i, side in ((1, height), (0, width))]
    return torch.cat([T_cam_world[..., :3, 3], quaternion, torch.stack(views, dim=-1)], dim=-1)


def unproject(depth: Tensor, T_cam_world: Tensor, K: Tensor) -> Tensor:
    """Depth [..., H, W] of cameras [..., 4, 4] and [..., 3, 3] -> world points float64 [..., H, W, 3]; nothing is masked."""
    height, width = depth.shape[-2:]
    wide = K.double()[..., None, None, :, :]
    u = torch.arange(width, device=depth.device, dtype=torch.float64)
    v = torch.arange(height, device=depth.device, dtype=torch.float64)[:, None]
    z = depth.double()
    x, y = ((at - wide[..., i, 2]) * z / wide[..., i, i] for i, at in ((0, u), (1, v)))
    return transform(inverse(T_cam_world.double()), torch.stack([x, y, z], dim=-1))
