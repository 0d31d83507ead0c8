"""Public weight files as flat tensors: `.safetensors` as it is, `.pt` and `.pth` converted once to a `.safetensors` beside them.

Nothing in a file is ever run. A pickle may hold more than tensors (settings of its training); what `settings` names is read as an inert object and
thrown away, and everything else is refused.
"""

import pickle
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from praxia.errors import CheckpointError
from praxia.files import write_atomic

PICKLED = (".pt", ".pth")


class _Inert:
    """Stands in for an object of a pickle that nobody needs: takes any arguments and any state, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def state_dict_of(content: Any) -> dict[str, Tensor]:
    """A plain state dict, or one under "model" or "state_dict"; the prefix `module.` of distributed training is dropped."""
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise TypeError("no dictionary of tensors, nor one under 'model' or 'state_dict'")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def tensors_of(
    source: str,
    field: str,
    files: Sequence[str],
    unpack: Callable[[Any], dict[str, Tensor]] = state_dict_of,
    settings: Sequence[str] = (),
    of: str = "state dict",
) -> dict[str, Tensor]:
    """Flat names -> tensors of a file, a folder or a public name. `field` names the source in errors.

    files: names looked for in a folder or under a public name, first found wins. unpack: content of a pickle -> flat tensors that share no
    memory, TypeError or KeyError if it is something else. settings: dotted names of classes, or of modules with a dot at the end, that may stand
    beside the tensors. of: what the file is called in errors.
    """
    path = found(source, field, files)
    if path.suffix in PICKLED:
        converted = path.with_suffix(".safetensors")
        if not converted.exists() or converted.stat().st_mtime < path.stat().st_mtime:
            convert(path, converted, unpack, settings, of)
        path = converted
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{field} {source!r}: {path} cannot be read: {error}; fetch it again") from error


def found(source: str, field: str, files: Sequence[str]) -> Path:
    """The file that a source means. Raises CheckpointError."""
    if not source:
        raise CheckpointError(f"{field} is empty, there is nothing to load; set it to a public name, a folder or a file")
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        inside = (path / name for file in files for name in (file, Path(file).with_suffix(".safetensors")))
        if (hit := next((p for p in inside if p.is_file()), None)) is None:
            raise CheckpointError(f"{field} {source!r} is a folder without {' or '.join(files)}; name the file itself")
        return hit
    owner, _, rest = source.partition("/")
    name, _, file = rest.partition("/")
    if source.startswith((".", "/", "~")) or (path.suffix in (*PICKLED, ".safetensors") and not file):
        raise CheckpointError(f"{field} {source!r} does not exist")
    last: Exception | None = None
    for candidate in (file,) if file else files:
        try:
            return Path(hf_hub_download(f"{owner}/{name}" if name else owner, candidate))
        except EntryNotFoundError as error:
            last = error
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            last = error
            break
    raise CheckpointError(
        f"{field} {source!r} is neither a file, a folder nor a public name (OWNER/NAME or OWNER/NAME/FILE) that can be fetched: {last}"
    ) from last


def convert(source: Path, target: Path, unpack: Callable[[Any], dict[str, Tensor]], settings: Sequence[str], of: str) -> None:
    """`torch.save` file -> safetensors with flat names. Never unpickles code."""
    try:
        unsafe = get_unsafe_globals_in_checkpoint(source) if settings else []
        inert: list[Any] = [(_Inert, name) for name in unsafe if any(name == s or (s.endswith(".") and name.startswith(s)) for s in settings)]
        with safe_globals(inert):
            flat = unpack(torch.load(source, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{source} is no {of}: it holds more than tensors and is not opened; use the public file") from error
    except (KeyError, TypeError, AttributeError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{source} is no {of}: {error}") from error

    def write(file: BinaryIO) -> None:
        file.write(save({name: tensor.contiguous() for name, tensor in flat.items()}))

    try:
        write_atomic(target, write)
    except OSError as error:
        raise CheckpointError(f"{source} cannot be converted to {target}: {error}; move it to a folder you can write to") from error


def fit(module: nn.Module, state: dict[str, Tensor], what: str, ignored: Collection[str] = ()) -> None:
    """Load the state, every name and shape of it. ignored: prefixes of names the module does without. Raises CheckpointError."""
    state = {k: v for k, v in state.items() if not k.startswith(tuple(ignored))}
    ours = module.state_dict()
    wrong = [f"{k} is {tuple(v.shape)}, expected {tuple(ours[k].shape)}" for k, v in state.items() if k in ours and v.shape != ours[k].shape]
    missing, extra = sorted(ours.keys() - state.keys()), sorted(state.keys() - ours.keys())
    if wrong or missing or extra:
        raise CheckpointError(
            f"{what} does not fit the spec: missing {missing[:5]}, left over {extra[:5]}, of another shape {wrong[:5]}; "
            "change the spec's fields to the checkpoint's sizes"
        )
    module.load_state_dict(state)
