"""Recompute: activations inside chosen modules are thrown away after the forward and made again in the backward: less memory, more time."""

from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from praxia.errors import ConfigError
from praxia.train.trainable import nearest


def recompute(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Make the modules whose names match recompute their insides, in place; returns their names. Gradients are the same to the last bit.

    Only whole calls are repeated, so a module that changes something outside itself must not be named: a decoder layer appends its keys and values
    to a cache, its `mlp` does not. Raises ConfigError if a pattern matches no module.
    """
    names = [name for name, _ in model.named_modules() if name]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise ConfigError(f"Stage.recompute: pattern {pattern!r} matches no module; nearest: {', '.join(nearest(pattern, names))}")
    chosen: list[str] = []
    for name in names:
        if any(fnmatch(name, p) for p in patterns) and not any(name.startswith(outer + ".") for outer in chosen):
            module = model.get_submodule(name)
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)
            chosen.append(name)
    return chosen
