"""Optimiser and learning-rate schedule of a stage, as data."""

from dataclasses import dataclass
from typing import Literal

from praxia.registry import register


@register("optimiser/adamw")
@dataclass(frozen=True)
class AdamW:
    """AdamW with fp32 masters; decay is not applied to norms, biases and embeddings-like vectors (ndim < 2).

    lr: peak; final: lr at the end of the schedule; warmup: steps. shape: `cosine` or `constant` after the warm-up
    (`constant` decays linearly over the last `decay_fraction` of the steps: warm-up, stable, decay).
    multipliers: (parameter-name pattern, factor on lr) pairs, first match wins.
    """

    lr: float = 1e-3
    final: float = 0.0
    warmup: int = 100
    shape: Literal["cosine", "constant"] = "cosine"
    decay_fraction: float = 0.2
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.05
    clip: float = 1.0
    multipliers: tuple[tuple[str, float], ...] = ()
