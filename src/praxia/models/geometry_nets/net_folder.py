"""The folder of a geometry net that was trained here: geometry.json (its spec, licences, where it comes from) and weights.safetensors."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json
from praxia.models.checkpoint_file import tensors_of
from praxia.registry import from_json, to_json

DESCRIPTION, WEIGHTS = "geometry.json", "weights.safetensors"


def without_weights(spec: Any) -> Any:
    """The spec as a description of the net alone: no `checkpoint`, if it has that field."""
    return replace(spec, checkpoint="") if any(field.name == "checkpoint" for field in fields(spec)) else spec


def read_description(folder: Path) -> dict[str, Any]:
    """geometry.json: `net` and what it says of itself (licences, provenance, versions). Raises CheckpointError."""
    try:
        found = read_json(folder / DESCRIPTION)
        return found | {"net": from_json(found["net"])}
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"{folder} holds no geometry net ({DESCRIPTION}: {error}); `praxia train tabletop_geometry` leaves one in runs/tabletop_geometry/geometry"
        ) from error


def read_spec(folder: Path) -> Any:
    """The spec of the net in a folder, with the folder as its checkpoint. Raises CheckpointError."""
    return replace(read_description(folder)["net"], checkpoint=str(folder))


def read_weights(spec: Any) -> dict[str, Tensor]:
    """Weights of the folder that `spec.checkpoint` names. Raises CheckpointError if there are none, or they are of another net."""
    folder = Path(spec.checkpoint).expanduser()
    theirs, ours = (to_json(without_weights(s)) for s in (read_spec(folder), spec))
    if other := [f"{name} is {theirs.get(name)!r}, the spec says {value!r}" for name, value in ours.items() if theirs.get(name) != value]:
        raise CheckpointError(f"{folder} holds another net than the spec: {'; '.join(other)}. Change the spec's fields, or leave them out")
    return tensors_of(str(folder), f"{type(spec).__name__}.checkpoint", (WEIGHTS,))
