"""Learning curves of a stage, read from metrics.jsonl."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from praxia.errors import DataError

_NO_LOSS = ("step", "kind", "rate", "samples", "gradient_norm", "skipped")


@dataclass(frozen=True)
class Curve:
    """Values over updates. step: int64 [N], rising; value: float64 [N], NaN where a step had no finite value."""

    step: np.ndarray
    value: np.ndarray

    def smoothed(self, window: int) -> np.ndarray:
        """Mean over `window` neighbours on both sides together, fewer at the ends; NaN are left out. float64 [N]."""
        kernel = np.ones(max(1, min(window, len(self.value))) | 1)
        known = np.isfinite(self.value)
        half = len(kernel) // 2
        total, number = (np.convolve(x, kernel)[half : half + len(self.value)] for x in (np.where(known, self.value, 0.0), known.astype(float)))
        return np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0.5)

    def end(self) -> float | None:
        """Mean of the last 5 % of the steps."""
        last = self.value[-max(1, len(self.value) // 20) :]
        return float(np.nanmean(last)) if np.isfinite(last).any() else None


@dataclass(frozen=True)
class StageCurves:
    """Training losses and held-out metrics by name, learning rate and gradient norm, and the number of updates that were skipped for NaN."""

    training: Mapping[str, Curve] = field(default_factory=dict)
    held_out: Mapping[str, Curve] = field(default_factory=dict)
    rate: Curve | None = None
    gradient_norm: Curve | None = None
    skipped: int = 0

    def held_out_of(self, loss: str) -> dict[str, Curve]:
        """Held-out curves of a training loss: its own name, or `<supervision>/<loss>`."""
        return {name: curve for name, curve in self.held_out.items() if name.rpartition("/")[2] == loss}

    def at_end(self) -> dict[str, float | None]:
        """Each training loss at the end of the stage."""
        return {name: curve.end() for name, curve in self.training.items()}


def read_curves(path: Path | str) -> StageCurves:
    """Curves of one stage; empty if there is no file. A last line cut off by a kill is left out; other damage is a DataError."""
    path = Path(path)
    if not path.is_file():
        return StageCurves()
    training: dict[str, list[tuple[int, float]]] = {}
    held_out: dict[str, list[tuple[int, float]]] = {}
    rate: list[tuple[int, float]] = []
    norm: list[tuple[int, float]] = []
    skipped = 0
    text = path.read_text()
    lines = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            step, kind = int(line["step"]), line["kind"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}, line {number} is damaged ({error}); fix: delete that line, the other lines stand on their own") from error
        if kind == "speed":
            skipped = int(line.get("skipped", 0))
        elif kind in ("step", "validation"):
            into = training if kind == "step" else held_out
            for name, entry in line.items():
                if name not in _NO_LOSS:
                    into.setdefault(name, []).append((step, math.nan if entry is None else float(entry)))
            for name, points in (("rate", rate), ("gradient_norm", norm)):
                if kind == "step" and line.get(name) is not None:
                    points.append((step, float(line[name])))
    return StageCurves(_curves(training), _curves(held_out), _curve(rate) if rate else None, _curve(norm) if norm else None, skipped)


def updates_until(curve: Sequence[Sequence[float]], goal: float) -> float | None:
    """Updates after which the error is at most `goal`, from (step, error) pairs, between two looks on the straight line; None if it never is."""
    before: Sequence[float] | None = None
    for step, gap in curve:
        if gap <= goal:
            return float(step) if before is None or before[1] == gap else before[0] + (step - before[0]) * (before[1] - goal) / (before[1] - gap)
        before = (step, gap)
    return None


def _curves(points: Mapping[str, list[tuple[int, float]]]) -> dict[str, Curve]:
    return {name: _curve(found) for name, found in points.items()}


def _curve(points: list[tuple[int, float]]) -> Curve:
    return Curve(np.array([step for step, _ in points], np.int64), np.array([number for _, number in points], np.float64))
