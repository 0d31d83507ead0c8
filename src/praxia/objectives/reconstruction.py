"""Reconstruction: depth, points and cameras that a geometry net sees, against the truth (losses of DUSt3R, arXiv 2312.14132, and VGGT, 2503.11651).

Dense terms are weighed by the net's own confidence c as c * error - alpha * log c, so that it may say where it is not sure.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.data.batch import Batch
from praxia.data.true_geometry import TrueGeometry, true_geometry
from praxia.errors import ConfigError
from praxia.models.geometry_nets.geometry_net import Reconstruction
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/reconstruction")
@dataclass(frozen=True)
class ReconstructionLoss:
    """Reads depth and cameras of batch.views, and outputs.reconstruction. Weights: depth, points, camera; alpha: price of a confidence.

    Errors: of depth |log z' - log z|; of points |p' - p| / z, their own depth in their own camera; of a camera the absolute differences of
    translation (m), of the rotation matrix, and of the logarithm of the focal length, averaged over each and added.
    """

    depth: float = 1.0
    points: float = 1.0
    camera: float = 2.0
    alpha: float = 0.05

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Views with depth: each counts the same."""
        if batch.views is None or batch.views.depth is None:
            return {}
        views = batch.views.valid.sum().float()
        return {"depth": views, "points": views, "camera": views}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sums over views of a view's mean error, and the number of views."""
        made = outputs.reconstruction
        spec = outputs.geometry_spec
        if made is None or spec is None or batch.views is None:
            raise ConfigError("objective reconstruction scores a geometry net; set ModelSpec.geometry and build part 'geometry' in the stage")
        truth, seen = true_geometry(batch.views, spec), batch.views.valid.float()
        of_depth = (made.depth.clamp_min(1e-6).log() - truth.depth.clamp_min(1e-6).log()).abs()
        of_points = (made.points - truth.points).norm(dim=-1) / truth.depth.clamp_min(1e-6)
        terms = {
            "depth": self.depth * self._sure(of_depth, made.depth_confidence, truth.known),
            "points": self.points * self._sure(of_points, made.points_confidence, truth.known),
            "camera": self.camera * camera_error(made, truth),
        }
        return {name: ((term * seen).sum(), seen.sum()) for name, term in terms.items()}

    def _sure(self, error: Tensor, confidence: Tensor, known: Tensor) -> Tensor:
        """Mean over known pixels of each view, [B, V]."""
        loss = (confidence * error - self.alpha * confidence.log()) * known
        return loss.sum(dim=(2, 3)) / known.sum(dim=(2, 3)).clamp_min(1)


def camera_error(made: Reconstruction, truth: TrueGeometry) -> Tensor:
    """Sum of the mean absolute differences of translation, rotation matrix and log focal length, [B, V]."""
    pose = (made.T_first_cam - truth.T_first_cam).abs()
    focal = torch.stack([(made.K[..., i, i].log() - truth.K[..., i, i].log()).abs() for i in (0, 1)], dim=-1)
    return pose[..., :3, 3].mean(-1) + pose[..., :3, :3].mean((-1, -2)) + focal.mean(-1)
