"""Weights on disk: safetensors, every tensor once (tied names are left out), written whole and flushed.

What is spread over several processes is written by all of them: `model.safetensors` is then `model-00001-of-00004.safetensors` and so on, each with
the rows its process holds.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
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
    theirs = {n: tensors.shape(n) if isinstance(tensors, StoredTensors) else tuple(tensors[n].shape) for n in own if n in tensors}
    shapes = [f"{n}: {shape} there, {tuple(own[n].shape)} here" for n, shape in theirs.items() if shape != tuple(own[n].shape)]
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


class StoredTensors(Mapping[str, Tensor]):
    """Tensors of a safetensors file, or of all its parts, on the CPU, each read when it is asked for.

    A tensor that several parts have is their rows, one part's under the other's. Raises CheckpointError for a missing or truncated file.
    """

    def __init__(self, path: Path):
        self._path = path
        self._files: dict[str, list[Any]] = {}
        for part in _parts_of(path):
            with _readable(part):
                file = safe_open(part, framework="pt")
                for name in file.keys():  # noqa: SIM118 (no mapping)
                    self._files.setdefault(name, []).append(file)

    def __getitem__(self, name: str) -> Tensor:
        with _readable(self._path):
            rows = [file.get_tensor(name) for file in self._files[name]]
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, without reading it."""
        shapes = [tuple(file.get_slice(name).get_shape()) for file in self._files[name]]
        return shapes[0] if len(shapes) == 1 else (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file or its parts; see `StoredTensors`."""
    return dict(StoredTensors(path))


def is_stored(path: Path) -> bool:
    """Whether there is such a safetensors file, or parts of one."""
    return path.is_file() or any(path.parent.glob(_parts(path)))


def part_path(path: Path, part: int, parts: int) -> Path:
    """Where process `part` (from 0) of `parts` writes its rows of a safetensors file; the file itself if there is one process."""
    return path if parts == 1 else path.with_stem(f"{path.stem}-{part + 1:05d}-of-{parts:05d}")


def _parts(path: Path) -> str:
    return f"{path.stem}-?????-of-?????{path.suffix}"


def _parts_of(path: Path) -> list[Path]:
    if path.is_file() or not (found := sorted(path.parent.glob(_parts(path)))):
        return [path]
    count = int(found[0].stem.rpartition("-")[2])
    return [part_path(path, part, count) for part in range(count)]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}\n  fix: the file is missing or truncated; use an older checkpoint") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Weights to hand on: those of a checkpoint (averaged where an average was kept, low-rank updates merged) or of a policy folder."""
    for name in (MODEL_FILE, POLICY_FILE):
        if is_stored(folder / name):
            weights = read_tensors(folder / name)
            if is_stored(folder / EMA_FILE):
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
