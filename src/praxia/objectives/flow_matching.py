"""Flow matching: squared error between predicted and true velocity of the action chunk (pi0; Action Priors Eq. 7; VIPA-VLA §3.3)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.heads.head import chunk_validity
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/flow_matching")
@dataclass(frozen=True)
class FlowMatching:
    """Mean squared error over valid steps and dims. over: `valid` or `all` dims (published pi0 scores its zero padding too).

    head: which head output is scored ("action", or "reconstruction" for the true latent's branch). label: name of the loss where it needs another.
    """

    over: Literal["valid", "all"] = "valid"
    head: str = "action"
    label: str = ""

    @property
    def name(self) -> str:
        """Name of the loss."""
        return self.label or ("flow_matching" if self.head == "action" else self.head)

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Scored entries of the chunk (per draw)."""
        if batch.future is None:
            return {}
        valid = chunk_validity(batch)
        return {self.name: (valid if self.over == "valid" else torch.ones_like(valid)).sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over [B, K, H, A] and the number of scored entries."""
        out = outputs.heads[self.head]
        error = (out.prediction - out.target).float().square()
        valid = (out.valid if self.over == "valid" else torch.ones_like(out.valid)).expand_as(error)
        return {self.name: ((error * valid).sum(), valid.sum().float())}
