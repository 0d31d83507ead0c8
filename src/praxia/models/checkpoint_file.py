"""Public weight files as flat tensors: `.safetensors` as it is, `.pt` and `.pth` converted once to a `.safetensors` beside them.

Nothing in a file is ever run. A pickle may hold more than tensors (settings of its training); what `settings` names is read as an inert object and
thrown away, and everything else is refused.
"""

import os
import pickle
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
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
    hint: str = "",
) -> dict[str, Tensor]:
    """Flat names -> tensors of a file, a folder or a public name. `field` names the source in errors.

    files: names looked for in a folder or under a public name, first found wins. unpack: content of a pickle -> flat tensors that share no
    memory, TypeError or KeyError if it is something else. settings: dotted names of classes, or of modules with a dot at the end, that may stand
    beside the tensors. of: what the file is called in errors. hint: where a file that is not there is had.
    """
    path = found(source, field, files, hint)
    if path.suffix in PICKLED:
        converted = path.with_suffix(".safetensors")
        if not converted.exists() or converted.stat().st_mtime < path.stat().st_mtime:
            convert(path, converted, unpack, settings, of)
        path = converted
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{field} {source!r}: {path} cannot be read: {error}; fetch it again") from error


def found(source: str, field: str, files: Sequence[str], hint: str = "") -> Path:
    """The file that a source means, fetched if it is a public name and not on this machine yet. hint: see `tensors_of`. Raises CheckpointError."""
    path = _found(source, field, files, hint, _fetched)
    assert path is not None
    return path


def check_found(source: str, field: str, files: Sequence[str], hint: str = "") -> None:
    """Raises CheckpointError where `found` would, without fetching: the hub is only asked for a public file that is not on this machine."""
    _found(source, field, files, hint, _asked)


def _found(source: str, field: str, files: Sequence[str], hint: str, public_file: Callable[[str, str], Path | None]) -> Path | None:
    """The file on this machine, or what `public_file` makes of its public name and file."""
    hint = hint and f"; {hint}"
    if not source:
        raise CheckpointError(f"{field} is empty, there is nothing to load; set it to a public name, a folder or a file{hint}")
    if (here := found_here(source, files)) is not None:
        return here
    if os.path.isdir(_local(source)):
        raise CheckpointError(f"{field} {source!r} is a folder without {' or '.join(files)}; name the file itself{hint}")
    public = list(_public(source, files))
    if not public:
        raise CheckpointError(f"{field} {source!r} does not exist; name a file, a folder or a public name (OWNER/NAME or OWNER/NAME/FILE){hint}")
    last: Exception | None = None
    for name, file in public:
        try:
            return public_file(name, file)
        except Exception as error:  # what a lost connection raises differs between versions of the hub's library
            last = error
            if not _absent(error):
                break
    assert last is not None
    raise CheckpointError(f"{field} {source!r} {_trouble(public[0][0], last)}{hint}") from last


def found_here(source: str, files: Sequence[str]) -> Path | None:
    """As `found`, of what is on this machine: a file, a folder's, or one that the hub's library has fetched before. Never asks the network."""
    if not source:
        return None
    path = _local(source)
    if os.path.isfile(path):  # False where pathlib's would raise, e.g. for a name that is too long
        return path
    if os.path.isdir(path):
        inside = (path / name for file in files for name in (file, Path(file).with_suffix(".safetensors")))
        return next((p for p in inside if p.is_file()), None)
    for name, file in _public(source, files):
        try:
            cached = try_to_load_from_cache(name, file)
        except HFValidationError:
            return None
        if isinstance(cached, str):
            return Path(cached)
    return None


def _local(source: str) -> Path:
    return Path(os.path.expanduser(source))


def _public(source: str, files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(OWNER/NAME, file) pairs that a public name may mean; none if it can only be a path."""
    owner, _, rest = source.partition("/")
    name, _, file = rest.partition("/")
    local = source.startswith((".", "/", "~")) or (Path(source).suffix in (*PICKLED, ".safetensors") and not file)
    if local or (rest and not name) or ".." in file.split("/"):
        return
    yield from ((f"{owner}/{name}" if name else owner, wanted) for wanted in ((file,) if file else files))


def _fetched(name: str, file: str) -> Path:
    """Fetch a public file. It is asked for once before: the download alone would try for a minute, and log every try, where there is no way to it."""
    _asked(name, file)
    return Path(hf_hub_download(name, file))


def _asked(name: str, file: str) -> None:
    """Ask the hub for a public file; raises what the hub's library does where it cannot be had."""
    try:
        get_hf_file_metadata(hf_hub_url(name, file), timeout=20)
    except HfHubHTTPError as error:
        if error.response.status_code not in (429, 500, 502, 503, 504):  # of a hub that is busy: the download waits for it
            raise


def _absent(error: Exception) -> bool:
    """Whether the hub says that a repository has no such file."""
    return isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)


def _trouble(name: str, error: Exception) -> str:
    """What is wrong with a public name, and what to do."""
    if isinstance(error, GatedRepoError):
        return f"is gated: request access on the page of {name}, log in with `hf auth login`, or name a local file"
    if isinstance(error, RepositoryNotFoundError):
        return f"is neither a file, a folder nor a public name that the hub shows you: if {name} is one, log in with `hf auth login`; or name a file"
    if isinstance(error, HFValidationError):
        return "is neither a file, a folder nor a public name (OWNER/NAME or OWNER/NAME/FILE)"
    if _absent(error):
        return f"names no file of {name}; name it as OWNER/NAME/FILE, or name a local file"
    why = " ".join(str(error).split()) or type(error).__name__
    return f"is not on this machine and cannot be fetched ({why}): connect to the network, or name a local file or folder"


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
