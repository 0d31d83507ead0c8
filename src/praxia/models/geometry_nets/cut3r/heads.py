"""CUT3R's heads: points in the camera's frame, points in the world, colour, and the camera's pose; DPT (512 px) or linear (224 px).

Raw maps come out; `outputs.activate` makes points, confidences and poses of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.models.geometry_nets.cut3r.blocks import ModulatedBlock
from praxia.models.geometry_nets.dpt import FusionPyramid
from praxia.models.geometry_nets.rope_2d import Rotation
from praxia.models.geometry_nets.transformer_blocks import Mlp

POINTS, COLOURS, POSE = 4, 3, 7  # channels; the last one of points is the logit of a confidence


@dataclass(frozen=True)
class Raw:
    """self_view, world: [B, 4, H, W]; rgb: [B, 3, H, W]; pose: [B, 7]."""

    self_view: Tensor
    world: Tensor
    rgb: Tensor
    pose: Tensor


class PoseHead(nn.Module):
    """Pose token [B, D] -> 7 raw numbers."""

    def __init__(self, width: int, mlp_ratio: float):
        super().__init__()
        self.mlp = Mlp(width, int(width * mlp_ratio), POSE)

    def forward(self, token: Tensor) -> Tensor:
        return self.mlp(token)


class DPT(nn.Module):
    """Four token maps -> raw maps [B, channels, H, W]. widths_in: of the tokens; the picture has 16 times the grid."""

    def __init__(self, widths_in: Sequence[int], widths: Sequence[int], features: int, hidden: int, channels: int):
        super().__init__()
        self.scratch = FusionPyramid(widths, features, rectified_skip=False, spare_unit=True, fit="crop")
        # the published state dict lists these convolutions under a second name
        self.scratch.add_module("layer_rn", nn.ModuleList(self.scratch.get_submodule(f"layer{k}_rn") for k in range(1, len(widths) + 1)))
        first, second, _, last = widths
        resize = (nn.ConvTranspose2d(first, first, 4, 4), nn.ConvTranspose2d(second, second, 2, 2), nn.Identity(), nn.Conv2d(last, last, 3, 2, 1))
        self.act_postprocess = nn.ModuleList(nn.Sequential(nn.Conv2d(i, o, 1), r) for i, o, r in zip(widths_in, widths, resize, strict=True))
        self.head = nn.Sequential(
            nn.Conv2d(features, features // 2, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(features // 2, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1),
        )

    def forward(self, levels: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        maps = [post(level.transpose(1, 2).unflatten(2, grid)) for post, level in zip(self.act_postprocess, levels, strict=True)]
        return self.head(self.scratch(maps))


class Heads(nn.Module, ABC):
    """What both kinds share: the pose, and the blocks that turn patch tokens to the world by the pose token."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, transform_depth: int):
        super().__init__()
        self.final_transform = nn.ModuleList(ModulatedBlock(width, heads, mlp_ratio) for _ in range(transform_depth))
        self.pose_head = PoseHead(width, mlp_ratio)

    def forward(self, levels: Sequence[Tensor], pose: Tensor, turn: Rotation, grid: tuple[int, int]) -> Raw:
        """Patch tokens of four levels [B, N, E or D], normalised pose token [B, 1, D], rotation of the patches."""
        world = levels[-1]
        for block in self.final_transform:
            world = block(world, pose, turn)
        return Raw(*self.maps(levels, world, grid), self.pose_head(pose[:, 0]))

    @abstractmethod
    def maps(self, levels: Sequence[Tensor], world: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Raw maps of camera, world and colour."""


class DPTHeads(Heads):
    """A DPT each. Levels: encoder tokens, two middle layers of the decoder, its normalised last one."""

    def __init__(self, look: int, width: int, heads: int, mlp_ratio: float, transform_depth: int, widths: Sequence[int], features: int, hidden: int):
        super().__init__(width, heads, mlp_ratio, transform_depth)
        tokens = (look, width, width, width)
        self.dpt_self, self.dpt_cross, self.dpt_rgb = (DPT(tokens, widths, features, hidden, c) for c in (POINTS, POINTS, COLOURS))

    def maps(self, levels: Sequence[Tensor], world: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        return self.dpt_self(levels, grid), self.dpt_cross([*levels[:-1], world], grid), self.dpt_rgb(levels, grid)


class LinearHeads(Heads):
    """An MLP each on the last level; every token becomes the pixels of its patch."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, transform_depth: int, patch_size: int):
        super().__init__(width, heads, mlp_ratio, transform_depth)
        self.patch_size = patch_size
        hidden = int(width * mlp_ratio)
        self.proj, self.cross_proj, self.rgb_proj = (Mlp(width, hidden, c * patch_size**2) for c in (POINTS, POINTS, COLOURS))

    def maps(self, levels: Sequence[Tensor], world: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        last = levels[-1]
        camera, other, rgb = (self._pixels(p(t), grid) for p, t in ((self.proj, last), (self.cross_proj, world), (self.rgb_proj, last)))
        # only here: what would lie behind the camera is mirrored through it
        forward = torch.cat([camera[:, :3] * camera[:, 2:3].sign(), camera[:, 3:]], dim=1)
        return forward, other, rgb

    def _pixels(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, grid), self.patch_size)
