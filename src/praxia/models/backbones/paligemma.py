"""PaliGemma: SigLIP tower, linear projector, Gemma decoder (Pose-VLA, pi0). Images and prompt are one bidirectional block."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PaliGemmaConfig, PaliGemmaForConditionalGeneration

from praxia.models.backbones.backbone import Attention, Backbone, additive_mask, random_rows_like
from praxia.models.layout import TokenLayout
from praxia.models.states import AttentionGeometry, PrefixStates, VisualTokens, Want
from praxia.models.vision.conv_stem import ConvStem
from praxia.models.vision.merge import merge_grid
from praxia.registry import register
from praxia.specs import ImageSpec


@register("backbone/paligemma")
@dataclass(frozen=True)
class PaliGemma:
    """Sizes and options of a PaliGemma; defaults are the published 3B `pt-224` shapes.

    stem: `patch` is the published patch convolution; `conv` stacks stride-2 3x3 convolutions down to the same grid (small towers trained from
    scratch). merge: tokens of merge x merge neighbours are concatenated before the projector (1 = published).
    first_position: 1 as PaliGemma was trained, 0 in pi0. checkpoint: public name or folder to start from; empty = random weights.
    """

    image_size: int = 224
    patch_size: int = 14
    vision_width: int = 1152
    vision_layers: int = 27
    vision_heads: int = 16
    vision_mlp: int = 4304
    text_width: int = 2048
    text_layers: int = 18
    text_heads: int = 8
    text_kv_heads: int = 1
    text_head_dim: int = 256
    text_mlp: int = 16384
    vocabulary: int = 257216
    stem: Literal["patch", "conv"] = "patch"
    merge: int = 1
    attention: Attention = "sdpa"
    first_position: int = 1
    missing_view: Literal["attend", "mask"] = "attend"
    checkpoint: str = ""

    def hf_config(self) -> PaliGemmaConfig:
        """The same model as a Hugging Face configuration."""
        attention = "eager" if self.attention == "plain" else self.attention
        config = PaliGemmaConfig(
            text_config={
                "model_type": "gemma",
                "hidden_size": self.text_width,
                "num_hidden_layers": self.text_layers,
                "intermediate_size": self.text_mlp,
                "num_attention_heads": self.text_heads,
                "num_key_value_heads": self.text_kv_heads,
                "head_dim": self.text_head_dim,
                "vocab_size": self.vocabulary,
            },
            vision_config={
                "model_type": "siglip_vision_model",
                "hidden_size": self.vision_width,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "intermediate_size": self.vision_mlp,
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "projection_dim": self.text_width,
                "vision_use_head": False,
            },
            projection_dim=self.text_width,
            image_token_id=self.vocabulary,  # pictures never travel as ids here
        )
        config._attn_implementation = attention
        return config

    def build(self) -> "PaliGemmaBackbone":
        """The module; weights are random unless `checkpoint` is set (`load_checkpoint` reads it)."""
        return PaliGemmaBackbone(self)


class PaliGemmaBackbone(Backbone):
    """Adapter over `PaliGemmaForConditionalGeneration` (kept whole as `model`, so public keys stay public keys)."""

    def __init__(self, spec: PaliGemma):
        super().__init__()
        self.spec = spec
        self.model = PaliGemmaForConditionalGeneration(spec.hf_config())
        vision = self.model.model.vision_tower
        if spec.stem == "conv":
            vision.embeddings.patch_embedding = ConvStem(spec.vision_width, spec.patch_size)
        if spec.merge > 1:
            self.model.model.multi_modal_projector.linear = nn.Linear(spec.vision_width * spec.merge**2, spec.text_width)
        self.image_spec = ImageSpec(spec.image_size, "letterbox", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.vision_width, self.text_width = spec.vision_width, spec.text_width
        self.first_position, self.missing_view = spec.first_position, spec.missing_view
        self.geometry = AttentionGeometry(spec.text_layers, spec.text_heads, spec.text_kv_heads, spec.text_head_dim, "gemma")

    @property
    def language(self) -> nn.Module:
        """The Gemma decoder."""
        return self.model.model.language_model

    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], object]:
        side = self.spec.image_size // self.spec.patch_size
        return self.model.model.vision_tower(pixels).last_hidden_state, (side, side), None

    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        if self.spec.merge > 1:
            patches, grid = merge_grid(patches, grid, self.spec.merge)
        return self.model.model.multi_modal_projector(patches), grid

    def embed(self, ids: Tensor) -> Tensor:
        return self.language.embed_tokens(ids)

    def logits(self, rows: Tensor) -> Tensor:
        return self.model.lm_head(rows).float()

    def run(self, layout: TokenLayout, embeddings: Tensor, want: Want, visual: VisualTokens | None = None) -> PrefixStates:
        cache = DynamicCache() if want.key_values else None
        mask = layout.mask()
        out = self.language(
            inputs_embeds=embeddings,
            attention_mask=additive_mask(mask, torch.bfloat16) if self.spec.attention == "plain" else mask,
            position_ids=layout.positions(self.first_position),
            past_key_values=cache,
            use_cache=want.key_values,
            output_hidden_states=want.layers,
        )
        return PrefixStates(
            layout=layout,
            hidden=out.last_hidden_state,
            layers=tuple(out.hidden_states) if want.layers else None,
            key_values=tuple((layer.keys, layer.values) for layer in cache.layers) if cache is not None else None,
            next_position=layout.next_position(self.first_position),
            geometry=self.geometry,
            grid=visual.grid if visual else None,
        )

    def resize_vocabulary(self, size: int) -> None:
        table = self.language.embed_tokens.weight
        if size <= len(table):
            return
        old = table.detach()
        self.model.resize_token_embeddings(size, mean_resizing=False)
        with torch.no_grad():
            self.language.embed_tokens.weight[len(old) :] = random_rows_like(old, size - len(old), torch.Generator().manual_seed(0)).to(
                old.dtype
            )
        self.model.tie_weights()

    def vocabulary_size(self) -> int:
        return self.language.embed_tokens.weight.shape[0]

    def prompt_ids(self, tokenizer, text: str) -> list[int]:
        return [tokenizer.bos_token_id, *tokenizer.encode(text + "\n", add_special_tokens=False)]

    def target_ids(self, tokenizer, text: str) -> list[int]:
        return [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
