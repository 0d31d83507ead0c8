"""InternVL: InternViT, pixel shuffle, MLP projector, Qwen decoder (VIPA-VLA). One tile a view; the prefix is causal as it was trained."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor
from transformers import InternVLConfig, InternVLForConditionalGeneration

from praxia.errors import CheckpointError, ConfigError
from praxia.models.attention import Attention, library_name
from praxia.models.backbones.backbone import check_grid
from praxia.models.backbones.chat import END, PAD, TURN, ChatBackbone, Special
from praxia.models.backbones.public import load_public
from praxia.models.states import AttentionGeometry
from praxia.models.vision.conv_stem import ConvStem
from praxia.registry import register
from praxia.specs import ImageSpec

IMAGE_START, IMAGE_END = Special("<img>"), Special("</img>")


@register("backbone/internvl")
@dataclass(frozen=True)
class InternVL:
    """Sizes and options of an InternVL; defaults are the published InternVL3.5-2B shapes (InternViT-300M, Qwen3-1.7B).

    image_size: a view is one tile of this side, never cut into several. downsample: downsample x downsample patches become one token.
    stem: `patch` is the published patch convolution; `conv` stacks stride-2 3x3 convolutions down to the same grid (small towers trained from
    scratch learn faster with it).
    text: family of the decoder (`qwen2` has head_dim = width / heads and biased keys, queries and values).
    checkpoint: public name or folder (in the library's format) that `load_checkpoint` reads.
    """

    image_size: int = 448
    patch_size: int = 14
    downsample: int = 2
    stem: Literal["patch", "conv"] = "patch"
    vision_width: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_mlp: int = 4096
    text: Literal["qwen3", "qwen2"] = "qwen3"
    text_width: int = 2048
    text_layers: int = 28
    text_heads: int = 16
    text_kv_heads: int = 8
    text_head_dim: int = 128
    text_mlp: int = 6144
    rope_theta: float = 1e6
    vocabulary: int = 151936
    tied: bool = True
    attention: Attention = "sdpa"
    missing_view: Literal["attend", "mask"] = "mask"
    checkpoint: str = ""

    public_tokens: ClassVar[int] = 151_678  # entries of the public tokenizer: Qwen3's 151,669 and nine of pictures; the other rows are padding

    def __post_init__(self) -> None:
        check_grid("InternVL", self.image_size, self.patch_size * self.downsample)
        if self.text == "qwen2" and self.text_heads * self.text_head_dim != self.text_width:
            raise ConfigError(
                f"InternVL(text='qwen2').text_head_dim is {self.text_head_dim}, but Qwen2 has width / heads = "
                f"{self.text_width // self.text_heads}; set it to that"
            )

    @property
    def specials(self) -> tuple[str, ...]:
        """Special tokens its tokenizer must have: padding, turn and picture delimiters."""
        return (PAD, TURN, END, IMAGE_START, IMAGE_END)

    def hf_fields(self) -> dict[str, Any]:
        """What decides the numbers, as fields of the library's configuration."""
        text = {
            "model_type": self.text,
            "hidden_size": self.text_width,
            "num_hidden_layers": self.text_layers,
            "intermediate_size": self.text_mlp,
            "num_attention_heads": self.text_heads,
            "num_key_value_heads": self.text_kv_heads,
            "vocab_size": self.vocabulary,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
        }
        if self.text == "qwen3":
            text["head_dim"] = self.text_head_dim
        return {
            "text_config": text,
            "vision_config": {
                "hidden_size": self.vision_width,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "intermediate_size": self.vision_mlp,
                "image_size": [self.image_size, self.image_size],
                "patch_size": [self.patch_size, self.patch_size],
                "attention_bias": True,
                "use_qk_norm": False,
                "norm_type": "layer_norm",
                "use_mean_pooling": True,
            },
            "downsample_ratio": 1 / self.downsample,
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default",
        }

    def hf_config(self) -> InternVLConfig:
        """The same model as a Hugging Face configuration."""
        config = InternVLConfig(**self.hf_fields(), tie_word_embeddings=self.tied)
        config._attn_implementation = library_name(self.attention)
        return config

    def build(self) -> "InternVLBackbone":
        """The module with random weights; `load_checkpoint` reads those of `checkpoint`."""
        return InternVLBackbone(self)


class InternVLBackbone(ChatBackbone):
    """Adapter over `InternVLForConditionalGeneration` (kept whole as `model`, so public keys stay public keys)."""

    view_open, view_close = (IMAGE_START,), (IMAGE_END, "\n")

    def __init__(self, spec: InternVL):
        super().__init__()
        self.spec = spec
        self.model = InternVLForConditionalGeneration(spec.hf_config())
        if spec.stem == "conv":
            self.model.model.vision_tower.embeddings.patch_embeddings.projection = ConvStem(spec.vision_width, spec.patch_size)
        self.image_spec = ImageSpec(spec.image_size, "stretch", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic")
        self.vision_width, self.text_width = spec.vision_width, spec.text_width
        self.missing_view = spec.missing_view
        self.geometry = AttentionGeometry(spec.text_layers, spec.text_heads, spec.text_kv_heads, spec.text_head_dim, spec.text)

    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], None]:
        side = self.spec.image_size // self.spec.patch_size
        return self.model.model.vision_tower(pixels).last_hidden_state[:, 1:], (side, side), None  # the class token is not a patch

    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        factor, inner = self.spec.downsample, self.model.model
        shuffled = inner.pixel_shuffle(patches.unflatten(1, grid), scale_factor=1 / factor)
        return inner.multi_modal_projector(shuffled.flatten(1, 2)), (grid[0] // factor, grid[1] // factor)

    def load_checkpoint(self) -> None:
        spec = self.spec
        if spec.stem != "patch":
            raise CheckpointError(f"InternVL(stem={spec.stem!r}) has no public weights; use stem='patch'")
        self.model = load_public(InternVLForConditionalGeneration, spec.hf_config(), spec.hf_fields(), spec.checkpoint, "InternVL")
