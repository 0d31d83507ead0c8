"""A trained geometry net on disk: geometry.json (its spec, licences, where it comes from) and weights.safetensors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json, write_atomic, write_json
from praxia.models.geometry_nets.geometry_net import GeometryNet
from praxia.registry import from_json, to_json

DESCRIPTION, WEIGHTS = "geometry.json", "weights.safetensors"


def save_net(folder: Path, spec: Any, net: GeometryNet, facts: dict[str, Any]) -> None:
    """Write the folder; geometry.json comes last. facts: licences, provenance, versions."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    write_atomic(folder / WEIGHTS, lambda file: file.write(save(weights)))
    write_json(folder / DESCRIPTION, {"net": replace(spec, checkpoint=""), **facts})


def read_spec(folder: Path) -> Any:
    """The spec of the net in a folder, with the folder as its checkpoint. Raises CheckpointError."""
    try:
        spec = from_json(read_json(folder / DESCRIPTION)["net"])
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"{folder} holds no geometry net ({DESCRIPTION}: {error}); `praxia train tabletop_geometry` leaves one in runs/tabletop_geometry/geometry"
        ) from error
    return replace(spec, checkpoint=str(folder))


def read_net_weights(spec: Any) -> dict[str, Tensor]:
    """Weights of the folder that `spec.checkpoint` names. Raises CheckpointError if there are none, or they are of another net."""
    folder = Path(spec.checkpoint)
    theirs, ours = to_json(replace(read_spec(folder), checkpoint="")), to_json(replace(spec, checkpoint=""))
    if other := [f"{name} is {theirs.get(name)!r}, the spec says {value!r}" for name, value in ours.items() if theirs.get(name) != value]:
        raise CheckpointError(f"{folder} holds another net than the spec: {'; '.join(other)}. Change the spec's fields, or leave them out")
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} cannot be read ({error}); copy or train the net again") from error
