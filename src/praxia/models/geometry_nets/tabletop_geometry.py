"""Tabletop geometry: a small net for metric depth, points and cameras of a few views, trained here; the embedded worlds' stand-in for VGGT and CUT3R.

The design is VGGT's (arXiv 2503.11651) at a thousandth of its size: blocks look at one view and at all views in turn, a camera token of each view
gives its pose and focal length, the patch tokens give depth, points and how sure they are. Unlike VGGT's its lengths are metres: the worlds are.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.errors import ConfigError
from praxia.models.checkpoint_file import fit
from praxia.models.geometry_nets.geometry_net import GeometryNet, Reconstruction, refuse_state
from praxia.models.geometry_nets.net_folder import read_weights
from praxia.models.geometry_nets.poses import intrinsics, rigid
from praxia.models.geometry_nets.transformer_blocks import Block, full_precision
from praxia.models.vision.conv_stem import ConvStem
from praxia.registry import register
from praxia.specs import ImageSpec

_CAMERA = 10  # numbers of a camera: translation 3, first two columns of its rotation 6, log of focal length over side
_DENSE = 6  # numbers of a pixel: log depth, its log confidence, point 3, its log confidence


@register("geometry_net/tabletop")
@dataclass(frozen=True)
class TabletopGeometry:
    """Sizes of the net. layers: blocks of each kind (own view, all views). checkpoint: folder of a trained net (`praxia train tabletop_geometry`
    leaves it under runs/tabletop_geometry/geometry). licence: of its weights: they are made here, from a world under Apache-2.0.
    """

    image_size: int = 64
    patch_size: int = 8
    width: int = 160
    layers: int = 4
    heads: int = 5
    mlp_ratio: float = 3.0
    checkpoint: str = ""
    licence: str = "apache-2.0"

    def __post_init__(self) -> None:
        for name in ("image_size", "patch_size", "width", "layers", "heads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"TabletopGeometry.{name} is {getattr(self, name)}; expected at least 1")
        if self.image_size % self.patch_size:
            raise ConfigError(f"TabletopGeometry.image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.width % self.heads:
            raise ConfigError(f"TabletopGeometry.width {self.width} cannot be shared by {self.heads} heads; use a multiple")

    def build(self) -> "TabletopGeometryNet":
        """The module with random weights."""
        return TabletopGeometryNet(self)


class TabletopGeometryNet(GeometryNet):
    """Views of one scene in any number; the first one's camera is the frame of points and poses."""

    metric = True

    def __init__(self, spec: TabletopGeometry):
        super().__init__()
        self.spec = spec
        self.image_spec = ImageSpec(spec.image_size, "letterbox")
        self.width, self.licence = spec.width, spec.licence
        self.side = spec.image_size // spec.patch_size
        self.stem = ConvStem(spec.width, spec.patch_size)
        self.places = nn.Parameter(0.1 * torch.randn(self.side**2, spec.width))
        self.camera_tokens = nn.Parameter(0.1 * torch.randn(2, spec.width))  # of the first view, of any other
        self.first = nn.Parameter(torch.zeros(2, spec.width))  # added to a view's patches: whether its frame is that of the points
        self.own, self.all = (
            nn.ModuleList(Block(spec.width, spec.heads, spec.mlp_ratio, eps=1e-5, plain=True) for _ in range(spec.layers)) for _ in range(2)
        )
        self.norm = nn.LayerNorm(spec.width)
        self.camera = nn.Sequential(nn.Linear(spec.width, spec.width), nn.GELU(), nn.Linear(spec.width, _CAMERA))
        self.dense = nn.Sequential(nn.Linear(spec.width, 2 * spec.width), nn.GELU(), nn.Linear(2 * spec.width, _DENSE * spec.patch_size**2))

    def load_checkpoint(self) -> None:
        """Take the weights of the folder that the spec names. Raises CheckpointError."""
        fit(self, read_weights(self.spec), f"TabletopGeometry.checkpoint {self.spec.checkpoint!r}")

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, V, 3, S, S] -> patch features [B, V, h, w, C] and the camera token [B, V, 1, C], normalised."""
        if pixels.shape[-2:] != (self.image_spec.size,) * 2:
            raise ConfigError(f"tabletop_geometry was given pictures of {tuple(pixels.shape[-2:])}, it sees squares of {self.image_spec.size}")
        b, v = pixels.shape[:2]
        which = torch.tensor([0] + [1] * (v - 1), device=pixels.device)
        patches = self.stem(pixels.flatten(0, 1)).flatten(2).mT + self.places
        patches = patches.unflatten(0, (b, v)) + self.first[which][:, None]
        tokens = torch.cat([self.camera_tokens[which][None, :, None].expand(b, -1, -1, -1).to(patches.dtype), patches], dim=2)
        for own, everything in zip(self.own, self.all, strict=True):
            tokens = own(tokens.flatten(0, 1)).unflatten(0, (b, v))
            tokens = everything(tokens.flatten(1, 2)).unflatten(1, (v, -1))
        tokens = self.norm(tokens)
        return tokens[:, :, 1:].unflatten(2, (self.side, self.side)), tokens[:, :, :1]

    def reconstruct(self, pixels: Tensor, state: Any = None) -> Reconstruction:
        """Metres. The net has no memory: `state` must be None, and is in what is returned."""
        refuse_state("tabletop_geometry", state)
        patches, special = self(pixels)
        with full_precision(pixels.device):
            dense = self.dense(patches.float()).unflatten(-1, (*(self.spec.patch_size,) * 2, _DENSE))  # [B, V, h, w, p, p, 6]
            dense = dense.transpose(3, 4).flatten(2, 3).flatten(3, 4)
            depth, sure, points, points_sure = dense.split((1, 1, 3, 1), dim=-1)
            forward = torch.tensor([0.0, 0.0, 1.0], device=pixels.device)  # a metre in front of the camera, where learning starts from
            camera = self.camera(special[:, :, 0].float())
            return Reconstruction(
                depth=depth[..., 0].exp(),
                depth_confidence=1 + sure[..., 0].exp(),
                points=points + forward,
                points_confidence=1 + points_sure[..., 0].exp(),
                T_first_cam=_pose(camera),
                K=_intrinsics(camera[..., 9], self.image_spec.size),
            )


def _pose(camera: Tensor) -> Tensor:
    """Numbers [..., 10] -> T_first_cam [..., 4, 4]; zeros give the identity. Rotation by Gram-Schmidt of two columns (arXiv 1812.07035)."""
    x = F.normalize(camera[..., 3:6] + torch.tensor([1.0, 0.0, 0.0], device=camera.device), dim=-1)
    y = camera[..., 6:9] + torch.tensor([0.0, 1.0, 0.0], device=camera.device)
    y = F.normalize(y - (x * y).sum(-1, keepdim=True) * x, dim=-1)
    return rigid(torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1), camera[..., :3])


def _intrinsics(log_focal: Tensor, side: int) -> Tensor:
    """K [..., 3, 3] of a square whose principal point is its middle; log_focal: of the focal length in sides."""
    focal, middle = side * log_focal.exp(), (side - 1) / 2
    return intrinsics(focal, focal, middle, middle)
