"""Metrics of a stage: one JSON object a line, always; TensorBoard or Weights & Biases beside it if asked for."""

import importlib.util
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from praxia.errors import ConfigError, unknown
from praxia.stages.weights import disk_errors


class Tracker(Protocol):
    """Somewhere else that curves go to."""

    def write(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class MetricsLog:
    """Lines of metrics.jsonl. `step` is the number of updates done; kind is `step`, `validation` or `speed`.

    Values of single steps stay on the device until `flush`, so that the loop does not wait for them.
    """

    def __init__(self, path: Path, done: int, trackers: Sequence[Tracker] = ()):
        """Go on with a file after `done` updates: what a killed process wrote beyond them is dropped."""
        self.path, self.trackers = path, tuple(trackers)
        self._pending: list[tuple[dict[str, Any], dict[str, Tensor]]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            kept = [line for line in path.read_text().splitlines() if done and _step_of(line) <= done]
            path.write_text("".join(line + "\n" for line in kept))

    def add(self, known: dict[str, Any], values: dict[str, Tensor]) -> None:
        """Remember a step: fields the host knows, and scalars on the device."""
        self._pending.append((known, values))

    def flush(self) -> dict[str, float]:
        """Write what is pending (waits for the device once) and return the mean of each finite value over it."""
        if not self._pending:
            return {}
        flat = torch.stack([v.float() for _, values in self._pending for v in values.values()]).tolist()
        lines, sums, position = [], {}, 0
        for known, values in self._pending:
            numbers = dict(zip(values, flat[position : position + len(values)], strict=True))
            position += len(values)
            lines.append(known | {k: v if math.isfinite(v) else None for k, v in numbers.items()})
            for k, v in numbers.items():
                if math.isfinite(v):
                    sums.setdefault(k, []).append(v)
        self._pending.clear()
        self._append(lines)
        return {k: sum(v) / len(v) for k, v in sums.items()}

    def write(self, **line: Any) -> None:
        """Write one line at once."""
        self._append([line])

    def sync(self) -> None:
        """Make everything written so far survive a power cut."""
        if self.path.is_file():
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())

    def close(self) -> None:
        """Close the trackers."""
        for tracker in self.trackers:
            tracker.close()

    def _append(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with disk_errors(self.path.parent, len(text)), self.path.open("a") as file:
            file.write(text)
        for tracker in self.trackers:
            for line in lines:
                prefix = "" if line.get("kind") == "step" else f"{line.get('kind')}/"
                values = {prefix + k: float(v) for k, v in line.items() if k not in ("step", "kind") and isinstance(v, int | float)}
                tracker.write(line["step"], values)


def _step_of(line: str) -> float:
    """Step of a line; a line cut off by a kill is beyond all steps."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf


def open_trackers(names: Sequence[str], folder: Path, run: str) -> list[Tracker]:
    """The trackers asked for; one that is not installed is a ConfigError that says how to install it."""
    known = {"tensorboard": _TensorBoard, "wandb": _WeightsAndBiases}
    for name in names:
        if name not in known:
            raise ConfigError(unknown("tracker", name, known))
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"tracker {name!r} is not installed\n  fix: pip install {name}, or leave it out: metrics.jsonl is always written")
    return [known[name](folder, run) for name in names]


class _TensorBoard:
    def __init__(self, folder: Path, run: str):
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, folder: Path, run: str):
        import wandb  # type: ignore[import-not-found]

        self._run = wandb.init(project="praxia", name=run, dir=str(folder))

    def write(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()
