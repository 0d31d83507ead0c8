"""What CUT3R's raw numbers mean: points, confidences, colour, camera-to-world poses, focal length; and ray maps, its way to be asked."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.models.geometry_nets.cut3r.heads import Raw
from praxia.models.geometry_nets.poses import matrix_to_quaternion, quaternion_to_matrix, rigid

TINY = 1e-8


@dataclass(frozen=True)
class Outputs:
    """Of one frame. Lengths are metres; the world is the camera of the first frame, as trained, not enforced.

    points: [B, H, W, 3] in the camera's frame with confidence [B, H, W] > 1; world_points, world_confidence: a second prediction, in the world;
    rgb: [B, H, W, 3] in [-1, 1]; pose: [B, 7] = translation, quaternion (w, x, y, z) of T_world_cam [B, 4, 4].
    """

    points: Tensor
    confidence: Tensor
    world_points: Tensor
    world_confidence: Tensor
    rgb: Tensor
    pose: Tensor
    T_world_cam: Tensor


def activate(raw: Raw) -> Outputs:
    """Raw maps and pose -> their meaning."""
    points, confidence = _points(raw.self_view)
    world_points, world_confidence = _points(raw.world)
    rgb = 2 * (raw.rgb.movedim(1, -1).sigmoid() * (1 - 2e-6) + 1e-6 - 0.5)
    quaternion = F.normalize(raw.pose[:, 3:], dim=-1)
    quaternion = torch.where(quaternion[:, :1] < 0, -quaternion, quaternion)
    pose = torch.cat([_stretched(raw.pose[:, :3]), quaternion], dim=-1)
    return Outputs(points, confidence, world_points, world_confidence, rgb, pose, pose_matrix(pose))


def _points(raw: Tensor) -> tuple[Tensor, Tensor]:
    values = raw.movedim(1, -1)
    return _stretched(values[..., :3]), 1 + values[..., 3].exp()


def _stretched(vectors: Tensor) -> Tensor:
    """Vectors [..., 3] with length d -> the same direction with length exp(d) - 1."""
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp(min=TINY) * torch.expm1(length)


def pose_matrix(pose: Tensor) -> Tensor:
    """[..., 7] -> T_world_cam [..., 4, 4]."""
    return rigid(quaternion_to_matrix(pose[..., 3:]), pose[..., :3])


def pose_encoding(T_world_cam: Tensor) -> Tensor:
    """[..., 4, 4] -> [..., 7] with a quaternion of non-negative w."""
    return torch.cat([T_world_cam[..., :3, 3], matrix_to_quaternion(T_world_cam[..., :3, :3])], dim=-1)


def principal_point(size: tuple[int, int]) -> tuple[float, float]:
    """(cx, cy) that the network assumes for a picture of (height, width)."""
    return float(size[1] // 2), float(size[0] // 2)


def focal_length(points: Tensor, cx: Tensor | float, cy: Tensor | float, steps: int = 10) -> Tensor:
    """One focal length [B] that best explains points [B, H, W, 3] in the camera's frame; never negative.

    Weiszfeld: least squares, then steps weighted by 1 / residual, towards the sum of distances in pixels. cx, cy: numbers or [B].
    """
    offsets, rays = _offsets_and_rays(points, cx, cy)
    rays = rays.nan_to_num(posinf=0.0, neginf=0.0)
    along, across = (offsets * rays).sum(-1), rays.square().sum(-1)
    focal = along.mean(1) / across.mean(1)
    for _ in range(steps):
        weight = 1 / (offsets - focal[:, None, None] * rays).norm(dim=-1).clamp(min=TINY)
        focal = (weight * along).mean(1) / (weight * across).mean(1)
    return focal.clamp(min=0)


def median_focal_length(points: Tensor, cx: Tensor | float, cy: Tensor | float) -> Tensor:
    """The median over pixels and axes of what each of them says, [B]."""
    offsets, rays = _offsets_and_rays(points, cx, cy)
    return (offsets / rays).flatten(1).nanmedian(dim=1).values


def _offsets_and_rays(points: Tensor, cx: Tensor | float, cy: Tensor | float) -> tuple[Tensor, Tensor]:
    """Pixels minus principal point, and (x / z, y / z): both [B, H W, 2]."""
    b, height, width = points.shape[:3]
    u = torch.arange(width, device=points.device, dtype=points.dtype)
    v = torch.arange(height, device=points.device, dtype=points.dtype)
    pixels = torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1).flatten(0, 1)
    centre = torch.stack([torch.as_tensor(c, dtype=points.dtype, device=points.device).expand(b) for c in (cx, cy)], dim=-1)
    return pixels - centre[:, None], (points[..., :2] / points[..., 2:]).flatten(1, 2)


def ray_map(K: Tensor, T_first_cam: Tensor, size: tuple[int, int]) -> Tensor:
    """What the network is asked with: [..., H, W, 6] = camera centre, "direction", in the frame of the first camera.

    The direction is published as the normalised POSITION of the point at depth 1, not of that point seen from the centre; weights expect it so.
    """
    height, width = size
    u = torch.arange(width, device=K.device, dtype=K.dtype)
    v = torch.arange(height, device=K.device, dtype=K.dtype)
    u, v = torch.meshgrid(u, v, indexing="xy")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1)
    centre = T_first_cam[..., None, None, :3, 3]
    points = pixels @ (T_first_cam[..., None, :3, :3] @ torch.linalg.inv(K)[..., None, :, :]).transpose(-1, -2) + centre
    return torch.cat([centre.expand_as(points), F.normalize(points, dim=-1)], dim=-1)
