"""PaliGemma: SigLIP tower, linear projector, Gemma decoder (Pose-VLA, pi0). Images and prompt are one bidirectional block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from praxia.errors import CheckpointError, ConfigError
from praxia.models.attention import Attention, library_name
from praxia.models.backbones.backbone import Backbone, Piece, check_grid
from praxia.models.backbones.public import load_public
from praxia.models.states import AttentionGeometry
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
    first_position: 1 as PaliGemma was trained, 0 in pi0. view_tokens: whether the tokens of view k stand between `<imageK>` and `</imageK>` of a
    pose vocabulary (Pose-VLA). checkpoint: public name or folder to start from; empty = random weights.
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
    view_tokens: bool = False
    checkpoint: str = ""
    # tokens of the public tokenizer: 256,000 words, 1,024 places, 128 masks, one picture; the public table has 63 rows more
    public_tokens: ClassVar[int] = 257_153

    def __post_init__(self) -> None:
        check_grid("PaliGemma", self.image_size, self.patch_size * self.merge)

    @property
    def specials(self) -> tuple[str, ...]:
        """Special tokens its tokenizer must have, in the order of their public ids (padding, end, beginning), then the location tokens."""
        return ("<pad>", "<eos>", "<bos>", *(f"<loc{i:04d}>" for i in range(1024)))

    def hf_fields(self) -> dict[str, Any]:
        """What decides the numbers, as fields of the library's configuration."""
        return {
            "text_config": {
                "model_type": "gemma",
                "hidden_size": self.text_width,
                "num_hidden_layers": self.text_layers,
                "intermediate_size": self.text_mlp,
                "num_attention_heads": self.text_heads,
                "num_key_value_heads": self.text_kv_heads,
                "head_dim": self.text_head_dim,
                "vocab_size": self.vocabulary,
            },
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": self.vision_width,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "intermediate_size": self.vision_mlp,
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "projection_dim": self.text_width,
            },
        }

    def hf_config(self) -> PaliGemmaConfig:
        """The same model as a Hugging Face configuration."""
        fields = self.hf_fields()
        fields["vision_config"]["vision_use_head"] = False  # the pooling head is not part of the model
        # Pictures never travel as ids here, so their id is one outside the table.
        fields |= {"projection_dim": self.text_width, "image_token_id": self.vocabulary}
        # Random weights as strong as their fan-in asks for: the library's fixed 0.02 fits a width of about 2000 and starves narrow decoders.
        fields["text_config"]["initializer_range"] = self.text_width**-0.5
        fields["initializer_range"] = fields["text_config"]["initializer_range"]
        config = PaliGemmaConfig(**fields)
        config._attn_implementation = library_name(self.attention)
        return config

    def build(self) -> "PaliGemmaBackbone":
        """The module with random weights; `load_checkpoint` reads those of `checkpoint`."""
        return PaliGemmaBackbone(self)


class PaliGemmaBackbone(Backbone):
    """Adapter over `PaliGemmaForConditionalGeneration` (kept whole as `model`, so public keys stay public keys)."""

    _view_ids: list[tuple[int, int]]

    def __init__(self, spec: PaliGemma):
        super().__init__()
        self.spec, self._view_ids = spec, []
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

    def bind(self, tokenizer) -> None:
        super().bind(tokenizer)
        known = tokenizer.get_vocab()
        self._view_ids = []
        while (opens := f"<image{len(self._view_ids)}>") in known:
            self._view_ids.append((known[opens], known[opens.replace("<", "</")]))

    def only_count(self) -> None:
        """As many delimiters as there may be views."""
        self._view_ids = [(0, 0)] * 8

    def arrange(self, pieces: Sequence[Piece]) -> list[Piece]:
        return self.delimited(pieces, self._around) if self.spec.view_tokens else list(pieces)

    def _around(self, view: int) -> tuple[list[int], list[int]]:
        if view >= len(self._view_ids):
            raise ConfigError(
                f"PaliGemma.view_tokens asks for <image{view}> around view {view + 1}, the tokenizer has them for {len(self._view_ids)}; "
                f"set PoseVocabulary.views to {view + 1} or more, or view_tokens=False (before `bind(tokenizer)` there are none)"
            )
        opens, closes = self._view_ids[view]
        return [opens], [closes]

    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], None]:
        side = self.spec.image_size // self.spec.patch_size
        return self.model.model.vision_tower(pixels).last_hidden_state, (side, side), None

    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        if self.spec.merge > 1:
            patches, grid = merge_grid(patches, grid, self.spec.merge)
        return self.model.model.multi_modal_projector(patches), grid

    def prompt_ids(self, tokenizer, text: str) -> list[int]:
        return [tokenizer.bos_token_id, *tokenizer.encode(text + "\n", add_special_tokens=False)]

    def state_prompt_ids(self, tokenizer, text: str, state: Sequence[int]) -> list[int]:
        """As pi0.5 writes it; no newline behind."""
        words = f"Task: {text}, State: {' '.join(map(str, state))};\nAction: "
        return [tokenizer.bos_token_id, *tokenizer.encode(words, add_special_tokens=False)]

    def target_ids(self, tokenizer, text: str) -> list[int]:
        return [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]

    def stop_id(self, tokenizer) -> int:
        return tokenizer.eos_token_id

    def load_checkpoint(self) -> None:
        spec = self.spec
        if spec.stem != "patch" or spec.merge != 1:
            raise CheckpointError(f"PaliGemma(stem={spec.stem!r}, merge={spec.merge}) has no public weights; use stem='patch', merge=1")
        self.model = load_public(PaliGemmaForConditionalGeneration, spec.hf_config(), spec.hf_fields(), spec.checkpoint, "PaliGemma")
