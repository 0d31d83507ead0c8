"""Latent alignment: the predicted latent approaches the encoder's latent of the true chunk (Action Priors Eq. 8)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/latent_alignment")
@dataclass(frozen=True)
class LatentAlignment:
    """||z' - stop_gradient(z)||^2, summed over the latent (= 2 - 2 cos for unit vectors; a mean would shrink it by the width), mean over samples."""

    encoded: ClassVar[bool] = True  # reads the chunk's own latent

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Samples with a chunk."""
        return {} if batch.future is None else {"latent_alignment": batch.future.valid.any(1).sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over samples and their number; only the prediction is moved, never the teacher."""
        assert batch.future is not None
        missing = {"predicted", "encoded"} - outputs.latents.keys()
        if missing:
            raise ConfigError(f"latent_alignment lacks the latents {sorted(missing)}; build the parts backbone, encoder and conditioner")
        gap = (outputs.latents["predicted"] - outputs.latents["encoded"].detach()).square().sum(-1)
        seen = batch.future.valid.any(1)
        return {"latent_alignment": ((gap * seen).sum(), seen.sum().float())}
