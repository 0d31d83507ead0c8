"""Two ways of training compared over training seeds and test episodes: the primary contrast of a claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t

from praxia.errors import ConfigError

Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True)
class Contrast:
    """Success rate of the first way minus the second's, mean over groups, with an interval. by_seed: the difference of each training seed."""

    difference: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    verdict: Verdict


def contrast(
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[str],
    least: float = 0.05,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    weights: Mapping[str, float] | None = None,
) -> Contrast:
    """Compare outcomes bool [seeds, episodes] of two ways on the same episodes; `groups` names the group (task, category) of every episode.

    weights: of the groups' means, equal if None; groups of weight 0 count for nothing.

    Seeds and episodes are both drawn again with replacement, each as a whole (all seeds saw the same episodes, so a hard episode is hard for all
    of them: the crossed bootstrap of Owen 2007; drawing episodes anew for every seed would promise too much). Episodes are drawn within groups.
    Few seeds make that interval too narrow (with three of them it excludes 0 as soon as all three agree), so it is never narrower than Student's
    interval over the seeds' own differences.

    Verdict: holds if the whole interval is above 0; does not hold if it is below `least`, the smallest difference that would matter; else undecided.
    Raises ConfigError for outcomes of different shapes or without two seeds.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != len(groups) or a.shape[0] < 2:
        raise ConfigError(
            f"a contrast of outcomes {a.shape} and {b.shape} with {len(groups)} episodes: expected [seeds, episodes] of one shape, at least two seeds"
        )
    apart = a - b
    names = [name for name in dict.fromkeys(groups) if weights is None or weights[name] > 0]
    places = [np.flatnonzero(np.array(groups) == name) for name in names]
    shares = np.array([1.0 if weights is None else weights[name] for name in names])
    shares /= shares.sum()
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    for k in range(draws):
        some = apart[rng.integers(len(apart), size=len(apart))].mean(0)
        means[k] = shares @ [some[rng.choice(place, len(place))].mean() for place in places]
    by_seed = shares @ [apart[:, place].mean(1) for place in places]
    half = float(t.ppf((1 + confidence) / 2, len(by_seed) - 1) * by_seed.std(ddof=1) / np.sqrt(len(by_seed)))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = min(low, by_seed.mean() - half), max(high, by_seed.mean() + half)
    verdict: Verdict = "holds" if low > 0 else "does not hold" if high < least else "undecided"
    return Contrast(float(by_seed.mean()), float(low), float(high), tuple(map(float, by_seed)), verdict)


@dataclass(frozen=True)
class Ratio:
    """How many times as much the first needs as the second: geometric mean over training seeds with Student's interval of its logarithm.

    low, high: NaN of fewer than two seeds.
    """

    ratio: float
    low: float
    high: float
    by_seed: tuple[float, ...]


def ratio(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Ratio:
    """Of two positive numbers a seed."""
    logs = np.log(np.asarray(first, np.float64) / np.asarray(second, np.float64))
    mean, n = float(logs.mean()), len(logs)
    half = float(t.ppf((1 + confidence) / 2, n - 1) * logs.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return Ratio(float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half)), tuple(float(r) for r in np.exp(logs)))
