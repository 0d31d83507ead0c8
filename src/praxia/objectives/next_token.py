"""Next-token cross-entropy over target rows only (Pose-VLA, PokeVLA, VIPA-VLA pretraining)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/next_token")
@dataclass(frozen=True)
class NextToken:
    """Mean cross-entropy per target token; the prompt, the views, the padding and further questions of a conversation are not scored.

    spread: 0 as published: every bin but the right one is equally wrong. Above 0 a number's target is a bell around its bin, whose standard deviation
    is this share of all bins of its kind, and the loss is the divergence from it: with few samples, neighbouring bins learn from each other.
    """

    spread: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.spread < 0.5:
            raise ConfigError(f"NextToken.spread is {self.spread}; expected a share of the bins from 0 (published) to below 0.5")

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Target tokens."""
        return {} if batch.target is None else {"next_token": batch.target.scored.sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Reads outputs.target_hidden [B, T, D] and batch.target; only scored rows reach the vocabulary projection."""
        assert batch.target is not None and outputs.target_hidden is not None
        rows = batch.target.scored
        logits, ids = outputs.logits(outputs.target_hidden[rows]), batch.target.ids[rows]
        loss = _spread_loss(logits.float(), ids, outputs.scales, self.spread) if self.spread else F.cross_entropy(logits, ids, reduction="sum")
        return {"next_token": (loss, rows.sum().float())}


def _spread_loss(logits: Tensor, ids: Tensor, scales: Sequence[tuple[Tensor, bool]], spread: float) -> Tensor:
    """Sum of the divergences of rows [N, vocabulary] from their targets: a bell over the scale that an id is a bin of, the id alone elsewhere."""
    log_p = F.log_softmax(logits, dim=-1)
    words = torch.ones_like(ids, dtype=torch.bool)
    total = log_p.new_zeros(())
    for scale, circle in scales:
        rank = (ids[:, None] == scale).int().argmax(1)
        rows = scale[rank] == ids
        words &= ~rows
        target = bell(rank[rows], len(scale), spread * len(scale), circle)
        total = total + F.kl_div(log_p[rows][:, scale], target, reduction="sum")
    return total + F.nll_loss(log_p[words], ids[words], reduction="sum")


def bell(rank: Tensor, count: int, width: float, circle: bool = False) -> Tensor:
    """Probabilities float32 [N, count] of bins: a normal distribution around bins `rank` int64 [N], of `width` bins standard deviation.

    Near the first and the last bin it reaches as far on the open side as on the other: cut off on one side alone it would lean away from the ends,
    and the median of what is learnt with it (`PoseVocabulary.said`) would be up to 0.7 widths off there. On a circle it goes on at the other end.
    """
    away = (torch.arange(count, device=rank.device) - rank[:, None]).abs()
    if circle:
        away, reach = torch.minimum(away, count - away), rank.new_full(rank.shape, count)
    else:
        reach = torch.minimum(rank, count - 1 - rank)
    return F.softmax((-((away / width) ** 2) / 2).masked_fill(away > reach[:, None], float("-inf")), dim=-1)
