"""Intervals for success rates and the comparison of two policies on the same episodes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, norm

from praxia.errors import ConfigError


@dataclass(frozen=True)
class Rate:
    """A success rate with its confidence interval."""

    rate: float
    low: float
    high: float
    episodes: int


def wilson(successes: int, episodes: int, confidence: float = 0.95) -> Rate:
    """Wilson score interval of a proportion (Wilson 1927); covers the choice of episodes, not of training seeds."""
    if episodes < 1 or not 0 <= successes <= episodes:
        raise ConfigError(f"{successes} successes in {episodes} episodes: expected 0 <= successes <= episodes, at least one episode")
    interval = binomtest(successes, episodes).proportion_ci(confidence, method="wilson")
    return Rate(successes / episodes, float(interval.low), float(interval.high), episodes)


def stratified(successes: Sequence[int], episodes: Sequence[int], weights: Sequence[float] | None = None, confidence: float = 0.95) -> Rate:
    """Weighted mean of the tasks' rates (equal weights if None: the macro mean) with a stratified Wilson interval (Yan and Su 2010).

    Each task's Wilson bounds are taken at a quantile shrunk so that their weighted sum has the asked-for confidence:
    z' = z sqrt(sum w^2 v) / sum w sqrt(v), v = variance of the Wilson centre. It speaks of these tasks, not of tasks as such.
    """
    k, n = np.array(successes, np.float64), np.array(episodes, np.float64)
    if k.shape != n.shape or k.ndim != 1 or not k.size or (n < 1).any() or (k < 0).any() or (k > n).any():
        raise ConfigError(f"successes {list(successes)} in episodes {list(episodes)}: expected one pair a task with 0 <= successes <= episodes")
    w = np.full(k.size, 1 / k.size) if weights is None else np.array(weights, np.float64) / np.sum(weights)
    z = norm.ppf((1 + confidence) / 2)
    p = k / n
    spread = np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)  # half width of the task's own interval, in units of z
    shrunk = z * np.sqrt(np.sum((w * spread) ** 2)) / np.sum(w * spread)
    bounds = [wilson(int(a), int(b), float(2 * norm.cdf(shrunk) - 1)) for a, b in zip(k, n)]
    low, high = (float(np.dot(w, [getattr(bound, side) for bound in bounds])) for side in ("low", "high"))
    return Rate(float(np.dot(w, p)), low, high, int(n.sum()))


def difference(first: Rate, second: Rate) -> tuple[float, float, float]:
    """(first - second, low, high) of two rates of different episodes, from their own intervals (Newcombe 1998, method 10)."""
    gap = first.rate - second.rate
    low = gap - np.hypot(first.rate - first.low, second.high - second.rate)
    high = gap + np.hypot(first.high - first.rate, second.rate - second.low)
    return gap, float(low), float(high)


@dataclass(frozen=True)
class Paired:
    """Two policies on the same episodes: `difference` is the first's rate minus the second's."""

    first: Rate
    second: Rate
    difference: float
    low: float
    high: float
    only_first: int  # episodes that only the first solved
    only_second: int
    p_value: float  # exact two-sided McNemar
    episodes: int


def paired(first: Sequence[bool], second: Sequence[bool], confidence: float = 0.95) -> Paired:
    """Exact McNemar test on the discordant episodes; interval of the difference after Agresti and Min (2005), half an episode added to each cell."""
    a, b = np.array(first, bool), np.array(second, bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ConfigError(f"paired comparison of {a.size} and {b.size} episodes: expected the same episodes, at least one")
    n, wins, losses = a.size, int((a & ~b).sum()), int((b & ~a).sum())
    p_value = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    total, plus, minus = n + 2, wins + 0.5, losses + 0.5
    centre = (plus - minus) / total
    half = norm.ppf((1 + confidence) / 2) * np.sqrt((plus + minus) - (plus - minus) ** 2 / total) / total
    low, high = max(-1.0, float(centre - half)), min(1.0, float(centre + half))
    rates = [wilson(int(side.sum()), n, confidence) for side in (a, b)]
    return Paired(rates[0], rates[1], (wins - losses) / n, low, high, wins, losses, p_value, n)
