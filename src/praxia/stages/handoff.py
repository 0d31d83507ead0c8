"""Hand-off: weights of an earlier stage or of a checkpoint into a model, part by part; keys checked, misses listed, shapes compared."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import torch
from torch import Tensor, nn

from praxia.errors import CheckpointError, unknown
from praxia.files import read_json
from praxia.stages.recipe import InitFrom
from praxia.stages.run_directory import RunDirectory, weights_folder
from praxia.stages.weights import owned_state, read_weights, shown


@dataclass(frozen=True)
class HandOff:
    """What was copied. missing: names of the model that the source lacks and may lack; unexpected: names of the source left over."""

    source: str
    copied: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        text = f"from {self.source}: {len(self.copied)} tensors"
        if self.missing:
            text += f"; not there, left as initialised: {shown(list(self.missing))}"
        if self.unexpected:
            text += f"; left over: {shown(list(self.unexpected))}"
        return text


def source_folder(init: InitFrom, run: RunDirectory) -> Path:
    """Folder with the weights that an InitFrom names: last checkpoint of a finished stage of this run, or a checkpoint, stage or policy folder."""
    return run.finished_checkpoint(init.stage) if init.stage else weights_folder(Path(init.checkpoint))


def hand_off(model: nn.Module, init: InitFrom, folder: Path, vocabulary: str = "") -> HandOff:
    """Copy weights into the model in place.

    vocabulary: fingerprint of this run's tokens; text weights of a checkpoint with another one are refused.
    Raises CheckpointError with every miss, left-over and shape difference that `init` does not allow.
    """
    source = read_weights(folder)
    target = owned_state(model)
    _check_vocabulary(folder, vocabulary, init)
    matches: dict[str, Tensor] = {}
    missing: list[str] = []
    unexpected: list[str] = []
    for theirs, ours in init.parts or (("", ""),):
        offered = _under(theirs, source)
        wanted = _under(ours, target)
        if not offered or not wanted:
            side, name, keys = ("the source", theirs, source) if not offered else ("the model", ours, target)
            raise CheckpointError(f"hand-off from {folder}: {side} has no part; {unknown('part', name, _parts(keys))}")
        missing += [ours + rest for rest in wanted if rest not in offered]
        unexpected += [theirs + rest for rest in offered if rest not in wanted]
        matches |= {ours + rest: offered[rest] for rest in wanted if rest in offered}
    refused = [name for name in missing if not _allowed(name, init.missing)]
    left = [name for name in unexpected if not _allowed(name, init.unexpected)]
    shapes = [f"{n}: {tuple(t.shape)} there, {tuple(target[n].shape)} here" for n, t in matches.items() if t.shape != target[n].shape]
    if refused or left or shapes:
        raise CheckpointError(
            f"hand-off from {folder} does not fit:\n  missing there: {shown(refused)}\n  left over: {shown(left)}\n  other shape: {shown(shapes)}\n"
            "  fix: name the parts to copy in InitFrom.parts, or allow the names in InitFrom.missing / InitFrom.unexpected"
        )
    with torch.no_grad():
        for name, tensor in matches.items():
            target[name].copy_(tensor)
    return HandOff(str(folder), tuple(matches), tuple(missing), tuple(unexpected))


def _under(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a part by the rest of their name; "" is the whole model."""
    return {n[len(part) :]: t for n, t in tensors.items() if not part or n == part or n.startswith(part + ".")}


def _parts(names: dict[str, Tensor]) -> set[str]:
    return {".".join(n.split(".")[:depth]) for n in names for depth in (1, 2)}


def _allowed(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, p) or name.startswith(p + ".") for p in patterns)


def _check_vocabulary(folder: Path, vocabulary: str, init: InitFrom) -> None:
    state = folder / "state.json"
    touches_text = not init.parts or any(theirs.split(".")[0] == "backbone" for theirs, _ in init.parts)
    if not (vocabulary and touches_text and state.is_file()):
        return
    theirs = read_json(state)["identity"]
    if theirs["vocabulary"] not in ("", vocabulary):
        raise CheckpointError(
            f"hand-off from {folder} (recipe {theirs['recipe']!r}, stage {theirs['stage']!r}): its vocabulary is {theirs['vocabulary']}, "
            f"this run's is {vocabulary}: the same id would mean another token\n"
            "  fix: give both recipes the same tokenizer and number vocabulary, or copy only parts without token embeddings"
        )
