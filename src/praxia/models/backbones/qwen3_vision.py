"""The ViT of Qwen3-VL over pictures of one size, all in one batch.

The library packs pictures of any size into one sequence and attends picture by picture in a Python loop, which a robot's equal pictures do not need.
The modules and their weights are the library's; the result is the same (`tests/models/test_qwen3_vl.py`).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from praxia.models.attention import Attention, plain

_ROTARY_BASE = 10_000.0


def vision_states(visual: Qwen3VLVisionModel, rows: Tensor, side: int, merge: int, attention: Attention) -> tuple[Tensor, list[Tensor]]:
    """Embedded patches [M, P, W] of side x side grids, in merge order -> states after the last block [M, P, W], DeepStack features [M, N, D] each."""
    hidden = rows + to_merge_order(_position_table(visual, side)[None], (side, side), merge)
    blocks: list[Any] = list(visual.blocks)
    cos, sin = _rotation(side, merge, hidden.shape[-1] // blocks[0].attn.num_heads, hidden.device)
    deep: list[Tensor] = []
    for number, block in enumerate(blocks):
        hidden = hidden + _attended(block.attn, block.norm1(hidden), cos, sin, attention)
        hidden = hidden + block.mlp(block.norm2(hidden))
        if number in visual.deepstack_visual_indexes:
            merger = visual.deepstack_merger_list[visual.deepstack_visual_indexes.index(number)]
            deep.append(merger(hidden.flatten(0, 1)).unflatten(0, (len(rows), -1)))
    return hidden, deep


def _attended(layer: Any, rows: Tensor, cos: Tensor, sin: Tensor, attention: Attention) -> Tensor:
    query, key, value = layer.qkv(rows).unflatten(-1, (3, layer.num_heads, -1)).permute(2, 0, 3, 1, 4)  # [M, heads, P, head_dim] each
    query, key = (_rotated(x, cos, sin) for x in (query, key))
    if attention == "plain":
        out, _ = plain(query, key, value, None, query.shape[-1] ** -0.5)
    else:
        out = F.scaled_dot_product_attention(query, key, value)
    return layer.proj(out.transpose(1, 2).flatten(2))


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cos + torch.cat([-second, first], dim=-1) * sin).to(x.dtype)


def _rotation(side: int, merge: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [P, head_dim]: half of the frequencies turn with the row, half with the column."""
    frequencies = _ROTARY_BASE ** -(torch.arange(0, head_dim // 2, 2, device=device) / (head_dim // 2))
    place = torch.arange(side, device=device)
    grid = torch.stack(torch.meshgrid(place, place, indexing="ij"), dim=-1).flatten(0, 1).float()[None]
    angles = (to_merge_order(grid, (side, side), merge)[0][:, :, None] * frequencies).flatten(1)
    return torch.cat([angles, angles], dim=-1).cos(), torch.cat([angles, angles], dim=-1).sin()


def _position_table(visual: Qwen3VLVisionModel, side: int) -> Tensor:
    """The learned positions resampled to the grid, [P, W], row by row (corners on corners)."""
    known = visual.num_grid_per_side
    table = visual.pos_embed.weight
    if known == side:
        return table
    square = table.T.unflatten(1, (known, known))[None]
    return F.interpolate(square, size=(side, side), mode="bilinear", align_corners=True)[0].flatten(1).T


def to_merge_order(tokens: Tensor, grid: tuple[int, int], merge: int) -> Tensor:
    """Tokens [M, P, D] row by row -> block by block: the merge x merge neighbours that become one token stand together."""
    blocks = tokens.unflatten(1, (grid[0] // merge, merge, grid[1] // merge, merge))
    return blocks.transpose(2, 3).flatten(1, 4)


def to_row_order(tokens: Tensor, grid: tuple[int, int], merge: int) -> Tensor:
    """Inverse of `to_merge_order`."""
    blocks = tokens.unflatten(1, (grid[0] // merge, grid[1] // merge, merge, merge))
    return blocks.transpose(2, 3).flatten(1, 4)
