"""Target mask by Segment Anything (arXiv 2304.02643): one goal token prompts it in every view, coarse then fine (PokeVLA; two passes as in GLOVER++).

The state of the goal token becomes one prompt of SAM's 256 channels. Pass 1: prompt and no mask -> coarse logits. Pass 2, with a prompt encoder
and mask decoder of its own: the same prompt, and the coarse logits as mask prompt -> fine logits. Both start from the same weights and share the
picture's features. The modules are the library's, so public names stay public names: `sam.*` is a `SamModel`, `fine.*` a second copy of two of
its parts.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import SamConfig, SamModel

from praxia.data.batch import Batch
from praxia.data.pixels import view_pixels
from praxia.errors import ConfigError
from praxia.models.attention import Attention
from praxia.models.backbones.backbone import Backbone, check_grid
from praxia.models.backbones.public import check_public, load_public
from praxia.models.readouts.readout import Readout
from praxia.models.spec_checks import check_counts
from praxia.models.states import Outputs
from praxia.registry import register
from praxia.specs import ImageSpec

# For Stage.frozen. FIXED: what no mask loss should or could move (positions; parts for points, boxes and several masks at once).
# FROZEN: beside it what keeps its public weights: the picture encoder and both prompt encoders (GLOVER++).
_UNREAD = ("readouts.*.mask_decoder.iou_prediction_head.*", "readouts.*.mask_decoder.output_hypernetworks_mlps.[123].*")
_POSITIONS = "readouts.*.sam.shared_image_embedding.*"
FIXED = (
    _POSITIONS,
    "readouts.*.prompt_encoder.point_embed.*",
    "readouts.*.prompt_encoder.not_a_point_embed.*",
    "readouts.*.sam.prompt_encoder.mask_embed.*",
    "readouts.*.fine.prompt_encoder.no_mask_embed.*",
    "readouts.*.fine.prompt_encoder.shared_embedding.*",
    *_UNREAD,
)
FROZEN = (_POSITIONS, "readouts.*.sam.vision_encoder.*", "readouts.*.prompt_encoder.*", *_UNREAD)

AT_ONCE = 8  # pictures that the encoder sees together


@register("readout/sam_mask")
@dataclass(frozen=True)
class SamMask:
    """Sizes of SAM; defaults are the published ViT-B at 1024 px. Masks have 4 x 4 logits for each patch.

    goal: token group whose state is the prompt. layer: hidden state that is read. window: side of the windows that all but the global layers
    attend in, in patches. checkpoint: public name or folder that `load_checkpoint` reads; licence: of those weights. A stage on public weights
    freezes FROZEN and gives the first decoder a tenth of the rate (`AdamW.multipliers`, "readouts.*.sam.mask_decoder.*"); one that trains small
    sizes from nothing freezes FIXED.
    """

    goal: str = "seg"
    layer: int = -1
    image_size: int = 1024
    patch_size: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    window: int = 14
    global_layers: tuple[int, ...] = (2, 5, 8, 11)
    width: int = 256
    mask_channels: int = 16
    decoder_layers: int = 2
    decoder_heads: int = 8
    decoder_mlp: int = 2048
    attention: Attention = "sdpa"
    checkpoint: str = ""
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        check_counts(
            self, "vision_width", "vision_layers", "vision_heads", "width", "mask_channels", "decoder_layers", "decoder_heads", "decoder_mlp"
        )
        check_counts(self, "window", least=0)
        check_grid("SamMask", self.image_size, self.patch_size)
        if self.width % 8 or self.mask_channels % 4 or self.width // 2 % self.decoder_heads:
            raise ConfigError(
                f"SamMask has width {self.width}, mask_channels {self.mask_channels} and decoder_heads {self.decoder_heads}; expected multiples of 8 "
                "and of 4, and heads that divide half the width (cross-attention is half as wide)"
            )
        if self.vision_width % self.vision_heads:
            raise ConfigError(f"SamMask.vision_width is {self.vision_width}; expected a multiple of vision_heads {self.vision_heads}")
        if not all(0 <= layer < self.vision_layers for layer in self.global_layers):
            raise ConfigError(f"SamMask.global_layers are {self.global_layers}; expected numbers from 0 to {self.vision_layers - 1}")

    @classmethod
    def small(cls) -> "SamMask":
        """The same modules at 64 px, 0.5 M parameters that learn from nothing."""
        return cls(
            image_size=64, patch_size=8, vision_width=64, vision_layers=3, vision_heads=4, window=4, global_layers=(2,), width=64, mask_channels=16,
            decoder_heads=4, decoder_mlp=128,
        )  # fmt: skip

    @classmethod
    def vit_b(cls) -> "SamMask":
        """Published weights of the smallest encoder."""
        return cls(checkpoint="facebook/sam-vit-base")

    @classmethod
    def vit_h(cls) -> "SamMask":
        """Published weights of the encoder that GLOVER++ uses; on two views it costs more than the policy."""
        return cls(vision_width=1280, vision_layers=32, vision_heads=16, global_layers=(7, 15, 23, 31), checkpoint="facebook/sam-vit-huge")

    def stays_random(self, moves: Callable[[str], bool]) -> str:
        """Part that has random weights and keeps them, "" if none: the picture encoder, where it has no checkpoint and does not learn.

        moves: whether a parameter of the readout, by name, learns.
        """
        return "" if self.checkpoint or moves("sam.vision_encoder.patch_embed.projection.weight") else "sam.vision_encoder"

    def check_checkpoint(self) -> None:
        """Raises CheckpointError if there is no such checkpoint, or it is of other sizes; no weights are read."""
        check_public(self.hf_fields(), self.checkpoint, "SamMask")

    def hf_fields(self) -> dict[str, Any]:
        """What decides the numbers, as fields of the library's configuration."""
        square = {"image_size": self.image_size, "patch_size": self.patch_size}
        return {
            "vision_config": square
            | {
                "hidden_size": self.vision_width,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "mlp_dim": 4 * self.vision_width,
                "window_size": self.window,
                "global_attn_indexes": list(self.global_layers),
                "output_channels": self.width,
                "num_pos_feats": self.width // 2,
            },
            "prompt_encoder_config": square | {"hidden_size": self.width, "mask_input_channels": self.mask_channels},
            "mask_decoder_config": {
                "hidden_size": self.width,
                "num_hidden_layers": self.decoder_layers,
                "num_attention_heads": self.decoder_heads,
                "mlp_dim": self.decoder_mlp,
                "iou_head_hidden_dim": self.width,
            },
        }

    def hf_config(self) -> SamConfig:
        """The same model as a Hugging Face configuration."""
        fields = self.hf_fields()
        # Random weights as strong as their fan-in asks for, and positions of SAM's own spread 1: the library's defaults (1e-10, and half the
        # width) are meant for public weights alone.
        fields["vision_config"]["initializer_range"] = self.vision_width**-0.5
        config = SamConfig(**fields, initializer_range=self.width**-0.5)
        vision: Any = config.vision_config
        vision.scale = 1.0
        config._attn_implementation = "eager" if self.attention == "plain" else self.attention  # its vision tower knows these names alone
        return config

    def build(self, backbone: Backbone) -> "SamMaskNet":
        """The module with random weights, matched to the backbone's width and to how it fits pictures to a square."""
        return SamMaskNet(self, backbone.text_width, backbone.image_spec)


