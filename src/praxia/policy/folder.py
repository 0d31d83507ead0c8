"""The policy folder: weights.safetensors, policy.json, statistics.json, tokenizer/. No pickle, no network; policy.json comes last."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer

import praxia.models.parts  # noqa: F401 - policy.json names parts by kind
from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json, write_json
from praxia.models.vla import VLA
from praxia.policy.config import FORMAT, STATISTICS, PolicyConfig
from praxia.registry import from_json
from praxia.stages.weights import POLICY_FILE, disk_errors, load_state, owned_state, read_tensors, size_in_bytes, write_tensors

_MIXED = "the folder mixes files of two policies, export it again"


def write_folder(folder: Path, config: PolicyConfig, model: VLA, tokenizer: Any) -> None:
    """Write the folder; one with policy.json is complete. Raises CheckpointError on a full disk."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.json").unlink(missing_ok=True)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder / "tokenizer")
    weights = {name: tensor.cpu() for name, tensor in owned_state(model).items()}
    temporary = folder / f".{POLICY_FILE}"
    with disk_errors(folder, size_in_bytes(weights)):
        write_tensors(temporary, weights)
    temporary.replace(folder / POLICY_FILE)
    write_json(folder / STATISTICS, {robot.embodiment: robot.numbers for robot in config.robots})
    write_json(folder / "policy.json", config)


def read_folder(folder: Path) -> tuple[PolicyConfig, VLA, Any]:
    """Configuration, model on the CPU and tokenizer (None without a backbone). Raises CheckpointError if incomplete or not of one piece."""
    config = read_config(folder)
    model = VLA(config.model, config.parts, config.special_ids)
    tokenizer = None
    if model.backbone is not None:
        tokenizer = _read_tokenizer(folder)
        model.backbone.resize_vocabulary(config.vocabulary_size)
        if len(tokenizer) != config.vocabulary_size:
            raise CheckpointError(f"{folder}/tokenizer has {len(tokenizer)} tokens, policy.json says {config.vocabulary_size}; {_MIXED}")
    if not (folder / POLICY_FILE).is_file():
        raise CheckpointError(f"{folder} has no {POLICY_FILE}; the folder is incomplete, copy or export it again")
    try:
        load_state(model, _absent_vectors(model) | read_tensors(folder / POLICY_FILE), str(folder / POLICY_FILE))
    except CheckpointError as error:
        raise CheckpointError(f"{error}\n  policy.json is of recipe {config.recipe!r}, stage {config.stage!r}; if it is sound, {_MIXED}") from error
    return config, model, tokenizer


def read_config(folder: Path | str) -> PolicyConfig:
    """policy.json of a folder. Raises CheckpointError if there is none, or it is of another format or names parts this version does not have."""
    path = Path(folder) / "policy.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a policy folder (no policy.json); a training run keeps it under runs/<name>/policy")
    try:
        value = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}); copy the folder again") from error
    written = value.get("format") if isinstance(value, dict) else type(value).__name__
    if written != FORMAT:
        raise CheckpointError(f"{path} has format {written!r}, this version reads {FORMAT}; export the policy again with this version")
    try:
        return from_json(value, PolicyConfig)
    except (ConfigError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read by this version: {error}; it was written by {value.get('versions')}") from error


def _absent_vectors(model: VLA) -> dict[str, Tensor]:
    """Zeros for the special tokens' own vectors, which folders written before there were any do not have."""
    special = model.tokens.special if model.tokens is not None else {}
    return {f"tokens.special.{name}": torch.zeros_like(vector) for name, vector in special.items()}


def _read_tokenizer(folder: Path) -> Any:
    """The folder's own tokenizer; what is missing here is never looked for on the network."""
    if not (folder / "tokenizer" / "tokenizer.json").is_file():
        raise CheckpointError(f"{folder} has no tokenizer/tokenizer.json; the folder is incomplete, copy or export it again")
    try:
        return AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder}/tokenizer cannot be read ({error}); copy or export the folder again") from error
