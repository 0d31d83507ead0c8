"""CUT3R's encoder: pictures and ray maps to patch tokens, per frame; mask tokens where one of the two is absent and all frames are known."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from praxia.models.geometry_nets.cut3r.blocks import EPS
from praxia.models.geometry_nets.cut3r.views import View
from praxia.models.geometry_nets.geometry_net import GeometryNet
from praxia.models.geometry_nets.rope_2d import Rotation, grid_positions, rotation
from praxia.models.geometry_nets.transformer_blocks import Block, PatchEmbed

RAY_CHANNELS = 6


class ViewEncoder(GeometryNet):
    """The part of the network that looks at one frame at a time. It is a base class because published names have no prefix for it."""

    def __init__(
        self,
        patch_size: int,
        width: int,
        depth: int,
        heads: int,
        ray_depth: int,
        ray_heads: int,
        mlp_ratio: float,
        rope_base: float,
        half_rotation: bool,
    ):
        super().__init__()
        self.patch_size, self.rope_base, self.half_rotation = patch_size, rope_base, half_rotation
        self.patch_embed = PatchEmbed(3, width, patch_size)
        self.patch_embed_ray_map = PatchEmbed(RAY_CHANNELS, width, patch_size)
        self.enc_blocks = nn.ModuleList(Block(width, heads, mlp_ratio, EPS) for _ in range(depth))
        self.enc_blocks_ray_map = nn.ModuleList(Block(width, ray_heads, mlp_ratio, EPS) for _ in range(ray_depth))
        self.enc_norm, self.enc_norm_ray_map = (nn.LayerNorm(width, eps=EPS) for _ in range(2))
        self.masked_img_token, self.masked_ray_map_token = (nn.Parameter(torch.randn(1, width) * 0.02) for _ in range(2))
        self.head_widths = (width // heads, width // ray_heads)

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of patches of a picture (height, width)."""
        return size[0] // self.patch_size, size[1] // self.patch_size

    def turn(self, size: tuple[int, int], width: int, device: torch.device, half: bool = False) -> Rotation:
        """Rotation of a picture's patches in heads of a width."""
        return rotation(grid_positions(*self.grid(size), device), width, self.rope_base, half)

    def encode(self, views: Sequence[View], masked: bool) -> list[Tensor]:
        """Tokens [B, N, E] of each view: those of its pictures plus those of its ray maps, samples without either get none.

        masked: a sample without a picture has `masked_img_token` everywhere instead, and if any sample of any view has a ray map, one without has
        `masked_ray_map_token`. So published for frames known all at once; frame by frame these tokens are not used.
        """
        pictures = [(v.image, v.has_image) for v in views]
        rays = [(None if v.ray_map is None else v.ray_map.movedim(-1, 1), v.has_rays) for v in views]
        seen, any_seen = self._filled(views, pictures, self.look, self.masked_img_token if masked else None)
        asked, any_asked = self._filled(views, rays, self.look_at_rays, self.masked_ray_map_token if masked else None)
        if not any_asked:
            return seen
        return [s + a for s, a in zip(seen, asked)] if any_seen or masked else asked

    def look(self, pixels: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] -> tokens [B, N, E]."""
        turn = self.turn((pixels.shape[-2], pixels.shape[-1]), self.head_widths[0], pixels.device, self.half_rotation)
        tokens = self.patch_embed(pixels)
        for block in self.enc_blocks:
            tokens = block(tokens, turn)
        return self.enc_norm(tokens)

    def look_at_rays(self, rays: Tensor) -> Tensor:
        """Ray maps [B, 6, H, W] -> tokens [B, N, E]."""
        turn = self.turn((rays.shape[-2], rays.shape[-1]), self.head_widths[1], rays.device)
        tokens = self.patch_embed_ray_map(rays)
        for block in self.enc_blocks_ray_map:
            tokens = block(tokens, turn)
        return self.enc_norm_ray_map(tokens)

    def _filled(
        self, views: Sequence[View], given: Sequence[tuple[Tensor | None, Tensor | None]], encode: Callable[[Tensor], Tensor], mask: Tensor | None
    ) -> tuple[list[Tensor], bool]:
        """Tokens of each view, encoded in one batch, and whether there were any; the mask token, or zeros, where a view or sample has nothing."""
        # what the flags rule out is cut out before it is looked at, so it may hold anything
        picked = [x if has is None else x[has] for x, has in given if x is not None]
        encoded = encode(torch.cat(picked)) if sum(map(len, picked)) else None
        parts = iter(() if encoded is None else encoded.split([len(p) for p in picked]))
        tokens = []
        for view, (x, has) in zip(views, given):
            part = None if x is None or encoded is None else next(parts)
            if part is not None and has is None:
                tokens.append(part)
                continue
            rows, columns = self.grid(view.size)
            like = self.masked_img_token
            filled = (
                like.new_zeros(view.batch, rows * columns, like.shape[-1]) if mask is None else mask.expand(view.batch, rows * columns, -1).clone()
            )
            if part is not None and has is not None:
                filled[has] = part
            tokens.append(filled)
        return tokens, encoded is not None
