"""Checkpoints: a folder that is there whole or not at all; safetensors and JSON, no pickle; refused when it belongs to something else.

step_<n>/ model.safetensors (all weights), ema.safetensors (averages of the trainable ones), optimiser.safetensors, state.json. Processes that share
a model write their rows side by side (`stages.weights`); any other number of processes reads them.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from praxia.errors import CheckpointError
from praxia.files import read_json, write_json
from praxia.stages.run_directory import Identity
from praxia.stages.weights import (
    EMA_FILE,
    MODEL_FILE,
    StoredTensors,
    disk_errors,
    load_state,
    owned_state,
    part_path,
    shown,
    size_in_bytes,
    write_tensors,
)
from praxia.train.adamw_8bit import AdamW8bit
from praxia.train.ema import Ema
from praxia.train.parallel import Shards, local, ranks

OPTIMISER_FILE, STATE_FILE, BEST_FILE = "optimiser.safetensors", "state.json", "best.json"
_FOLDER = re.compile(r"step_(\d{8})")


@dataclass
class Counters:
    """Where a run stands. step: updates done; seconds: wall clock over all processes; skipped: the NaN guard's counters.

    frozen: hash of what the stage leaves as it is; metrics: of the last validation.
    """

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    skipped: list[int] = field(default_factory=lambda: [0, 0, -1])
    frozen: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trainee:
    """All that moves in training. parameters: the trainable ones by name (their parts in this process, if there are shards); moments are those
    of `optimiser` for them."""

    model: nn.Module
    parameters: Mapping[str, nn.Parameter]
    optimiser: torch.optim.Optimizer
    ema: Ema | None
    shards: Shards | None = None

    def files(self) -> dict[str, dict[str, Tensor]]:
        """What this process writes, tensors by file and name: its rows of what is spread; of all else everything if it is the main one."""
        kinds: dict[str, dict[str, Tensor]] = {MODEL_FILE: owned_state(self.model), OPTIMISER_FILE: _moments(self)}
        if self.ema is not None:
            kinds[EMA_FILE] = self.ema.averages
        if self.shards is None:
            return kinds if ranks().main else {}
        return {file: self._rows(tensors) for file, tensors in kinds.items()}

    def _rows(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert self.shards is not None
        rows: dict[str, Tensor] = {}
        for key, tensor in tensors.items():
            if isinstance(tensor, DTensor) or (key.rpartition(":")[2] in self.shards and tensor.ndim > 0):
                if (here := local(tensor)).numel():
                    rows[key] = here
            elif ranks().main:
                rows[key] = tensor
        return rows

    def part(self, name: str, whole: Tensor) -> Tensor:
        """What this process keeps of a whole tensor that belongs to a parameter."""
        return self.shards.part(name, whole) if self.shards is not None and name in self.shards and whole.ndim else whole


def folders(directory: Path) -> list[Path]:
    """Complete checkpoints of a stage, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(p for p in directory.iterdir() if _FOLDER.fullmatch(p.name))


def save(directory: Path, trainee: Trainee, counters: Counters, identity: Identity) -> Path:
    """Write a checkpoint beside its final name, flush it, then rename. CheckpointError if the disk is full (nothing is left behind).

    All processes must call it, and see the same folder. A process that fails ends the others: `torchrun` stops them.
    """
    target = directory / f"step_{counters.step:08d}"
    partial = directory / f".partial_{target.name}"
    group, files = ranks(), trainee.files()
    parts = 1 if trainee.shards is None else group.world
    with disk_errors(directory, size_in_bytes(*files.values()) * parts):
        try:
            if group.main:
                directory.mkdir(parents=True, exist_ok=True)
                for leftover in directory.glob(".partial_*"):  # of a process that was killed while writing
                    shutil.rmtree(leftover)
                partial.mkdir()
            group.wait()
            for name, tensors in files.items():
                write_tensors(part_path(partial / name, group.rank, parts), tensors)
            group.wait()
            if group.main:
                write_json(partial / STATE_FILE, {"identity": asdict(identity), "counters": asdict(counters)})
                _flush_folder(partial)
                if target.exists():  # the same step again, after a resume
                    shutil.rmtree(target)
                os.rename(partial, target)
                _flush_folder(directory)
        except BaseException:
            if group.main:  # another process would take it away from those that still write; the next checkpoint clears it
                shutil.rmtree(partial, ignore_errors=True)
            raise
    return target


