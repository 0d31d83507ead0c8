"""Bins: real numbers as numbers of bins, with edges spread evenly or after the numbers that are there."""

from dataclasses import dataclass

import numpy as np

from praxia.errors import ConfigError, DataError
from praxia.registry import register

OUTER = 1e-4  # part of the numbers beyond each outer edge: they are clipped into the border bins


@register("vocabulary/bins")
@dataclass(frozen=True)
class Bins:
    """edges: increasing, one more than there are bins; a number beyond them falls into the nearest bin."""

    edges: tuple[float, ...]

    @property
    def count(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def encode(self, values: np.ndarray) -> np.ndarray:
        """float [...] -> bin int64 [...] in 0 .. count - 1."""
        return np.clip(np.digitize(values, self.edges) - 1, 0, self.count - 1)

    def decode(self, bins: np.ndarray) -> np.ndarray:
        """Bin int [...] -> its middle float64 [...]."""
        edges = np.asarray(self.edges)
        return (edges[bins] + edges[np.asarray(bins) + 1]) / 2


def check_smoothing(vocabulary: str, share: float) -> None:
    """ConfigError unless a vocabulary's `row_smoothing` is a share of the bins."""
    if not 0 <= share < 0.5:
        raise ConfigError(f"{vocabulary}.row_smoothing is {share}; expected a share of the bins from 0 (published) to below 0.5")


def quantile_bins(values: np.ndarray, count: int, least: float, weights: np.ndarray | None = None) -> Bins:
    """At most `count` bins that hold equal shares of the values, none narrower than `least`; fewer where the values are closer together.

    values: float [N]; weights: float [N], how much each counts (default: equally). Pose-VLA, open point 1: edges at the quantiles k / count,
    the outer ones at 0.01 and 99.99 %, edges closer than `least` to the one before left out.
    Raises DataError without values or with values that are not finite.
    """
    values = np.asarray(values, np.float64).ravel()
    if not len(values) or not np.isfinite(values).all():
        raise DataError(f"bins cannot be fitted on {len(values)} values, {int((~np.isfinite(values)).sum())} of them not finite")
    order = np.argsort(values, kind="stable")
    share = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64).ravel()[order]
    below = (np.cumsum(share) - share / 2) / share.sum()
    wanted = np.interp(np.clip(np.linspace(0, 1, count + 1), OUTER, 1 - OUTER), below, values[order])
    edges = [wanted[0]]
    for edge in wanted[1:]:
        if edge - edges[-1] >= least:
            edges.append(edge)
    if edges[-1] < wanted[-1] and len(edges) > 1:
        edges[-1] = wanted[-1]
    if len(edges) == 1:
        edges = [edges[0] - least / 2, edges[0] + least / 2]
    return Bins(tuple(map(float, edges)))
