"""Latent query: the prefix's query row, projected to unit length, stands in for the action encoder's latent (Action Priors §III-D, Eq. 6)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.conditioners.action_encoder import ActionEncoderNet
from praxia.models.spec_checks import check_counts
from praxia.models.states import PrefixStates
from praxia.registry import register


@register("conditioner/latent_query")
@dataclass(frozen=True)
class LatentQuery:
    """query: token group of one learned token; width: numbers in the latent.

    noise: length of the Gaussian noise that is added to the encoder's latent (of length 1) before the decoder gets it in training, so that it
    decodes neighbours alike; the sum has length 1 again. 0 = none, as published.
    """

    query: str = "q"
    width: int = 1024
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_counts(self, "width")
        if self.noise < 0:
            raise ConfigError(f"LatentQuery.noise is {self.noise}; expected the length of the noise, the latent's is 1, or 0 for none")

    def build(self, text_width: int, encoder_width: int) -> "LatentQueryNet":
        """The module. text_width, encoder_width: 0 where the stage builds no backbone or the model has no encoder."""
        if encoder_width and encoder_width != self.width:
            raise ConfigError(f"conditioner 'latent_query' has width {self.width} but the encoder's latent has {encoder_width}; make them equal")
        return LatentQueryNet(self, text_width)


class LatentQueryNet(nn.Module):
    """Latents by name: `predicted` z' from the prefix, `encoded` z from the batch's chunk; a decoder never knows which one it was given."""

    def __init__(self, spec: LatentQuery, text_width: int):
        super().__init__()
        self.spec = spec
        self.projection = nn.Linear(text_width, spec.width, bias=False) if text_width else None

    def draw_noise(self, batch_size: int, generator: torch.Generator) -> Tensor | None:
        """What is added to the encoder's latents of one training forward, float32 [B, width]; None without noise."""
        spec = self.spec
        return torch.randn(batch_size, spec.width, generator=generator) * (spec.noise / spec.width**0.5) if spec.noise else None

    def forward(self, prefix: PrefixStates | None, batch: Batch, encoder: ActionEncoderNet | None) -> dict[str, Tensor]:
        """Latents float32 [B, width] of unit length: what can be made of what is there."""
        latents = {}
        if prefix is not None and self.projection is not None:
            latents["predicted"] = F.normalize(self.projection(prefix.group(self.spec.query)[:, 0]).float(), dim=-1)
        if batch.future is not None and encoder is not None:
            latents["encoded"] = encoder(batch.future, batch.embodiment)
        if not latents:
            raise ConfigError("conditioner 'latent_query' has neither a prefix nor an action chunk with an encoder; build one of the two parts")
        return latents

    def decoded(self, latents: dict[str, Tensor], noise: Tensor | None) -> dict[str, Tensor]:
        """The latents as the decoder gets them."""
        if noise is None or "encoded" not in latents:
            return latents
        return latents | {"encoded": F.normalize(latents["encoded"] + noise, dim=-1)}

    def acts_on(self, latents: dict[str, Tensor]) -> str:
        """The latent that the head acts on: the prediction wherever there is one."""
        return "predicted" if "predicted" in latents else "encoded"