def load(folder: Path, trainee: Trainee, identity: Identity) -> Counters:
    """Put a checkpoint into a trainee, in place. CheckpointError if it is of another recipe, stage, configuration or vocabulary, or incomplete."""
    path = folder / STATE_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder} is no training checkpoint: {STATE_FILE} is missing")
    state = read_json(path)
    check_identity(folder, Identity(**state["identity"]), identity)
    load_state(trainee.model, StoredTensors(folder / MODEL_FILE), str(folder / MODEL_FILE), trainee.part if trainee.shards else None)
    _load_moments(trainee, StoredTensors(folder / OPTIMISER_FILE), folder / OPTIMISER_FILE)
    if trainee.ema is not None:
        averages = StoredTensors(folder / EMA_FILE)
        for name, average in trainee.ema.averages.items():
            average.copy_(trainee.part(name, averages[name]))
    return Counters(**state["counters"])


def check_identity(folder: Path, theirs: Identity, ours: Identity) -> None:
    """CheckpointError that names both sides unless a checkpoint belongs to this recipe, stage, configuration and vocabulary."""
    gaps = [f"{k}: {v!r} there, {asdict(ours)[k]!r} here" for k, v in asdict(theirs).items() if v != asdict(ours)[k]]
    if gaps:
        raise CheckpointError(
            f"checkpoint {folder} belongs to something else:\n  "
            + "\n  ".join(gaps)
            + "\n  fix: choose another --name, or --restart to begin again; "
            "to start from its weights use Stage.init_from"
        )


def prune(directory: Path, keep_last: int) -> None:
    """Remove all but the newest checkpoints and the best one."""
    best = best_of(directory)
    spare = folders(directory)[: -max(1, keep_last)]
    for folder in spare:
        if best is None or folder.name != best["checkpoint"]:
            shutil.rmtree(folder)


def best_of(directory: Path) -> dict | None:
    """{"checkpoint", "metric", "value"} of the best checkpoint so far."""
    path = directory / BEST_FILE
    return read_json(path) if path.is_file() else None


def note_if_best(folder: Path, metric: str, value: float) -> bool:
    """Remember a checkpoint as the best if its metric is lower than any before."""
    best = best_of(folder.parent)
    if best is not None and best["metric"] == metric and best["value"] <= value:
        return False
    write_json(folder.parent / BEST_FILE, {"checkpoint": folder.name, "metric": metric, "value": value})
    return True


def _moments(trainee: Trainee) -> dict[str, Tensor]:
    optimiser = trainee.optimiser

    def of(parameter: nn.Parameter) -> Mapping[str, Tensor]:
        return optimiser.moments(parameter) if isinstance(optimiser, AdamW8bit) else optimiser.state.get(parameter, {})

    return {f"{kind}:{name}": tensor for name, p in trainee.parameters.items() for kind, tensor in of(p).items()}


def _load_moments(trainee: Trainee, tensors: Mapping[str, Tensor], path: Path) -> None:
    unknown = sorted({key.partition(":")[2] for key in tensors} - trainee.parameters.keys())
    if unknown:
        raise CheckpointError(f"{path} has moments of parameters that this stage does not train: {shown(unknown)}")
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, whole in tensors.items():
        kind, _, name = key.partition(":")
        by_name.setdefault(name, {})[kind] = trainee.part(name, whole).to(trainee.parameters[name].device)
    for name, moments in by_name.items():
        if isinstance(trainee.optimiser, AdamW8bit):
            trainee.optimiser.set_moments(trainee.parameters[name], moments)
        else:
            trainee.optimiser.state[trainee.parameters[name]].update(moments)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