class SamMaskNet(Readout):
    """Prompt projection, SAM, and a second prompt encoder and mask decoder for the fine pass."""

    needs_views = True

    def __init__(self, spec: SamMask, text_width: int, seen: ImageSpec):
        super().__init__()
        self.spec, self.layer, self.groups = spec, spec.layer, (spec.goal,)
        # masks are scored on the square that the backbone saw: the same fit, other pixels
        self.image_spec = ImageSpec(spec.image_size, seen.fit, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.prompt = nn.Sequential(nn.Linear(text_width, text_width), nn.ReLU(), nn.Linear(text_width, spec.width))
        self.sam: Any = SamModel(spec.hf_config())
        self.fine = nn.ModuleDict({name: deepcopy(getattr(self.sam, name)) for name in ("prompt_encoder", "mask_decoder")})

    def applies(self, batch: Batch) -> bool:
        """Whether the batch says where the target is."""
        return "target_mask" in batch.dense

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Fine logits float32 [B, V, 4 * rows, 4 * columns]."""
        assert outputs.prefix is not None and batch.views is not None
        pixels = view_pixels(batch.views, self.image_spec)
        b, v = pixels.shape[:2]
        # a picture of 1024 px attends in 4096 x 4096: a batch at once would not fit a frozen encoder's memory
        image = torch.cat([self.sam.vision_encoder(some).last_hidden_state for some in pixels.flatten(0, 1).split(AT_ONCE)])
        prompt = self.prompt(outputs.prefix.group(self.spec.goal, self.layer)).repeat_interleave(v, dim=0)[:, None]
        coarse = self.masks(self.sam.prompt_encoder, self.sam.mask_decoder, image, prompt)
        fine = self.masks(self.fine["prompt_encoder"], self.fine["mask_decoder"], image, prompt, coarse)
        return fine[:, 0].float().unflatten(0, (b, v))

    def masks(self, prompt_encoder: nn.Module, mask_decoder: nn.Module, image: Tensor, prompt: Tensor, mask: Tensor | None = None) -> Tensor:
        """One pass: logits [M, 1, 4h, 4w] from features [M, C, h, w], prompt tokens [M, 1, n, C] and logits of an earlier pass."""
        where = self.sam.get_image_wide_positional_embeddings().expand(len(image), -1, -1, -1)
        _, dense = prompt_encoder(input_points=None, input_labels=None, input_boxes=None, input_masks=mask)
        masks, _ = mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=where,
            sparse_prompt_embeddings=prompt,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return masks[:, 0]

    def load_checkpoint(self) -> None:
        """Read the public weights, into both passes. Raises CheckpointError if they do not fit the spec."""
        spec = self.spec
        self.sam.load_state_dict(load_public(SamModel, spec.hf_config(), spec.hf_fields(), spec.checkpoint, "SamMask").state_dict())
        for name, module in self.fine.items():
            module.load_state_dict(self.sam.get_submodule(name).state_dict())
