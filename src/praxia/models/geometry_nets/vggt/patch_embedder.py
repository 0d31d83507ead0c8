"""VGGT's patch embedder: DINOv2 ViT with registers. Only normalised patch tokens leave it; its registers are not the aggregator's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.models.geometry_nets.transformer_blocks import Block, PatchEmbed

EPS = 1e-6


class PatchEmbedder(nn.Module):
    """native: patches along a side of the position table's square grid."""

    def __init__(self, native: int, patch_size: int, width: int, depth: int, heads: int, mlp_ratio: float, registers: int):
        super().__init__()
        self.native = native
        self.cls_token = nn.Parameter(torch.full((1, 1, width), 1e-6))
        self.pos_embed = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1 + native**2, width), std=0.02))
        self.register_tokens = nn.Parameter(torch.full((1, registers, width), 1e-6))
        self.mask_token = nn.Parameter(torch.zeros(1, width), requires_grad=False)  # of its pretraining; published, never read here
        self.patch_embed = PatchEmbed(3, width, patch_size)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, EPS, layer_scale=1.0) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)

    def positions(self, rows: int, columns: int) -> Tensor:
        """[1, 1 + rows * columns, C]: row 0 of the class token, then the table resampled to the grid."""
        if (rows, columns) == (self.native, self.native):
            return self.pos_embed
        grid = self.pos_embed[:, 1:].unflatten(1, (self.native, self.native)).permute(0, 3, 1, 2)
        # asked for by size: a scale factor would sample at slightly other places
        grid = F.interpolate(grid.float(), size=(rows, columns), mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2).to(self.pos_embed.dtype)], dim=1)

    def embed(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] -> class token, registers, patches [B, 1 + R + N, C]; registers come in after positions and have none."""
        patches = self.patch_embed(pixels)
        size = self.patch_embed.proj.kernel_size[0]
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        tokens = tokens + self.positions(pixels.shape[-2] // size, pixels.shape[-1] // size)
        return torch.cat([tokens[:, :1], self.register_tokens.expand(len(patches), -1, -1), tokens[:, 1:]], dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised [B, 3, H, W] -> patch tokens [B, N, C]."""
        tokens = self.embed(pixels)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens[:, 1 + self.register_tokens.shape[1] :])
