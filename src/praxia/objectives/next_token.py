"""Next-token cross-entropy over target rows only (Pose-VLA, PokeVLA, VIPA-VLA pretraining)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register
from praxia.tokens.coordinates import DECIMALS


@register("objective/next_token")
@dataclass(frozen=True)
class NextToken:
    """Mean cross-entropy per target token; the prompt, the views, the padding and further questions of a conversation are not scored.

    spread: 0 as published: every bin but the right one is equally wrong. Above 0 a number's target is a bell around its bin, whose standard deviation
    is this share of all bins of its kind, and the loss is the divergence from it: with few samples, neighbouring bins learn from each other. So it
    is for number tokens and for coordinates written out (`tokens.coordinates`): each of their digits gets the bell's share of the numbers that
    begin with the digits before it.
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
        if not self.spread:
            return {"next_token": (F.cross_entropy(logits, ids, reduction="sum"), rows.sum().float())}
        thousandths, place = decimals(batch.target.ids, outputs.digits)
        loss = self._spread_loss(logits.float(), ids, outputs, thousandths[rows], place[rows])
        return {"next_token": (loss, rows.sum().float())}

    def _spread_loss(self, logits: Tensor, ids: Tensor, outputs: Outputs, thousandths: Tensor, place: Tensor) -> Tensor:
        """Sum of the divergences of rows [N, vocabulary] from their targets: a bell over the scale that an id is a bin of, or its share of the
        digits, the id alone elsewhere."""
        log_p = F.log_softmax(logits, dim=-1)
        words = place == 0
        total = log_p.new_zeros(())
        for scale, circle in outputs.scales:
            rank = (ids[:, None] == scale).int().argmax(1)
            rows = scale[rank] == ids
            words &= ~rows
            target = bell(rank[rows], len(scale), self.spread * len(scale), circle)
            total = total + F.kl_div(log_p[rows][:, scale], target, reduction="sum")
        for which in range(1, DECIMALS + 1):
            rows = place == which
            if outputs.digits is None or not rows.any():
                continue
            target = digit_shares(thousandths[rows], which, self.spread)
            total = total + F.kl_div(log_p[rows][:, outputs.digits[:10]], target, reduction="sum")
        return total + F.nll_loss(log_p[words], ids[words], reduction="sum")


def decimals(ids: Tensor, digits: Tensor | None) -> tuple[Tensor, Tensor]:
    """Where in ids [B, T] a number from 0.000 to 0.999 is written out: the number in thousandths, and which of its three decimals a token is
    (0: none), int64 [B, T] each. digits: ids of 0 to 9 and the decimal point."""
    number, place = torch.zeros_like(ids), torch.zeros_like(ids)
    if digits is None or ids.shape[1] < DECIMALS + 2:
        return number, place
    value = (ids[..., None] == digits[:10]).int().argmax(-1)
    digit = digits[value] == ids
    spelt = [ids == digits[0], ids == digits[10], digit, digit, digit]  # token by token
    last = ids.shape[1] - len(spelt) + 1
    begins = torch.stack([one[:, i : i + last] for i, one in enumerate(spelt)]).all(0)
    begins[:, 1:] &= ~digit[:, : last - 1]  # not the end of a longer number
    begins[:, :-1] &= ~digit[:, len(spelt) :][:, : last - 1]
    told = sum(10 ** (2 - i) * value[:, i + 2 : i + 2 + last] for i in range(DECIMALS))
    for i in range(DECIMALS):
        number[:, i + 2 : i + 2 + last] += torch.where(begins, told, 0)
        place[:, i + 2 : i + 2 + last] += torch.where(begins, i + 1, 0)
    return number, place


def digit_shares(thousandths: Tensor, place: int, spread: float) -> Tensor:
    """Probabilities float32 [N, 10] of the decimal `place` (1 to 3) of numbers int64 [N] in thousandths, given the decimals before it: those of a
    bell around the number, `spread` wide."""
    weights = bell(thousandths, 10**DECIMALS, spread * 10**DECIMALS)
    group = 10 ** (DECIMALS - place)  # how many numbers share their first decimals up to this one
    among = weights.unflatten(1, (-1, 10, group)).sum(-1)[torch.arange(len(weights)), thousandths // (10 * group)]
    return among / among.sum(-1, keepdim=True)


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
