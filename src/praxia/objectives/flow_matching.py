"""Flow matching: squared error between predicted and true velocity of the action chunk (pi0; Action Priors Eq. 7; VIPA-VLA §3.3)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError, unknown
from praxia.models.heads.head import chunk_validity
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/flow_matching")
@dataclass(frozen=True)
class FlowMatching:
    """Mean squared error over valid steps and dims. over: `valid` or `all` dims of a valid step (published pi0 scores its zero padding too).

    mean: over the `entries` of all samples alike, so that a robot of 29 numbers weighs four times as much as one of 7; or of each sample over its own
    entries, then over the `samples`.
    head: which head output is scored ("action", or "reconstruction" for the true latent's branch). label: name of the loss where it needs another.
    """

    over: Literal["valid", "all"] = "valid"
    mean: Literal["entries", "samples"] = "entries"
    head: str = "action"
    label: str = ""

    @property
    def name(self) -> str:
        """Name of the loss."""
        return self.label or ("flow_matching" if self.head == "action" else self.head)

    @property
    def encoded(self) -> bool:
        """Whether it reads the chunk's own latent."""
        return self.head == "reconstruction"

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Scored entries of the chunk (per draw), or samples that have some."""
        if batch.future is None:
            return {}
        scored = self._scored(chunk_validity(batch))
        return {self.name: (scored.sum() if self.mean == "entries" else scored.flatten(1).any(1).sum()).float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over [B, K, H, A] and the number of scored entries; or sum of the samples' means and the number of samples."""
        if self.head not in outputs.heads:
            raise ConfigError(
                f"objective flow_matching: {unknown('head output', self.head, outputs.heads)}; 'reconstruction' needs an action encoder beside a "
                "predicted latent: build parts 'encoder' and 'conditioner' in a stage with a backbone"
            )
        out = outputs.heads[self.head]
        error = (out.prediction - out.target).float().square()
        scored = self._scored(out.valid).expand_as(error)
        if self.mean == "entries":
            return {self.name: ((error * scored).sum(), scored.sum().float())}
        entries = scored.flatten(1).sum(1)
        means = (error * scored).flatten(1).sum(1) / entries.clamp_min(1)
        return {self.name: (means.sum(), (entries > 0).sum().float())}

    def _scored(self, valid: Tensor) -> Tensor:
        return valid if self.over == "valid" else valid.any(-1, keepdim=True).expand_as(valid)
