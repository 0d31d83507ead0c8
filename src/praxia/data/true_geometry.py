"""What is truly there: depth, points and cameras of a batch's views on the square that a consumer sees, from recorded depth and calibration."""

from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.data.batch import ViewBatch
from praxia.data.pixels import canvas_K, rays, resample_nearest
from praxia.errors import DataError
from praxia.specs import ImageSpec


@dataclass(frozen=True)
class TrueGeometry:
    """depth: float32 [B, V, S, S] metric z, 0 = unknown; known: bool [B, V, S, S]; points: float32 [B, V, S, S, 3] in the first camera's frame.

    T_first_cam: float32 [B, V, 4, 4]; K: float32 [B, V, 3, 3] of the square.
    """

    depth: Tensor
    known: Tensor
    points: Tensor
    T_first_cam: Tensor
    K: Tensor


def true_geometry(views: ViewBatch, spec: ImageSpec) -> TrueGeometry:
    """Raises DataError where a view has no depth or no calibration."""
    if views.depth is None or not bool(views.K.isfinite().all() and views.T_base_cam.isfinite().all()):
        raise DataError("a geometry net learns from depth and calibration (K, T_base_cam) of every view; record depth, or name roles that have it")
    slots = range(len(views.roles))
    stored = [views.depth[i] for i in slots]
    depth = torch.stack([resample_nearest(stored[i], views.affine[:, i], views.size[:, i], spec) for i in slots], dim=1)
    K = torch.stack([canvas_K(views.K[:, i], views.size[:, i], spec) for i in slots], dim=1)
    everywhere = torch.ones(len(depth), spec.size, spec.size, dtype=torch.bool, device=depth.device)
    seen = torch.stack([rays(K[:, i], everywhere).permute(0, 2, 3, 1) for i in slots], dim=1)
    T_first_cam = torch.linalg.inv(views.T_base_cam[:, :1].double()) @ views.T_base_cam.double()
    points = torch.einsum("bvij,bvyxj->bvyxi", T_first_cam[..., :3, :3], (seen * depth[..., None]).double()) + T_first_cam[:, :, None, None, :3, 3]
    return TrueGeometry(depth, depth > 0, points.float(), T_first_cam.float(), K)
