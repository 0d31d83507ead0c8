"""What moves in a stage: patterns applied after loading, printed as a table; what does not move is hashed, and checked at the end."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch

import torch
from torch import Tensor, nn

from praxia.errors import ConfigError, PraxiaError
from praxia.train.parallel import local


class FrozenMoved(PraxiaError):
    """A frozen tensor changed during a stage."""


def apply_trainable(model: nn.Module, trainable: Sequence[str], frozen: Sequence[str]) -> dict[str, nn.Parameter]:
    """Set requires_grad by name patterns (fnmatch; frozen wins) and return the trainable parameters by name, as float32 masters.

    Call it after weights are loaded or replaced. A pattern that matches nothing, and a stage with nothing to train, are errors.
    Modules without any trainable parameter are put into eval mode by `set_training_mode`.
    """
    names = [name for name, _ in model.named_parameters()]
    for field, patterns in (("trainable", trainable), ("frozen", frozen)):
        for pattern in patterns:
            if not any(fnmatch(name, pattern) for name in names):
                raise ConfigError(f"Stage.{field}: pattern {pattern!r} matches no parameter; nearest: {', '.join(nearest(pattern, names))}")
    chosen: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():
        moves = any(fnmatch(name, p) for p in trainable) and not any(fnmatch(name, p) for p in frozen)
        parameter.requires_grad_(moves)
        if moves:
            parameter.data = parameter.data.float()
            chosen[name] = parameter
    if not chosen:
        raise ConfigError(f"Stage.trainable {list(trainable)} without frozen {list(frozen)} leaves nothing to train")
    return chosen


def nearest(pattern: str, names: Sequence[str]) -> list[str]:
    """Up to three patterns that would match, closest to a wrong one: parameter names and `module.*`."""
    modules = {".".join(n.split(".")[:depth]) + ".*" for n in names for depth in range(1, n.count(".") + 1)}
    return get_close_matches(pattern, [*modules, *names], n=3, cutoff=0.0)


def set_training_mode(model: nn.Module) -> None:
    """train() for modules with something trainable, eval() for the rest, so that frozen parts neither drop out nor update running statistics.

    A module without parameters (a dropout) follows the one it stands in.
    """
    _set_training_mode(model, False)


def _set_training_mode(module: nn.Module, outer: bool) -> None:
    moves = [p.requires_grad for p in module.parameters()]
    module.training = any(moves) if moves else outer
    for child in module.children():
        _set_training_mode(child, module.training)


@dataclass(frozen=True)
class Row:
    """Parameters of one module."""

    module: str
    trainable: int
    total: int


def trainable_table(model: nn.Module) -> list[Row]:
    """Parameters per module. A module is opened as long as parts of it move and parts do not; tied parameters count once."""
    seen: set[int] = set()
    return [row for name, child in model.named_children() for row in _rows(name, child, seen)] + _own(model, "(itself)", seen)


def _rows(name: str, module: nn.Module, seen: set[int]) -> list[Row]:
    flags = {p.requires_grad for p in module.parameters() if id(p) not in seen}
    if len(flags) == 2 and any(True for _ in module.children()):
        rows = [row for child_name, child in module.named_children() for row in _rows(f"{name}.{child_name}", child, seen)]
        return rows + _own(module, name, seen)
    return _row(name, list(module.parameters()), seen)


def _own(module: nn.Module, name: str, seen: set[int]) -> list[Row]:
    return _row(name, list(module.parameters(recurse=False)), seen)


def _row(name: str, parameters: list[nn.Parameter], seen: set[int]) -> list[Row]:
    fresh = [p for p in parameters if id(p) not in seen]
    seen.update(map(id, fresh))
    if not fresh:
        return []
    return [Row(name, sum(p.numel() for p in fresh if p.requires_grad), sum(p.numel() for p in fresh))]


def table_text(rows: Sequence[Row]) -> str:
    """The table as text, with a total."""
    rows = [*rows, Row("total", sum(r.trainable for r in rows), sum(r.total for r in rows))]
    width = max(len(r.module) for r in rows)
    return "\n".join(f"{r.module:<{width}}  {r.trainable:>13,} trainable of {r.total:>13,}" for r in rows)


def frozen_hashes(model: nn.Module) -> dict[str, str]:
    """Hash of every frozen parameter, and of every buffer of modules in which nothing moves."""
    tensors: dict[str, Tensor] = {n: p for n, p in model.named_parameters() if not p.requires_grad}
    for name, module in model.named_modules():
        if not any(p.requires_grad for p in module.parameters()):
            tensors |= {f"{name}.{n}": b for n, b in module.named_buffers(recurse=False)}
    return {name: _digest(tensor) for name, tensor in tensors.items()}


def check_frozen(before: dict[str, str], after: dict[str, str]) -> None:
    """FrozenMoved, naming the tensors, unless both are equal."""
    moved = [name for name in before if before[name] != after.get(name)]
    if moved:
        raise FrozenMoved(
            f"{len(moved)} frozen tensors changed during the stage: {', '.join(moved[:8])}; some code writes to them outside the optimiser"
        )


def _digest(tensor: Tensor) -> str:
    flat = local(tensor).detach().contiguous().flatten().view(torch.uint8).cpu()
    return hashlib.blake2b(flat.numpy().data, digest_size=8).hexdigest()
