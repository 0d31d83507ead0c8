"""Geometry alignment: pull visual hidden states towards a frozen 3-D network's features (PokeVLA §III-C; Spatial Forcing, arXiv 2510.12276)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.data.pixels import canvas_transform
from praxia.errors import ConfigError, unknown
from praxia.models.geometry_nets.geometry_net import GeometryFeatures
from praxia.models.states import Outputs
from praxia.models.vision.grid_positions import plane_coordinates, sine_positions
from praxia.objectives.dense import readout
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register
from praxia.specs import ImageSpec


@register("objective/geometry_alignment")
@dataclass(frozen=True)
class GeometryAlignment:
    """Mean of 1 - cosine over visual tokens. teacher: name among the stage's teachers, with `features(batch)`; only its patch features are read.

    readout: the projected visual states, [B, V, N, C]. position_scale: weight of the 2-D sine map added to the target before it is resampled.
    """

    teacher: str = "geometry"
    readout: str = "geometry"
    position_scale: float = 0.1

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Views there are (each has the same number of tokens)."""
        return {} if batch.views is None else {"geometry_alignment": batch.views.valid.sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over tokens of valid views and their number."""
        if self.teacher not in teachers:
            raise ConfigError(f"objective geometry_alignment: {unknown('teacher', self.teacher, teachers)}")
        assert batch.views is not None
        student = readout(outputs, self.readout, "geometry_alignment").float()
        target = self.target(outputs, batch, teachers)
        if target.shape[-1] != student.shape[-1]:
            raise ConfigError(
                f"geometry_alignment: teacher {self.teacher!r} has {target.shape[-1]} channels, readout {self.readout!r} has {student.shape[-1]}; "
                "set the projector's width to the teacher's"
            )
        gap = 1 - F.cosine_similarity(student, target, dim=-1)
        seen = batch.views.valid[..., None].expand_as(gap)
        return {"geometry_alignment": ((gap * seen).sum(), seen.sum().float())}

    def target(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Tensor:
        """What the projected states shall point along, [B, V, N, C]: the teacher's features with their places, at the visual tokens."""
        visual = outputs.visual
        assert batch.views is not None and visual is not None and visual.image_spec is not None
        return on_grid(self._positioned(teachers[self.teacher].features(batch)), batch.views.size, visual.image_spec, visual.grid)

    def _positioned(self, features: GeometryFeatures) -> GeometryFeatures:
        patches = features.patches.float()
        rows, columns = (plane_coordinates(n, patches.device) for n in patches.shape[2:4])
        patches = patches + self.position_scale * sine_positions(rows, columns, patches.shape[4], base=100.0)
        return GeometryFeatures(patches, features.special, features.transform, features.side)


def on_grid(features: GeometryFeatures, size: Tensor, spec: ImageSpec, grid: tuple[int, int]) -> Tensor:
    """Features [B, V, rows * columns, C] at the token centres of a student that saw the same pictures as `spec` asks, bilinear.

    size: [B, V, 2] (height, width) of the transformed pictures. Each centre goes back to the picture and on to the teacher's square, so that
    the two may differ in size and fit; beyond the teacher's border its edge is repeated.
    """
    b, v = size.shape[:2]
    rows, columns = grid
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) * spec.size / columns - 0.5
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) * spec.size / rows - 0.5
    centres = torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)], dim=-1).flatten(0, 1)  # (u, v) on the student's square
    to_student = canvas_transform(size.flatten(0, 1), spec)
    to_teacher = features.transform.flatten(0, 1).to("cpu", torch.float64)
    picture = torch.linalg.solve(to_student[:, None, :, :2], (centres - to_student[:, None, :, 2])[..., None])
    at = (to_teacher[:, None, :, :2] @ picture)[..., 0] + to_teacher[:, None, :, 2]
    where = (2 * (at + 0.5) / features.side - 1).float().to(features.patches.device, non_blocking=True)  # -1 and 1 are the outer edges of the square
    maps = features.patches.flatten(0, 1).permute(0, 3, 1, 2)
    sampled = F.grid_sample(maps, where[:, None], mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[:, :, 0].mT.unflatten(0, (b, v))
