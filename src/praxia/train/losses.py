"""From objectives to one number: every named loss is divided once, by its total weight over all micro-batches and passes of a step."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.objective import Losses, Teachers
from praxia.stages.recipe import Weighted

Key = tuple[int, str]  # number of the objective in the stage, name of the loss
Counts = dict[Key, Tensor]
_TINY = 1e-12


def counts(objectives: Sequence[Weighted], batch: Batch, supervision: str) -> Counts:
    """What each loss will find to score in a micro-batch. Objectives that do not apply to it are absent."""
    found = {
        (i, name): count
        for i, weighted in enumerate(objectives)
        if not weighted.on or supervision in weighted.on
        for name, count in weighted.objective.count(batch).items()
    }
    if not found:
        raise ConfigError(
            f"no objective of the stage scores supervision {supervision!r}; objectives: "
            f"{', '.join(type(w.objective).__name__ + (f' on {list(w.on)}' if w.on else '') for w in objectives)}"
        )
    return found


def step_totals(micro_batches: Sequence[Counts]) -> Counts:
    """Total count of every loss in a step: the one place where normalisation crosses micro-batches."""
    totals: Counts = {}
    for found in micro_batches:
        for key, count in found.items():
            totals[key] = totals[key] + count if key in totals else count
    return totals


def score(objectives: Sequence[Weighted], found: Counts, outputs: Outputs, batch: Batch, teachers: Teachers) -> dict[Key, tuple[Tensor, Tensor]]:
    """(sum, weight) of every loss that applies to a micro-batch."""
    scored: dict[Key, tuple[Tensor, Tensor]] = {}
    for i in sorted({i for i, _ in found}):
        losses: Losses = objectives[i].objective(outputs, batch, teachers)
        for name, pair in losses.items():
            if (i, name) not in found:
                raise ConfigError(f"objective {type(objectives[i].objective).__name__} returned loss {name!r}, which its count() does not name")
            scored[i, name] = pair
    return scored


def share_of_step(scored: Mapping[Key, tuple[Tensor, Tensor]], found: Counts, totals: Counts, weights: Sequence[float], passes: int) -> Tensor:
    """This forward's part of the step's loss, a scalar: over all forwards the parts add up to sum_n weight_n * (sum of n) / (weight of n). What has
    weight 0 is only logged: nothing goes backwards through it.

    A loss's own weight may differ from its count by a constant (several draws a sample), so the step's weight is weight * total / count.
    """
    live = {key: pair for key, pair in scored.items() if weights[key[0]]} or scored  # without any: zeros that have a gradient
    parts = []
    for key, (total, weight) in live.items():
        step_weight = weight.clamp_min(_TINY) * totals[key].clamp_min(_TINY) * passes
        parts.append(total * (weights[key[0]] * found[key] / step_weight))
    return torch.stack(parts).sum()
