"""Qwen3-VL: ViT with DeepStack, Qwen3 decoder with 3-D rotary positions (Action Priors). The prefix is causal as it was trained."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from praxia.errors import CheckpointError
from praxia.models.attention import Attention, library_name
from praxia.models.backbones.backbone import check_grid
from praxia.models.backbones.chat import END, PAD, TURN, ChatBackbone, Special
from praxia.models.backbones.public import load_public
from praxia.models.backbones.qwen3_vision import to_merge_order, to_row_order, vision_states
from praxia.models.layout import TokenLayout
from praxia.models.states import AttentionGeometry, VisualTokens
from praxia.models.vision.conv_stem import ConvStem
from praxia.registry import register
from praxia.specs import ImageSpec

VISION_START, VISION_END = Special("<|vision_start|>"), Special("<|vision_end|>")
TEMPORAL_PATCH = 2  # frames a patch of the published model covers; a still picture is shown that often


@register("backbone/qwen3_vl")
@dataclass(frozen=True)
class Qwen3VL:
    """Sizes and options of a Qwen3-VL; defaults are the published 2B shapes.

    image_size: pictures are square and of one size (the published model takes any; its position table is resampled to the grid).
    merge: merge x merge patches become one token. deepstack: blocks of the ViT whose output is added to the first language layers.
    position_grid: side of the learned position table. mrope: rotary frequencies given to time, row and column; they add up to head_dim / 2.
    stem: `patch` is the published patch projection; `conv` stacks stride-2 3x3 convolutions down to the same grid (small towers trained from
    scratch, no public weights). checkpoint: public name or folder that `load_checkpoint` reads.
    """

    image_size: int = 224
    patch_size: int = 16
    merge: int = 2
    vision_width: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_mlp: int = 4096
    deepstack: tuple[int, ...] = (5, 11, 17)
    position_grid: int = 48
    text_width: int = 2048
    text_layers: int = 28
    text_heads: int = 16
    text_kv_heads: int = 8
    text_head_dim: int = 128
    text_mlp: int = 6144
    rope_theta: float = 5e6
    mrope: tuple[int, int, int] = (24, 20, 20)
    vocabulary: int = 151936
    tied: bool = True
    attention: Attention = "sdpa"
    stem: Literal["patch", "conv"] = "patch"
    missing_view: Literal["attend", "mask"] = "mask"
    checkpoint: str = ""

    def __post_init__(self) -> None:
        check_grid("Qwen3VL", self.image_size, self.patch_size * self.merge)

    @property
    def specials(self) -> tuple[str, ...]:
        """Special tokens its tokenizer must have: padding, turn and picture delimiters."""
        return (PAD, TURN, END, VISION_START, VISION_END)

    def hf_fields(self) -> dict[str, Any]:
        """What decides the numbers, as fields of the library's configuration."""
        return {
            "text_config": {
                "hidden_size": self.text_width,
                "num_hidden_layers": self.text_layers,
                "intermediate_size": self.text_mlp,
                "num_attention_heads": self.text_heads,
                "num_key_value_heads": self.text_kv_heads,
                "head_dim": self.text_head_dim,
                "vocab_size": self.vocabulary,
                "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta, "mrope_section": list(self.mrope)},
            },
            "vision_config": {
                "hidden_size": self.vision_width,
                "depth": self.vision_layers,
                "num_heads": self.vision_heads,
                "intermediate_size": self.vision_mlp,
                "patch_size": self.patch_size,
                "temporal_patch_size": TEMPORAL_PATCH,
                "spatial_merge_size": self.merge,
                "out_hidden_size": self.text_width,
                "num_position_embeddings": self.position_grid**2,
                "deepstack_visual_indexes": list(self.deepstack),
            },
            "tie_word_embeddings": self.tied,
        }

    def hf_config(self) -> Qwen3VLConfig:
        """The same model as a Hugging Face configuration."""
        config = Qwen3VLConfig(**self.hf_fields())
        config._attn_implementation = library_name(self.attention)
        return config

    def build(self) -> "Qwen3VLBackbone":
        """The module with random weights; `load_checkpoint` reads those of `checkpoint`."""
        return Qwen3VLBackbone(self)


