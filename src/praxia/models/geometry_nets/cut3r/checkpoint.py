"""Public CUT3R weights: a pickle of the state dict beside the settings of its training, which are thrown away unread."""

from typing import Any

import torch
from torch import Tensor

from praxia.errors import CheckpointError
from praxia.models.checkpoint_file import state_dict_of, tensors_of
from praxia.models.geometry_nets.net_folder import WEIGHTS

PUBLIC_FILES = ("cut3r_512_dpt_4_64.pth", "model.safetensors", WEIGHTS)  # the last one is what training here leaves
WHERE = "the public file is linked from the README of github.com/CUT3R/CUT3R"
# What settings may be made of; none of it is imported, let alone called (see checkpoint_file).
PLAIN = ("dict", "list", "tuple", "int", "float", "str", "bool")
SETTINGS = ("argparse.Namespace", "omegaconf.", "collections.defaultdict", "typing.Any", *(f"builtins.{name}" for name in PLAIN))
ALIAS = ".scratch.layer_rn."


def read_weights(source: str) -> dict[str, Tensor]:
    """State dict of a CUT3RNet. Raises CheckpointError."""
    state = tensors_of(source, "CUT3R.checkpoint", PUBLIC_FILES, once_each, SETTINGS, "CUT3R checkpoint", WHERE)
    return with_aliases(state, source)


def once_each(content: Any) -> dict[str, Tensor]:
    """The state dict of the public file without its second names."""
    return {name: tensor for name, tensor in with_aliases(state_dict_of(content), "the file").items() if ALIAS not in name}


def with_aliases(state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """The state with both names of the convolutions that have two (layer_rn.0 is layer1_rn). CheckpointError if they differ."""
    named = dict(state)
    for name, tensor in state.items():
        head, found, tail = name.partition(ALIAS)
        if found:
            level, _, kind = tail.partition(".")
            first = f"{head}.scratch.layer{int(level) + 1}_rn.{kind}"
            if not torch.equal(named.setdefault(first, tensor), tensor):
                raise CheckpointError(f"CUT3R.checkpoint {source!r}: {name} and {first} are one tensor, but differ; the file is damaged")
    for name in [n for n in named if ".scratch.layer" in n and "_rn.weight" in n]:
        head, _, tail = name.partition(".scratch.layer")
        level, _, kind = tail.partition("_rn.")
        named.setdefault(f"{head}{ALIAS}{int(level) - 1}.{kind}", named[name])
    return named
