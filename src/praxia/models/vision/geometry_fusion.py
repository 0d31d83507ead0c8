"""Geometry fusion: patch tokens cross-attend to a frozen 3-D encoder of the same picture (VIPA-VLA §3.2.2; block of VLM-3R, arXiv 2505.20279).

V_f = V_sem + alpha * dropout(LN(W attention(LN(V_sem), LN(V_spa)))), alpha one learned number; alpha = 0 leaves the tower's tokens as they are.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.data.pixels import view_pixels
from praxia.errors import ConfigError, unknown
from praxia.models.attention import Attention, plain
from praxia.models.backbones.backbone import Backbone
from praxia.models.geometry_nets.geometry_net import GeometryNet, frozen, present
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.registry import register


@register("adapter/geometry_fusion")
@dataclass(frozen=True)
class GeometryFusion:
    """encoder: geometry net spec with `build()`, needed at inference and therefore part of the policy.

    width: of the attention, 0 = the tower's. together: frames of one role that the encoder is shown at once, 0 = all of them: for a net with memory,
    or one that joins views; 1 for one that has learnt from single pictures. dropout: of the attention's weights, and of the branch or
    (`dropout_at="sum"`) of the sum; the paper's words allow both, only the former keeps alpha = 0 exact in training. shuffled: every picture looks at
    the geometry of another sample of its batch, alone at that of a grey picture (a control: as much input and compute, nothing about the picture).
    """

    encoder: Any = field(default_factory=ViTGeometry)
    width: int = 0
    together: int = 0
    heads: int = 16
    alpha: float = 0.5
    dropout: float = 0.1
    dropout_at: Literal["branch", "sum"] = "branch"
    attention: Attention = "sdpa"
    shuffled: bool = False

    def __post_init__(self) -> None:
        if self.width < 0 or self.together < 0 or self.heads < 1 or not 0 <= self.dropout < 1:
            raise ConfigError(
                f"GeometryFusion has width {self.width}, together {self.together}, heads {self.heads} and dropout {self.dropout}; expected a width "
                "from 0 (the tower's), frames from 0 (all), at least 1 head and a share from 0 to below 1"
            )
        if self.dropout_at not in (places := ("branch", "sum")):
            raise ConfigError(unknown("GeometryFusion.dropout_at", self.dropout_at, places))

    def build(self, backbone: Backbone) -> "GeometryFusionAdapter":
        """The module, matched to the backbone's vision width."""
        return GeometryFusionAdapter(self, self.encoder.build(), backbone.vision_width)


class GeometryFusionAdapter(nn.Module):
    """The frozen encoder and the fusion layer; features a family carries beside the patch tokens stay as they are.

    Frames of one role are shown to the encoder in order, `together` at a time (a net with memory goes on from one to the next); cameras of different
    roles each alone, so that their order does not matter (spec, open point 6).
    """

    def __init__(self, spec: GeometryFusion, encoder: GeometryNet, width: int):
        super().__init__()
        self.spec = spec
        self.encoder = frozen(encoder)
        self.fusion = FusionLayer(spec, width, encoder.width)

    def train(self, mode: bool = True) -> "GeometryFusionAdapter":
        """The encoder stays in evaluation mode whatever the rest does."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, patches: Tensor, batch: Batch, draws: Draws) -> Tensor:
        """patches [B, V, P, D] -> the same shape."""
        geometry = self.geometry(batch)
        return self.fusion(patches.flatten(0, 1), geometry.flatten(0, 1).to(patches.dtype)).view_as(patches)

    @torch.no_grad()
    def geometry(self, batch: Batch) -> Tensor:
        """What the encoder sees of every view: its special tokens, then its patches row by row, [B, V, N, C]."""
        assert batch.views is not None
        pixels, valid = view_pixels(batch.views, self.encoder.image_spec), present(batch.views)
        if self.spec.shuffled:
            pixels, valid = (pixels.roll(1, 0), valid if valid is None else valid.roll(1, 0)) if len(pixels) > 1 else (torch.zeros_like(pixels), None)
        clips: dict[str, list[int]] = {}
        for slot, role in enumerate(batch.views.roles):
            clips.setdefault(role.partition(":")[0], []).append(slot)
        at_once = self.spec.together or len(batch.views.roles)
        groups = [slots[i : i + at_once] for slots in clips.values() for i in range(0, len(slots), at_once)]
        order = [slot for slots in groups for slot in slots]
        if len({len(slots) for slots in groups}) == 1:  # all in one pass

            def apart(slots: Tensor) -> Tensor:
                """The groups as samples of their own."""
                return slots[:, order].unflatten(1, (len(groups), -1)).flatten(0, 1)

            seen = self._seen(apart(pixels), None if valid is None else apart(valid)).unflatten(0, (batch.size, -1)).flatten(1, 2)
        else:
            seen = torch.cat([self._seen(pixels[:, slots], None if valid is None else valid[:, slots]) for slots in groups], dim=1)
        return seen[:, torch.tensor(order, device=seen.device).argsort()]

    def _seen(self, pixels: Tensor, valid: Tensor | None) -> Tensor:
        patches, special = self.encoder.seen(pixels, valid)
        return torch.cat([special, patches.flatten(2, 3)], dim=2)


class FusionLayer(nn.Module):
    """One cross-attention. As in VLM-3R, linear maps to the attention's width stand before the attention's own, and one back to the tower's width
    behind it: 7.9 M parameters at 1024 x 768 channels."""

    def __init__(self, spec: GeometryFusion, width: int, geometry_width: int):
        super().__init__()
        self.spec = spec
        inner = spec.width or width
        if inner % spec.heads:
            raise ConfigError(f"GeometryFusion.heads is {spec.heads}, which does not divide the attention's width {inner}")
        self.patch_norm, self.geometry_norm = nn.LayerNorm(width), nn.LayerNorm(geometry_width)
        self.queries, self.keys, self.values = nn.Linear(width, inner), nn.Linear(geometry_width, inner), nn.Linear(geometry_width, inner)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(inner, inner) for _ in range(4))
        self.back = nn.Linear(inner, width)
        self.branch_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(spec.dropout)
        self.alpha = nn.Parameter(torch.tensor(spec.alpha))

    def forward(self, patches: Tensor, geometry: Tensor) -> Tensor:
        """patches [M, P, D], geometry [M, N, C] -> [M, P, D]."""
        seen = self.geometry_norm(geometry)
        mapped = (self.q_proj(self.queries(self.patch_norm(patches))), self.k_proj(self.keys(seen)), self.v_proj(self.values(seen)))
        query, key, value = (x.unflatten(-1, (self.spec.heads, -1)).transpose(1, 2) for x in mapped)
        dropped = self.spec.dropout if self.training else 0.0
        if self.spec.attention == "plain":
            found, _ = plain(query, key, value, None, query.shape[-1] ** -0.5, dropped)
        else:
            found = F.scaled_dot_product_attention(query, key, value, dropout_p=dropped)
        branch = self.branch_norm(self.back(self.o_proj(found.transpose(1, 2).flatten(2))))
        if self.spec.dropout_at == "sum":
            return self.dropout(patches + self.alpha * branch)
        return patches + self.alpha * self.dropout(branch)

    def diagnostics(self, inputs: tuple[Tensor, Tensor], output: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """For `train.diagnostics`: alpha, and ||alpha F_spa|| / ||V_sem|| over all patches (what to watch while it trains, VIPA-VLA §4)."""
        before = inputs[0].float()
        added = (output.float() - before).norm(dim=-1).sum()
        return {"alpha": (self.alpha, torch.ones_like(self.alpha)), "added": (added, before.norm(dim=-1).sum())}
