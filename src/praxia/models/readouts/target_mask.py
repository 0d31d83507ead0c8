"""Target mask: one goal token prompts a small two-way mask decoder in every view, coarse then fine (PokeVLA, goal-aware segmentation; SAM form).

Both passes have their own decoder and the same prompt; the coarse logits are the dense prompt of the fine pass. Features are the language
model's own visual states, so that what the mask needs is what the action head reads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.attention import Attention, MultiHeadAttention
from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.spec_checks import check_counts, check_shared
from praxia.models.states import Outputs
from praxia.models.vision.grid_positions import sine_positions
from praxia.registry import register


@register("readout/target_mask")
@dataclass(frozen=True)
class TargetMaskDecoder:
    """goal: token group whose state is the prompt. Masks have 4 x 4 logits for each visual token. layer: hidden state that is read."""

    goal: str = "seg"
    width: int = 256
    layers: int = 2
    heads: int = 8
    layer: int = -1
    attention: Attention = "sdpa"

    def __post_init__(self) -> None:
        check_counts(self, "width", "layers", "heads")
        check_shared(self, "heads", self.width)
        if self.width % 4:
            raise ConfigError(f"TargetMaskDecoder.width is {self.width}; expected a multiple of 4: channels halve twice")

    def build(self, backbone: Backbone) -> "TargetMaskNet":
        """The module, matched to the backbone's width."""
        return TargetMaskNet(self, backbone.text_width)


class TargetMaskNet(Readout):
    """Prompt and image projections, a coarse and a fine decoder."""

    def __init__(self, spec: TargetMaskDecoder, text_width: int):
        super().__init__()
        self.spec, self.layer, self.groups, self.needs_views = spec, spec.layer, (spec.goal,), True
        self.prompt = nn.Sequential(nn.Linear(text_width, text_width), nn.ReLU(), nn.Linear(text_width, spec.width))
        self.image = nn.Linear(text_width, spec.width)
        self.no_mask = nn.Parameter(0.02 * torch.randn(spec.width))
        self.mask_in = nn.Sequential(nn.Conv2d(1, spec.width // 4, 2, 2), nn.GELU(), nn.Conv2d(spec.width // 4, spec.width, 2, 2))
        self.coarse = MaskDecoder(spec)
        self.fine = MaskDecoder(spec)

    def applies(self, batch: Batch) -> bool:
        """Whether the batch says where the target is."""
        return "target_mask" in batch.dense

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Fine logits float32 [B, V, 4 * rows, 4 * columns]."""
        prefix = outputs.prefix
        assert prefix is not None and prefix.grid is not None
        states = self.image(prefix.views(self.layer))
        b, v = states.shape[:2]
        image = states.flatten(0, 1).mT.unflatten(2, prefix.grid)
        prompt = self.prompt(prefix.group(self.spec.goal, self.layer)).repeat_interleave(v, dim=0)
        coarse = self.coarse(image + self.no_mask[:, None, None], prompt)
        fine = self.fine(image + self.mask_in(coarse), prompt)
        return fine[:, 0].float().unflatten(0, (b, v))


class MaskDecoder(nn.Module):
    """Tokens [mask, prompt] and image look at each other for some layers; the mask token then scores the up-scaled image."""

    def __init__(self, spec: TargetMaskDecoder):
        super().__init__()
        width = spec.width
        self.mask_token = nn.Parameter(0.02 * torch.randn(width))
        self.layers = nn.ModuleList([TwoWayLayer(spec) for _ in range(spec.layers)])
        self.upscale = nn.Sequential(nn.ConvTranspose2d(width, width // 2, 2, 2), nn.GELU(), nn.ConvTranspose2d(width // 2, width // 4, 2, 2))
        self.kernel = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width // 4))

    def forward(self, image: Tensor, prompt: Tensor) -> Tensor:
        """image [M, C, h, w], prompt [M, 1, C] -> logits [M, 1, 4 * h, 4 * w]."""
        m, _, h, w = image.shape
        tokens = torch.cat([self.mask_token.expand(m, 1, -1), prompt], dim=1)
        where = sine_positions(torch.arange(h), torch.arange(w), image.shape[1], base=1e4).flatten(0, 1).to(image)
        rows = image.flatten(2).mT
        for layer in self.layers:
            tokens, rows = layer(tokens, rows, where)
        pixels = self.upscale(rows.mT.unflatten(2, (h, w)))
        return torch.einsum("mc,mchw->mhw", self.kernel(tokens[:, 0]), pixels)[:, None]


class TwoWayLayer(nn.Module):
    """Tokens among themselves, tokens to image, MLP, image to tokens; pre-norm residuals, positions added to the image where it is looked at."""

    def __init__(self, spec: TargetMaskDecoder):
        super().__init__()
        width = spec.width
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(4)])
        self.among, self.to_image, self.to_tokens = (MultiHeadAttention(width, spec.heads, kind=spec.attention) for _ in range(3))
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor, rows: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        """tokens [M, 2, C], rows [M, h * w, C], where [h * w, C] -> new tokens and rows."""
        tokens = tokens + self.among(self.norms[0](tokens))
        tokens = tokens + self.to_image(self.norms[1](tokens), self.norms[2](rows) + where)
        tokens = tokens + self.mlp(tokens)
        return tokens, rows + self.to_tokens(self.norms[2](rows) + where, self.norms[3](tokens))
