"""Prismatic: DINOv2 and SigLIP joined by channel, a 3-layer projector, Qwen2.5 (PokeVLA). Composed of library modules.

Numbers follow the public code: features of the second-to-last block of both towers without final norm, DINO channels first, exact GELU
everywhere, sequence [first text token][patches of all views][rest of the text], causal, positions 0, 1, 2, ...
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel, Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig, SiglipVisionModel

from praxia.errors import CheckpointError
from praxia.models.attention import Attention, library_name
from praxia.models.backbones.backbone import Backbone, Piece, check_grid
from praxia.models.backbones.chat import ASK_REPLY, END, PAD, TURN, dialogue, render
from praxia.models.backbones.prismatic_checkpoint import read_weights
from praxia.models.checkpoint_file import fit
from praxia.models.states import AttentionGeometry
from praxia.models.vision.conv_stem import ConvStem
from praxia.registry import register
from praxia.specs import ImageSpec

SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
REGISTERS = 4
DINO_NORMAL = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIGLIP_NORMAL = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@register("backbone/prismatic")
@dataclass(frozen=True)
class Prismatic:
    """Sizes and options of a Prismatic VLM; defaults are the published Qwen2.5-0.5B with DINOv2-L and SigLIP-So400m at 224 px.

    dino_layers, siglip_layers: blocks of the published towers; the last block of each is not built, as its output is not used.
    stem: `patch` are the published patch convolutions; `conv` stacks stride-2 3x3 convolutions down to the same grid in both towers (small ones
    trained from scratch). system: what the chat opens with; empty = no system turn.
    checkpoint: folder or file of the public model (or its public name) that `load_checkpoint` reads.
    dino_checkpoint, siglip_checkpoint: library checkpoints of the towers, for public files that hold projector and language model only.
    """

    image_size: int = 224
    patch_size: int = 14
    dino_width: int = 1024
    dino_layers: int = 24
    dino_heads: int = 16
    siglip_width: int = 1152
    siglip_layers: int = 27
    siglip_heads: int = 16
    siglip_mlp: int = 4304
    text_width: int = 896
    text_layers: int = 24
    text_heads: int = 14
    text_kv_heads: int = 2
    text_mlp: int = 4864
    rope_theta: float = 1e6
    vocabulary: int = 151936
    stem: Literal["patch", "conv"] = "patch"
    system: str = SYSTEM
    attention: Attention = "sdpa"
    missing_view: Literal["attend", "mask"] = "mask"
    checkpoint: str = ""
    dino_checkpoint: str = ""
    siglip_checkpoint: str = ""

    def __post_init__(self) -> None:
        check_grid("Prismatic", self.image_size, self.patch_size)

    @property
    def specials(self) -> tuple[str, ...]:
        """Special tokens its tokenizer must have: padding (also the end of the text) and turn delimiters."""
        return (PAD, TURN, END)

    @property
    def vision_width(self) -> int:
        """Channels of a patch: both towers."""
        return self.dino_width + self.siglip_width

    def dino_config(self) -> Dinov2WithRegistersConfig:
        """The DINOv2 tower without its last block."""
        return self._attending(
            Dinov2WithRegistersConfig(
                hidden_size=self.dino_width,
                num_hidden_layers=self.dino_layers - 1,
                num_attention_heads=self.dino_heads,
                mlp_ratio=4,
                image_size=self.image_size,
                patch_size=self.patch_size,
                num_register_tokens=REGISTERS,
                hidden_act="gelu",
                layer_norm_eps=1e-6,
                initializer_range=self.dino_width**-0.5,  # random weights as strong as their fan-in asks for, see `PaliGemma.hf_config`
            )
        )

    def siglip_config(self) -> SiglipVisionConfig:
        """The SigLIP tower without its last block and its pooling head; exact GELU, unlike the library's default."""
        fields = {
            "hidden_size": self.siglip_width,
            "num_hidden_layers": self.siglip_layers - 1,
            "num_attention_heads": self.siglip_heads,
            "intermediate_size": self.siglip_mlp,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-6,
            "vision_use_head": False,
        }
        return self._attending(SiglipVisionConfig(**fields))

    def text_config(self) -> Qwen2Config:
        """The language model."""
        return self._attending(
            Qwen2Config(
                vocab_size=self.vocabulary,
                hidden_size=self.text_width,
                intermediate_size=self.text_mlp,
                num_hidden_layers=self.text_layers,
                num_attention_heads=self.text_heads,
                num_key_value_heads=self.text_kv_heads,
                rope_parameters={"rope_type": "default", "rope_theta": self.rope_theta},
                tie_word_embeddings=True,
                initializer_range=self.text_width**-0.5,
            )
        )

    def _attending(self, config: Any) -> Any:
        config._attn_implementation = library_name(self.attention)
        return config

    def build(self) -> "PrismaticBackbone":
        """The module with random weights; `load_checkpoint` reads those of `checkpoint`."""
        return PrismaticBackbone(self)


