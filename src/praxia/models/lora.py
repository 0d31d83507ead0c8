"""LoRA (arXiv 2106.09685): low-rank updates beside frozen linear layers. The library `peft` puts them in place; weights are handed on merged."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from praxia.errors import ConfigError
from praxia.registry import register

BASE, DOWN, UP, SCALE = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight", ".lora_scale"


@register("lora")
@dataclass(frozen=True)
class LoRA:
    """Linear layers that learn a low-rank update while their weights stay: y = W x + alpha / rank * B A x.

    targets: patterns (fnmatch) of module names; of what they match, linear layers are taken. dropout: on what goes into the update.
    """

    targets: tuple[str, ...] = ("backbone.*_proj",)
    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not self.targets:
            raise ConfigError("LoRA.targets is empty; name linear layers by patterns, e.g. ('backbone.*_proj',)")
        if self.rank < 1 or not 0 <= self.dropout < 1:
            raise ConfigError(f"LoRA has rank {self.rank} and dropout {self.dropout}; expected at least 1, and a share from 0 to below 1")


def check_installed() -> None:
    """ConfigError if `peft` is not installed."""
    if find_spec("peft") is None:
        raise ConfigError("Stage.lora needs the package peft\n  fix: pip install -e '.[lora]' in the clone of praxia")


def inject(model: nn.Module, spec: LoRA) -> tuple[str, ...]:
    """Put the updates beside the chosen layers, in place; returns name patterns of what must stay frozen.

    Weights keep their names but for `.base_layer` before the last part. Raises ConfigError if a pattern matches no linear layer, if a layer shares
    its weight with another module, or if `peft` is not installed.
    """
    check_installed()
    from peft import LoraConfig, inject_adapter_in_model

    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    for pattern in spec.targets:
        if not any(fnmatch(name, pattern) for name in linear):
            raise ConfigError(f"LoRA.targets: {pattern!r} matches no linear layer; the first ones are {', '.join(list(linear)[:4])}")
    chosen = [name for name in linear if any(fnmatch(name, pattern) for pattern in spec.targets)]
    owners = [id(p) for module in model.modules() for p in module.parameters(recurse=False)]
    if shared := [name for name in chosen if owners.count(id(linear[name].weight)) > 1]:
        raise ConfigError(f"LoRA.targets: {', '.join(shared)} shares its weight with another module; leave it out")
    config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, lora_dropout=spec.dropout, target_modules=chosen)  # type: ignore[arg-type]
    inject_adapter_in_model(config, model)
    for module in _layers(model).values():
        module.register_buffer(SCALE.removeprefix("."), torch.tensor(spec.alpha / spec.rank))
    return (f"*{BASE}*",)


def check_trains(model: nn.Module) -> None:
    """ConfigError if a pattern froze an update."""
    if frozen := [name for name, p in model.named_parameters() if name.endswith((DOWN, UP)) and not p.requires_grad]:
        raise ConfigError(
            f"Stage.frozen keeps {len(frozen)} low-rank updates from learning, {frozen[0]!r} first; the weights beside an update are frozen anyway: "
            "name what else must stay, e.g. '*embed_tokens*'"
        )


def remove(model: nn.Module) -> None:
    """Put the plain layers back, in place, without the updates; nothing where there are none."""
    for name, module in _layers(model).items():
        model.set_submodule(name, module.get_base_layer())


def merged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a model with updates under the names and with the values they have once merged; others as they are."""
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith((DOWN, UP, SCALE))}
    for name in [name for name in found if BASE in name]:
        layer, _, rest = name.rpartition(BASE)
        weight = found.pop(name)
        if rest == "weight":
            update = tensors[layer + UP].float() @ tensors[layer + DOWN].float()
            weight = (weight.float() + tensors[layer + SCALE] * update).to(weight.dtype)
        found[f"{layer}.{rest}"] = weight
    return found


def _layers(model: nn.Module) -> dict[str, Any]:
    """Layers with an update, by name."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "lora_A") and hasattr(module, "get_base_layer")}
