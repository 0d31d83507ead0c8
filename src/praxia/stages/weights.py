"""Weights on disk: safetensors, every tensor once (tied names are left out), written whole and flushed."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from praxia.errors import CheckpointError
from praxia.models.lora import merged

MODEL_FILE, EMA_FILE, POLICY_FILE = "model.safetensors", "ema.safetensors", "weights.safetensors"


def owned_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name; of tied tensors only the first name."""
    state: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            state[name] = tensor
    return state


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], origin: str, part: Callable[[str, Tensor], Tensor] | None = None) -> None:
    """Copy tensors into a module in place; names and shapes must be exactly those of `owned_state`, else CheckpointError lists the differences.

    part: what a spread module keeps here of a named whole tensor.
    """
    own = owned_state(module)
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [f"{n}: {tuple(tensors[n].shape)} there, {tuple(t.shape)} here" for n, t in own.items() if n in tensors and tensors[n].shape != t.shape]
    if missing or unexpected or shapes:
        raise CheckpointError(
            f"{origin} does not fit the model: missing {shown(missing)}; unexpected {shown(unexpected)}; other shape {shown(shapes)}\n"
            "  fix: use the recipe and preset that wrote it, or hand its parts over with Stage.init_from"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            if part is not None and isinstance(tensor, DTensor):
                tensor.to_local().copy_(part(name, tensors[name]))
            else:
                tensor.copy_(tensors[name])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, on the CPU; a missing or truncated file is a CheckpointError."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}\n  fix: the file is missing or truncated; use an older checkpoint") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Weights to hand on: those of a checkpoint (averaged where an average was kept, low-rank updates merged) or of a policy folder."""
    for name in (MODEL_FILE, POLICY_FILE):
        if (folder / name).is_file():
            weights = read_tensors(folder / name)
            if (folder / EMA_FILE).is_file():
                weights |= read_tensors(folder / EMA_FILE)
            return merged(weights)
    raise CheckpointError(f"{folder} holds neither {MODEL_FILE} (a checkpoint) nor {POLICY_FILE} (a policy); name one of those folders")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write and fsync a safetensors file. Raises OSError or SafetensorError; see `disk_errors`."""
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def disk_errors(folder: Path, needed: int) -> Iterator[None]:
    """Turn a full disk into a CheckpointError that names the folder, the space needed (bytes) and the space free."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = error.errno == errno.ENOSPC if isinstance(error, OSError) else f"os error {errno.ENOSPC}" in str(error)
        if not full:
            raise
        free = shutil.disk_usage(folder).free
        raise CheckpointError(
            f"the disk is full: writing to {folder} needs {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free; earlier checkpoints are intact\n"
            f"  fix: free some space, or move the run folder to a larger disk, then run the same command again to go on"
        ) from error


def size_in_bytes(*groups: Mapping[str, Tensor]) -> int:
    """Bytes of all tensors."""
    return sum(t.numel() * t.element_size() for group in groups for t in group.values())


def shown(names: list[str], limit: int = 8) -> str:
    """A list for an error message, shortened."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more
