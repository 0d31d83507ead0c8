"""Rays and metric depth as additive priors on patch tokens, each optional (Pose-VLA §Inputs; after Pow3R).

tokens + E_ray(rays) + E_depth([depth, known]), between the vision tower and the projector. Each encoder unfolds a patch and applies
Linear -> GELU -> Linear. A missing prior is zeros through the same encoder: its biases make a learned code for "missing".
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from praxia.data import pixels
from praxia.data.batch import Batch, Draws, ViewBatch
from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone
from praxia.registry import register
from praxia.specs import ImageSpec


@register("adapter/ray_depth")
@dataclass(frozen=True)
class RayDepth:
    """drop_rays, drop_depth: probability that a training sample loses the prior in all its views, drawn independently.

    sparse_depth: probability that a training sample keeps only a random share of its known depth pixels, 0.1 to 100 %, the same places in all
    views (the paper's stand-in for sensor noise; off in the released code).
    unit: metres that a depth of 1 stands for (published: 1). A table top varies by a few decimetres, which narrow encoders hardly notice in metres.
    expansion: hidden width of both encoders, in vision widths.
    """

    drop_rays: float = 0.5
    drop_depth: float = 0.5
    sparse_depth: float = 0.0
    unit: float = 1.0
    expansion: int = 4

    def __post_init__(self) -> None:
        for name in ("drop_rays", "drop_depth", "sparse_depth"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"RayDepth.{name} is {getattr(self, name)}; expected a probability from 0 to 1")
        if self.unit <= 0 or self.expansion < 1:
            raise ConfigError(f"RayDepth.unit is {self.unit} and expansion {self.expansion}; expected metres above 0 and at least 1")

    @property
    def reads_depth(self) -> bool:
        """Whether depth is needed at all."""
        return self.drop_depth < 1

    @property
    def relies_on(self) -> frozenset[str]:
        """Of `cameras` (intrinsics) and `depth`, what no training sample ever lost: a policy was never taught what to do without."""
        return frozenset(name for name, drop in (("cameras", self.drop_rays), ("depth", self.drop_depth)) if drop == 0)

    def build(self, backbone: Backbone) -> "RayDepthAdapter":
        """The module, matched to the backbone's canvas, patches and vision width."""
        return RayDepthAdapter(self, backbone.image_spec, backbone.spec.patch_size, backbone.vision_width)


class PatchEncoder(nn.Module):
    """[M, C, S, S] -> one vector for each patch of the grid [M, rows * columns, width], row by row."""

    def __init__(self, channels: int, patch: int, hidden: int, width: int):
        super().__init__()
        self.patch = patch
        self.mlp = nn.Sequential(nn.Linear(channels * patch**2, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, planes: Tensor) -> Tensor:
        """Unfold, then the MLP."""
        return self.mlp(nn.functional.pixel_unshuffle(planes, self.patch).flatten(2).mT)


class RayDepthAdapter(nn.Module):
    """Adds both priors to the patch tokens; features a family carries beside them stay as they are."""

    def __init__(self, spec: RayDepth, image_spec: ImageSpec, patch: int, width: int):
        super().__init__()
        self.spec, self.image_spec = spec, image_spec
        self.rays = PatchEncoder(3, patch, spec.expansion * width, width)
        self.depth = PatchEncoder(2, patch, spec.expansion * width, width)

    def draw_masks(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Which samples lose which prior: bool [B] under `rays` and `depth`; which depth pixels go: bool [B, S, S] under `depth_pixels`."""
        uniform = torch.rand(2, batch_size, generator=generator)
        masks = {"rays": uniform[0] < self.spec.drop_rays, "depth": uniform[1] < self.spec.drop_depth}
        if self.spec.sparse_depth:
            thinned = torch.rand(batch_size, generator=generator) < self.spec.sparse_depth
            kept = torch.where(thinned, 10 ** torch.empty(batch_size).uniform_(-3, 0, generator=generator), 1.0)
            masks["depth_pixels"] = torch.rand(batch_size, *[self.image_spec.size] * 2, generator=generator) >= kept[:, None, None]
        return masks

    def forward(self, patches: Tensor, batch: Batch, draws: Draws) -> Tensor:
        """patches [B, V, P, D] -> the same shape."""
        assert batch.views is not None
        rays, depth = canvas_rays(batch.views, self.image_spec), canvas_depth(batch.views, self.image_spec, self.spec.unit)
        # what was never learnt from is not looked at, in training or later
        rays = rays if self.spec.drop_rays < 1 else torch.zeros_like(rays)
        depth = depth if self.spec.drop_depth < 1 else torch.zeros_like(depth)
        if "rays" in draws.masks:
            rays = rays.masked_fill(draws.masks["rays"][:, None, None, None, None], 0)
        if "depth" in draws.masks:
            depth = depth.masked_fill(draws.masks["depth"][:, None, None, None, None], 0)
        if "depth_pixels" in draws.masks:
            depth = depth.masked_fill(draws.masks["depth_pixels"][:, None, None], 0)
        priors = self.rays(rays.flatten(0, 1)) + self.depth(depth.flatten(0, 1))
        return patches + priors.to(patches.dtype).view_as(patches)


def canvas_rays(views: ViewBatch, spec: ImageSpec) -> Tensor:
    """Viewing rays float32 [B, V, 3, S, S], third component 1; zero on bars and in views that are empty or have no K."""
    slots = []
    for i, image in enumerate(views.images):
        K = pixels.canvas_K(views.K[:, i], views.size[:, i], spec)
        seen = pixels.valid_pixels(views.affine[:, i], views.size[:, i], (image.shape[1], image.shape[2]), spec, image.device)
        slots.append(pixels.rays(K, seen & views.valid[:, i, None, None]))
    return torch.stack(slots, dim=1)


def canvas_depth(views: ViewBatch, spec: ImageSpec, unit: float = 1.0) -> Tensor:
    """Depth in units of `unit` metres and whether it is known, float32 [B, V, 2, S, S]; zero on bars, in empty views and without depth."""
    if views.depth is None:
        return torch.zeros(*views.valid.shape, 2, spec.size, spec.size, device=views.valid.device)
    slots = [pixels.resample_nearest(d, views.affine[:, i], views.size[:, i], spec) for i, d in enumerate(views.depth)]
    depth = torch.stack(slots, dim=1).nan_to_num(0.0, 0.0, 0.0) * views.valid[:, :, None, None]
    return torch.stack([depth / unit, (depth > 0).to(depth.dtype)], dim=2)
