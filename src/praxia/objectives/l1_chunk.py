"""L1 chunk: mean absolute error of the regressed action chunk (PokeVLA, action expert; OpenVLA-OFT, arXiv 2502.19645)."""

from dataclasses import dataclass

from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.heads.head import chunk_validity
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/l1_chunk")
@dataclass(frozen=True)
class L1Chunk:
    """Mean absolute error over valid steps and dims."""

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Scored entries of the chunk."""
        return {} if batch.future is None else {"l1_chunk": chunk_validity(batch).sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over [B, 1, H, A] and the number of scored entries."""
        out = outputs.heads["action"]
        error = (out.prediction - out.target).float().abs()
        return {"l1_chunk": ((error * out.valid).sum(), out.valid.expand_as(error).sum().float())}
