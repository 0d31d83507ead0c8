"""Said wrist paths beside the true ones, and predictors that do not look: constant velocity, standing still and the mean path."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Paths = Mapping[str, np.ndarray]  # side -> float64 [T, 3], metres


@dataclass(frozen=True)
class SaidMotion:
    """family: of the question. truth: paths of the hands that are there; said: of the same hands, None of a hand of which no path was said."""

    family: str
    truth: Paths
    said: dict[str, np.ndarray | None]


def motion_scores(told: Sequence[SaidMotion]) -> dict[str, float]:
    """mean_mm: distance of points, averaged over all points of a hand, then over hands; final_mm: of last points; final_median_mm; hands: number.

    A hand of which no path was said is not in the errors: `said` is the share of hands with one. {} without any hand.
    """
    pairs = [(path, one.said.get(side)) for one in told for side, path in one.truth.items()]
    gaps = [np.linalg.norm(path - said, axis=1) * 1000 for path, said in pairs if said is not None]
    if not pairs:
        return {}
    found = {"said": len(gaps) / len(pairs), "hands": float(len(pairs))}
    if gaps:
        last = [gap[-1] for gap in gaps]
        found |= {
            "mean_mm": float(np.mean([gap.mean() for gap in gaps])),
            "final_mm": float(np.mean(last)),
            "final_median_mm": float(np.median(last)),
        }
    return found


def constant_velocity(past: np.ndarray, steps: int) -> np.ndarray:
    """The path float64 [steps, 3] that goes on as the last two points of the past [T, 3] did; it stays where one point is known."""
    step = past[-1] - past[-2] if len(past) > 1 else np.zeros(3)
    return past[-1] + np.arange(1, steps + 1)[:, None] * step


@dataclass(frozen=True)
class MeanPath:
    """Does not look: the mean of the training paths of a hand, step by step, and beyond the longest of them its last point.

    placed: side -> mean of the paths themselves [T, 3]; moved: side -> mean of their displacements from now [T, 3].
    """

    placed: Paths
    moved: Paths

    def __call__(self, side: str, steps: int, now: np.ndarray | None) -> np.ndarray | None:
        """From where the hand is now, if that is told; None for a hand that training never had."""
        mean = self.placed.get(side) if now is None else self.moved.get(side)
        if mean is None:
            return None
        rows = mean[np.minimum(np.arange(steps), len(mean) - 1)]
        return rows if now is None else now + rows


def mean_path(training: Sequence[tuple[str, np.ndarray, np.ndarray | None]]) -> MeanPath:
    """Fitted on (side, future [T, 3], place now [3] or None) of training motions."""
    sides = {side for side, _, _ in training}
    placed = {side: _mean([path for s, path, _ in training if s == side]) for side in sides}
    moved = {side: [path - now for s, path, now in training if s == side and now is not None] for side in sides}
    return MeanPath(placed, {side: _mean(paths) for side, paths in moved.items() if paths})


def _mean(paths: Sequence[np.ndarray]) -> np.ndarray:
    """Step by step over the paths that are so long."""
    longest = max(map(len, paths))
    return np.stack([np.mean([path[k] for path in paths if len(path) > k], axis=0) for k in range(longest)])


def words_f1(said: Sequence[str], true: Sequence[str]) -> float:
    """Harmonic mean of the shares of words of either that the other has too, as often; 0 where nothing is said."""
    shared = sum((Counter(said) & Counter(true)).values())
    return 2 * shared / (len(said) + len(true)) if said and true else 0.0
