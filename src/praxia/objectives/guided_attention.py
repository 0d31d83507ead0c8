"""Guided attention: tokens that must say where things are learn to look there (supervised attention, arXiv 1605.09553).

Regression alone moves a token's attention only through small changes of what it reads; naming the picture token is a classification, which is
learnt many times faster (docs/log.md).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.cells import places, slot_transforms
from praxia.objectives.dense import dense, readout
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register

_EPS = 1e-6


@register("objective/guided_attention")
@dataclass(frozen=True)
class GuidedAttention:
    """- log of the weight on the visual token that covers the true place (0 for one outside the picture), mean over the places in posed views.

    Reads batch.dense["positions_pixel" | "positions_slot" | "positions_valid"] as `supervision.places` makes them: one place for each
    of the tokens whose attention is read.
    """

    readout: str = "attention"

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Places with a truth."""
        return {"guided_attention": self._known(batch).sum().float()} if "positions_pixel" in batch.dense else {}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Weights [B, V, n, N] of n tokens, one for each place."""
        weights, pixel = readout(outputs, self.readout, "guided_attention"), dense(batch, "positions_pixel", "guided_attention")
        visual, slot = outputs.visual, dense(batch, "positions_slot", "guided_attention")
        if visual is None or visual.image_spec is None or batch.views is None:
            raise ConfigError("objective guided_attention needs views; the batch has none")
        if weights.shape[2] != slot.shape[1]:
            raise ConfigError(
                f"objective guided_attention: readout {self.readout!r} reads {weights.shape[2]} tokens, the samples have {slot.shape[1]} places; "
                "give it one token for each (ActionChunk makes 3 a view)"
            )
        to_canvas = slot_transforms(batch.views, slot, visual.image_spec)
        cell, _, inside = places(pixel.flatten(0, 1)[:, None], to_canvas.flatten(0, 1), visual.image_spec, visual.grid)
        cell, inside = cell.view_as(slot), inside.view_as(slot)
        sample, place = torch.meshgrid(*(torch.arange(n, device=slot.device) for n in slot.shape), indexing="ij")
        chosen = weights[sample, slot.clamp_min(0), place, cell]
        known = self._known(batch)
        return {"guided_attention": (-((chosen + _EPS).log() * (known & inside)).sum(), known.sum().float())}

    def _known(self, batch: Batch) -> Tensor:
        """bool [B, n]: places in a posed view of this sample."""
        return batch.dense["positions_valid"] & (batch.dense["positions_slot"] >= 0)
