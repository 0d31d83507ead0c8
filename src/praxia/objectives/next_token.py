"""Next-token cross-entropy over target rows only (Pose-VLA, PokeVLA, VIPA-VLA pretraining)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/next_token")
@dataclass(frozen=True)
class NextToken:
    """Mean cross-entropy per target token; the prompt, the views and the padding are not scored."""

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Target tokens."""
        return {} if batch.target is None else {"next_token": batch.target.valid.sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Reads outputs.target_hidden [B, T, D] and batch.target; only valid rows reach the vocabulary projection."""
        assert batch.target is not None and outputs.target_hidden is not None
        rows = outputs.target_hidden[batch.target.valid]
        loss = F.cross_entropy(outputs.logits(rows), batch.target.ids[batch.target.valid], reduction="sum")
        return {"next_token": (loss, batch.target.valid.sum().float())}
