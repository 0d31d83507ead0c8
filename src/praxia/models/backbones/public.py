"""Public Hugging Face checkpoints, checked against the spec that asks for them."""

from typing import Any

import torch
from transformers import AutoConfig, PretrainedConfig

from praxia.errors import CheckpointError
from praxia.models.checkpoint_file import check_found

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")  # as the library writes them


def load_public(cls: Any, config: PretrainedConfig, expected: dict[str, Any], source: str, family: str) -> Any:
    """`cls.from_pretrained(source)` in float32 under our `config`.

    expected: the configuration values that decide the numbers (nested as in the library's config); a checkpoint that says otherwise is
    refused, also where the shapes would happen to fit (rotary base, number of heads). Raises CheckpointError.
    """
    check_public(expected, source, family)
    try:
        model, report = cls.from_pretrained(source, config=config, dtype=torch.float32, output_loading_info=True)
    except RuntimeError as error:
        raise CheckpointError(f"{family}.checkpoint {source!r} does not fit the spec: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{family}.checkpoint {source!r} cannot be read: {error}") from error
    missing, extra = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if missing or report["mismatched_keys"]:
        raise CheckpointError(
            f"{family}.checkpoint {source!r} is incomplete: missing {missing[:5]}, of another shape {sorted(report['mismatched_keys'])[:5]}, "
            f"left over {extra[:5]}; use a {cls.__name__} checkpoint"
        )
    return model.eval()


def check_public(expected: dict[str, Any], source: str, family: str) -> None:
    """Raises CheckpointError unless there is such a checkpoint, and its configuration says what is expected. No weights are read or fetched."""
    different = differences(expected, public_config(source, family))
    if different:
        raise CheckpointError(f"{family}.checkpoint {source!r} is another model than the spec: {'; '.join(different)}. Change the spec's fields")
    check_found(source, f"{family}.checkpoint", WEIGHTS)


def public_config(source: str, family: str) -> PretrainedConfig:
    """The configuration of a public checkpoint. Raises CheckpointError if there is none."""
    if not source:
        raise CheckpointError(f"{family}.checkpoint is empty, there is nothing to load; set it to a public name or a folder")
    try:
        return AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{family}.checkpoint {source!r} cannot be read: {error}") from error


def differences(expected: dict[str, Any], theirs: Any, path: str = "") -> list[str]:
    """Values of `expected` that a configuration (object or dictionary) contradicts, as sentences; values it does not have are not compared."""
    found = []
    for name, value in expected.items():
        other = theirs.get(name, value) if isinstance(theirs, dict) else getattr(theirs, name, value)
        if isinstance(value, dict):
            found += differences(value, other, f"{path}{name}.")
        elif _plain(other) != _plain(value):
            found.append(f"{path}{name} is {other!r}, the spec says {value!r}")
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