class PrismaticBackbone(Backbone):
    """Two towers, projector and language model. Each tower normalises the [0, 1] picture its own way, so `image_spec` does not.

    `arrange` moves the first row of `prompt` to the front as the group `prompt:first`.
    """

    dino_mean: Tensor
    dino_std: Tensor
    siglip_mean: Tensor
    siglip_std: Tensor

    def __init__(self, spec: Prismatic):
        super().__init__()
        self.spec = spec
        self.dino: Any = Dinov2WithRegistersModel(spec.dino_config())
        self.siglip: Any = SiglipVisionModel(spec.siglip_config())
        self.dino.layernorm, self.siglip.post_layernorm = nn.Identity(), nn.Identity()
        self.dino.embeddings.mask_token = None  # for masked pretraining only
        if spec.stem == "conv":
            self.dino.embeddings.patch_embeddings.projection = ConvStem(spec.dino_width, spec.patch_size)
            self.siglip.embeddings.patch_embedding = ConvStem(spec.siglip_width, spec.patch_size)
        hidden = 4 * spec.vision_width
        self.projector = nn.Sequential(
            nn.Linear(spec.vision_width, hidden),
            nn.GELU(),
            nn.Linear(hidden, spec.text_width),
            nn.GELU(),
            nn.Linear(spec.text_width, spec.text_width),
        )
        self.llm = Qwen2ForCausalLM(spec.text_config())
        for name, (mean, std) in (("dino", DINO_NORMAL), ("siglip", SIGLIP_NORMAL)):
            self.register_buffer(f"{name}_mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
            self.register_buffer(f"{name}_std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.image_spec = ImageSpec(spec.image_size, "stretch", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bicubic")
        self.vision_width, self.text_width = spec.vision_width, spec.text_width
        self.missing_view = spec.missing_view
        head_dim = spec.text_width // spec.text_heads
        self.geometry = AttentionGeometry(spec.text_layers, spec.text_heads, spec.text_kv_heads, head_dim, "qwen2")

    @property
    def causal_lm(self) -> Any:
        return self.llm

    @property
    def language(self) -> Any:
        return self.llm.model

    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], None]:
        side = self.spec.image_size // self.spec.patch_size
        dino = self.dino((pixels - self.dino_mean) / self.dino_std).last_hidden_state[:, 1 + REGISTERS :]
        siglip = self.siglip((pixels - self.siglip_mean) / self.siglip_std).last_hidden_state
        return torch.cat([dino, siglip], dim=-1), (side, side), None

    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        return self.projector(patches), grid

    def arrange(self, pieces: Sequence[Piece]) -> list[Piece]:
        prompt = next((p for p in pieces if p.name == "prompt"), None)
        if prompt is None:
            return list(pieces)
        first = replace(prompt, name="prompt:first", embeddings=prompt.embeddings[:, :1], valid=prompt.valid[:, :1])
        rest = replace(prompt, embeddings=prompt.embeddings[:, 1:], valid=prompt.valid[:, 1:])
        return [first, *(rest if p is prompt else p for p in pieces)]

    def prompt_ids(self, tokenizer, text: str) -> list[int]:
        return render(tokenizer, asked(text, self.spec.system), "Prismatic")

    def target_ids(self, tokenizer, text: str) -> list[int]:
        return render(tokenizer, replied(text), "Prismatic")

    def dialogue_ids(self, tokenizer, texts: Sequence[str]) -> tuple[list[int], list[bool]]:
        return dialogue(tokenizer, texts, (PAD,), "Prismatic")

    def stop_id(self, tokenizer) -> int:
        return render(tokenizer, (END,), "Prismatic")[0]

    def load_checkpoint(self) -> None:
        spec = self.spec
        if spec.stem != "patch":
            raise CheckpointError(f"Prismatic(stem={spec.stem!r}) has no public weights; use stem='patch'")
        state = read_weights(spec.checkpoint, spec.dino_checkpoint, spec.siglip_checkpoint, spec.image_size // spec.patch_size)
        fit(self, state, f"Prismatic.checkpoint {spec.checkpoint!r}")


def asked(text: str, system: str = SYSTEM) -> tuple[str, ...]:
    """A question up to where the reply begins. system: what the chat opens with; empty = no system turn."""
    opening = (TURN, f"system\n{system}", END, "\n") if system else ()
    return (*opening, TURN, f"user\n{text.strip()}", *ASK_REPLY)


def replied(text: str) -> tuple[str, ...]:
    """A reply to its end; an empty one is one space."""
    return (text or " ", END, PAD)
