"""Geometry fusion: patch tokens cross-attend to a frozen 3-D encoder of the same picture (VIPA-VLA §3.2.2; block of VLM-3R, arXiv 2505.20279).

V_f = V_sem + alpha * dropout(LN(attention(LN(V_sem), LN(V_spa)))), alpha one learned number; alpha = 0 leaves the tower's tokens as they are.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.models.attention import MultiHeadAttention
from praxia.models.backbones.backbone import Attention, Backbone
from praxia.models.geometry_nets.geometry_net import GeometryNet, frozen
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.registry import register


@register("adapter/geometry_fusion")
@dataclass(frozen=True)
class GeometryFusion:
    """encoder: geometry net spec with `build()`, needed at inference and therefore part of the policy. The attention is as wide as the tower."""

    encoder: Any = field(default_factory=ViTGeometry)
    heads: int = 16
    alpha: float = 0.5
    dropout: float = 0.1
    attention: Attention = "sdpa"

    def build(self, backbone: Backbone) -> "GeometryFusionAdapter":
        """The module, matched to the backbone's vision width."""
        return GeometryFusionAdapter(self, self.encoder.build(), backbone.vision_width)


class GeometryFusionAdapter(nn.Module):
    """Each view looks at its own geometry tokens; features a family carries beside the patch tokens stay as they are."""

    def __init__(self, spec: GeometryFusion, encoder: GeometryNet, width: int):
        super().__init__()
        self.encoder = frozen(encoder)
        self.patch_norm = nn.LayerNorm(width)
        self.geometry_norm = nn.LayerNorm(encoder.width)
        self.attention = MultiHeadAttention(width, spec.heads, encoder.width, spec.attention)
        self.branch_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(spec.dropout)
        self.alpha = nn.Parameter(torch.tensor(spec.alpha))

    def train(self, mode: bool = True) -> "GeometryFusionAdapter":
        """The encoder stays in evaluation mode whatever the rest does."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, patches: Tensor, batch: Batch, draws: Draws) -> Tensor:
        """patches [B, V, P, D] -> the same shape."""
        geometry = self.encoder.features(batch)
        tokens = torch.cat([geometry.special, geometry.patches.flatten(2, 3)], dim=2).flatten(0, 1)
        branch = self.attention(self.patch_norm(patches.flatten(0, 1)), self.geometry_norm(tokens.to(patches.dtype)))
        return patches + self.alpha * self.dropout(self.branch_norm(branch)).view_as(patches)