class Qwen3VLBackbone(ChatBackbone):
    """Adapter over `Qwen3VLForConditionalGeneration` (kept whole as `model`, so public keys stay public keys).

    A vision adapter changes the patch tokens after the last ViT block, before the merger. The DeepStack features leave the ViT
    earlier and do not pass through it: they reach the first language layers unchanged.
    Per-layer states are the library's: the output of a layer before the DeepStack feature is added to it.
    """

    view_open, view_close = (VISION_START,), (VISION_END,)
    _adds_deepstack = True

    def __init__(self, spec: Qwen3VL):
        super().__init__()
        self.spec = spec
        self.model = Qwen3VLForConditionalGeneration(spec.hf_config())
        if spec.stem == "conv":
            self.stem = ConvStem(spec.vision_width, spec.patch_size)
            self.model.model.visual.patch_embed = nn.Identity()  # rows come embedded
        self.image_spec = ImageSpec(spec.image_size, "letterbox", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic")
        self.vision_width, self.text_width = spec.vision_width, spec.text_width
        self.missing_view = spec.missing_view
        self.geometry = AttentionGeometry(spec.text_layers, spec.text_heads, spec.text_kv_heads, spec.text_head_dim, "qwen3_mrope")

    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], list[Tensor]]:
        spec, count = self.spec, len(pixels)
        side = spec.image_size // spec.patch_size
        visual = self.model.model.visual
        if spec.stem == "conv":
            rows = to_merge_order(self.stem(pixels).flatten(2).transpose(1, 2), (side, side), spec.merge)
        else:
            flat = to_merge_order(pixel_rows(pixels, spec.patch_size), (side, side), spec.merge)
            frames = flat.unflatten(-1, (3, 1, spec.patch_size**2)).expand(-1, -1, -1, TEMPORAL_PATCH, -1)
            rows = visual.patch_embed(frames.flatten(2).flatten(0, 1)).unflatten(0, (count, -1))
        states, deep = vision_states(visual, rows, side, spec.merge, spec.attention)
        return to_row_order(states, (side, side), spec.merge), (side, side), deep

    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        merge = self.spec.merge
        blocks = to_merge_order(patches, grid, merge)
        tokens = self.model.model.visual.merger(blocks.flatten(0, 1))
        return tokens.unflatten(0, (len(patches), -1)), (grid[0] // merge, grid[1] // merge)

    def positions(self, layout: TokenLayout, grid: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        return mrope_positions(layout, grid)

    def only_count(self) -> None:
        """As many literals as the public tokenizer makes; DeepStack features are not added, which asks for values and costs nothing."""
        super().only_count()
        self._adds_deepstack = False

    def language_inputs(self, layout: TokenLayout, visual: VisualTokens | None) -> dict[str, Any]:
        if visual is None or not visual.extra or not self._adds_deepstack:
            return {}
        rows = torch.cat([torch.full((g.length,), g.name.startswith("view:")) for g in layout.groups]).to(layout.valid.device)
        return {
            "visual_pos_masks": rows.expand(layout.valid.shape),
            "deepstack_visual_embeds": [features.flatten(0, 2) for features in visual.extra],
        }

    def load_checkpoint(self) -> None:
        spec = self.spec
        if spec.stem != "patch":
            raise CheckpointError(f"Qwen3VL(stem={spec.stem!r}) has no public weights; use stem='patch'")
        self.model = load_public(Qwen3VLForConditionalGeneration, spec.hf_config(), spec.hf_fields(), spec.checkpoint, "Qwen3VL")


def mrope_positions(layout: TokenLayout, grid: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
    """3-D rotary positions int64 [3, B, N] (time, row, column) and the next position int64 [B].

    Texts count on along all three axes; a view takes one instant, its tokens their row and column, counted from where the view begins,
    and the text after it goes on behind its longer side. Padding and masked views do not count.
    """
    start = layout.valid.new_zeros(len(layout.valid), dtype=torch.long)
    parts = []
    for group in layout.groups:
        valid = layout.valid[:, layout.slice(group.name)]
        if group.name.startswith("view:") and grid is not None:
            token = torch.arange(group.length, device=valid.device)
            offsets = torch.stack([torch.zeros_like(token), token // grid[1], token % grid[1]])
            parts.append(start[None, :, None] + offsets[:, None])
            start = start + max(grid) * valid.any(1)
        else:
            offsets = (valid.long().cumsum(1) - 1).clamp_min(0)
            parts.append((start[:, None] + offsets).expand(3, -1, -1))
            start = start + valid.sum(1)
    return torch.cat(parts, dim=2), start


def pixel_rows(pixels: Tensor, patch: int) -> Tensor:
    """Pictures [M, 3, S, S] -> patches row by row [M, P, 3 * patch * patch], channel first inside a patch."""
    rows = pixels.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # [M, 3, R, patch, C, patch]
    return rows.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
