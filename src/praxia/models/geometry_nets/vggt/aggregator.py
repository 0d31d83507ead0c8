"""VGGT's aggregator: attention within each view and over all views in turn. Views carry no index: only the first has tokens of its own."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from praxia.models.geometry_nets.rope_2d import grid_positions, rotation
from praxia.models.geometry_nets.transformer_blocks import Block
from praxia.models.geometry_nets.vggt.patch_embedder import PatchEmbedder

EPS = 1e-5
FIRST_SCALE = 0.01


class Aggregator(nn.Module):
    """Tokens of a view: camera token, registers, patches. camera_token, register_token: slot 0 for the first view, slot 1 for all others."""

    def __init__(self, patch_embed: PatchEmbedder, width: int, depth: int, heads: int, mlp_ratio: float, registers: int, rope_base: float):
        super().__init__()
        self.patch_embed = patch_embed
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, width) * 1e-3)
        self.register_token = nn.Parameter(torch.randn(1, 2, registers, width) * 1e-3)
        self.frame_blocks, self.global_blocks = (
            nn.ModuleList(Block(width, heads, mlp_ratio, EPS, layer_scale=FIRST_SCALE, qk_norm=EPS) for _ in range(depth)) for _ in range(2)
        )
        self.heads, self.rope_base = heads, rope_base
        self.first_patch = 1 + registers

    def positions(self, rows: int, columns: int, device: torch.device) -> Tensor:
        """(row, column) [1, P, 2] of a view's tokens: patches count from 1, camera token and registers are at 0."""
        patches = grid_positions(rows, columns, device) + 1
        return torch.cat([patches.new_zeros(1, self.first_patch, 2), patches], dim=1)

    def forward(self, pixels: Tensor, wanted: Collection[int]) -> dict[int, Tensor]:
        """Normalised [B, V, 3, H, W] -> per wanted pair of blocks [B, V, P, 2 C]: output within views, then output over all views."""
        b, v = pixels.shape[:2]
        patches = self.patch_embed(pixels.flatten(0, 1)).unflatten(0, (b, v))
        special = torch.cat([self.camera_token, self.register_token], dim=2)
        special = torch.cat([special[:, :1], special[:, 1:].expand(-1, v - 1, -1, -1)], dim=1).expand(b, -1, -1, -1)
        tokens = torch.cat([special, patches], dim=2)
        size = self.patch_embed.patch_embed.proj.kernel_size[0]
        positions = self.positions(pixels.shape[-2] // size, pixels.shape[-1] // size, pixels.device)
        head_width = tokens.shape[-1] // self.heads
        within, over = (rotation(p, head_width, self.rope_base) for p in (positions, positions.repeat(1, v, 1)))
        entries = {}
        for i, (frame_block, global_block) in enumerate(zip(self.frame_blocks, self.global_blocks, strict=True)):
            frame = frame_block(tokens.flatten(0, 1), within).unflatten(0, (b, v))
            tokens = global_block(frame.flatten(1, 2), over).unflatten(1, (v, -1))
            if i in wanted:
                entries[i] = torch.cat([frame, tokens], dim=-1)
        return entries
