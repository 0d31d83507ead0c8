"""Recompute: activations inside chosen modules are thrown away after the forward and made again in the backward: less memory, more time."""

import inspect
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from praxia.errors import ConfigError
from praxia.train.trainable import nearest


class Recomputed:
    """A forward that keeps its arguments alone for the backward. count: calls so far."""

    def __init__(self, forward: Callable[..., Any]):
        self.forward, self.count = forward, 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.count += 1
        return checkpoint(self.forward, *arguments, use_reentrant=False, **named)


def recompute(model: nn.Module, patterns: Sequence[str]) -> dict[str, Recomputed]:
    """Make the outermost modules whose names match recompute their insides, in place; returns them by name. Gradients are the same to the last bit.

    Only whole calls are repeated, so a module that changes something outside itself cannot be chosen: a decoder layer appends its keys and values
    to a cache, its `mlp` does not. Raises ConfigError for such a module, or if a pattern matches no module.
    """
    modules = {name: module for name, module in model.named_modules() if name and not isinstance(module, nn.ModuleList | nn.ModuleDict)}
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in modules):
            raise ConfigError(f"Stage.recompute: pattern {pattern!r} matches no module; nearest: {', '.join(nearest(pattern, list(modules)))}")
    chosen: dict[str, Recomputed] = {}
    for name, module in modules.items():
        if any(fnmatch(name, p) for p in patterns) and not any(name.startswith(outer + ".") for outer in chosen):
            if "past_key_values" in inspect.signature(module.forward).parameters:
                raise ConfigError(
                    f"Stage.recompute: {name!r} appends to a cache of keys and values and would do so twice; name what is inside: '*.mlp'"
                )
            chosen[name] = Recomputed(module.forward)
            module.forward = chosen[name]
    return chosen


def restore(model: nn.Module, chosen: dict[str, Recomputed]) -> None:
    """Undo `recompute`."""
    for name in chosen:
        del model.get_submodule(name).forward
