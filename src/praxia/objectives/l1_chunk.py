"""L1 chunk: mean absolute error of the regressed action chunk (PokeVLA, action expert; OpenVLA-OFT, arXiv 2502.19645)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.heads.head import chunk_validity
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/l1_chunk")
@dataclass(frozen=True)
class L1Chunk:
    """Mean absolute error over valid steps and dims.

    smooth: normalised units below which the error is quadratic (smooth L1); 0 as published. A number that is 0 in most steps and of either sign in
    the others has the median 0: a small model that begins without features stays there under a plain L1, whose pull does not grow with the error.
    """

    smooth: float = 0.0

    def __post_init__(self) -> None:
        if self.smooth < 0:
            raise ConfigError(f"L1Chunk.smooth is {self.smooth}; expected 0 (plain L1) or normalised units below which the error is quadratic")

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Scored entries of the chunk."""
        return {} if batch.future is None else {"l1_chunk": chunk_validity(batch).sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over [B, 1, H, A] and the number of scored entries."""
        out = outputs.heads["action"]
        error = F.smooth_l1_loss(out.prediction.float(), out.target.float().expand_as(out.prediction), reduction="none", beta=self.smooth)
        return {"l1_chunk": ((error * out.valid).sum(), out.valid.expand_as(error).sum().float())}
