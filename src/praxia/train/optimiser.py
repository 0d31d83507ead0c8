"""Optimiser and learning-rate schedule of a stage, as data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Literal

import torch
from torch import nn

from praxia.errors import ConfigError
from praxia.registry import register
from praxia.train.adamw_8bit import AdamW8bit
from praxia.train.muon import MuonAdamW, matrices


@register("optimiser/adamw")
@dataclass(frozen=True)
class AdamW:
    """AdamW with fp32 masters; decay is not applied to vectors and numbers (ndim < 2: norms, biases, gates, a special token's own vector). Everything
    else decays, embedding tables, learned tokens and latents too.

    lr: peak; final: lr at the end of the schedule; warmup: steps (at most a quarter of all). shape: `cosine` or `constant` after the warm-up
    (`constant` decays linearly over the last `decay_fraction` of the steps: warm-up, stable, decay). decay_steps: steps after which the cosine is
    down, 0 = all of the stage's. clip: gradient norm, 0 = none.
    multipliers: (parameter-name pattern, factor on lr) pairs, first match wins. bits: of a moment; 8 takes a quarter of the memory, and more time.
    muon: rate at which Muon updates matrices (`train.muon`), on the same schedule and with the decay that they have at `lr`; 0 = AdamW.
    muon_tables: small embedding tables too; number tokens keep what neighbours share only without (docs/log.md).
    """

    lr: float = 1e-3
    final: float = 0.0
    warmup: int = 100
    shape: Literal["cosine", "constant"] = "cosine"
    decay_fraction: float = 0.2
    decay_steps: int = 0
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.05
    clip: float = 1.0
    multipliers: tuple[tuple[str, float], ...] = ()
    bits: Literal[8, 32] = 32
    muon: float = 0.0
    muon_tables: bool = True

    def __post_init__(self) -> None:
        if self.muon < 0 or (self.muon and self.bits == 8):
            raise ConfigError(
                f"AdamW.muon is {self.muon} with moments of {self.bits} bits; expected a learning rate with moments of 32, or 0 for none"
            )
        if self.decay_steps < 0:
            raise ConfigError(f"AdamW.decay_steps is {self.decay_steps}; expected a number of steps, or 0 for all of the stage's")

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of update number `step` (from 0) of `steps`: linear warm-up from lr / warmup to lr, then the shape down to `final`."""
        warmup = min(self.warmup, steps // 4)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        if self.shape == "constant":
            start = max(warmup, steps - int(self.decay_fraction * steps))
            progress = max(0.0, (step - start + 1) / (steps - start + 1)) if step >= start else 0.0
            return self.lr + (self.final - self.lr) * progress
        progress = min(1.0, (step - warmup) / max(1, (self.decay_steps or steps) - warmup))
        return self.final + (self.lr - self.final) * 0.5 * (1 + math.cos(math.pi * progress))

    def build(self, parameters: Mapping[str, nn.Parameter]) -> torch.optim.Optimizer:
        """One optimiser over float32 parameters; groups merged to one per (factor on lr, decay or not), with `factor` in each group."""
        for pattern, _ in self.multipliers:
            if not any(fnmatch(name, pattern) for name in parameters):
                raise ConfigError(f"optimiser multiplier {pattern!r} matches no trainable parameter; the first ones are {list(parameters)[:5]}")
        by_muon = matrices(parameters, self.muon_tables) if self.muon else set()
        groups: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
        for name, parameter in parameters.items():
            factor = next((f for pattern, f in self.multipliers if fnmatch(name, pattern)), 1.0)
            groups.setdefault((factor, parameter.ndim >= 2, name in by_muon), []).append(parameter)
        rows: list[dict[str, Any]] = []
        for (factor, decays, muon), some in groups.items():
            faster = self.muon / self.lr if muon else 1.0
            row = {"params": some, "factor": factor * faster, "weight_decay": self.weight_decay / faster if decays else 0.0}
            rows.append(row | {"muon": True} if muon else row)
        if self.bits == 8:
            return AdamW8bit(rows, self.lr, self.betas, self.eps)
        if self.muon:
            return MuonAdamW(rows, self.lr, self.betas, self.eps)
        return torch.optim.AdamW(rows, lr=self.lr, betas=self.betas, eps=self.eps, fused=True)
