"""A trained geometry net on disk: geometry.json (its spec, licences, where it comes from) and weights.safetensors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json, write_json
from praxia.models.geometry_nets.geometry_net import GeometryNet, frozen
from praxia.registry import from_json, to_json
from praxia.stages.weights import POLICY_FILE, disk_errors, load_state, owned_state, read_tensors, size_in_bytes, write_tensors

DESCRIPTION = "geometry.json"


def save_net(folder: Path, spec: Any, net: GeometryNet, facts: dict[str, Any]) -> None:
    """Write the folder; geometry.json comes last. facts: licences, provenance, versions. Raises CheckpointError on a full disk."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    weights = {name: tensor.cpu() for name, tensor in owned_state(net).items()}
    temporary = folder / f".{POLICY_FILE}"
    with disk_errors(folder, size_in_bytes(weights)):
        write_tensors(temporary, weights)
    temporary.replace(folder / POLICY_FILE)
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


def pretrained(spec: Any) -> GeometryNet:
    """The net of a spec with the weights its `checkpoint` names, frozen: a folder that `save_net` wrote, or what the net's own reader knows.

    Raises ConfigError without a checkpoint, CheckpointError if it cannot be read or is of another net.
    """
    if not getattr(spec, "checkpoint", ""):
        raise ConfigError(f"{type(spec).__name__}.checkpoint is empty: a geometry net with random weights knows nothing; name a folder or a file")
    folder, net = Path(spec.checkpoint).expanduser(), spec.build()
    if not (folder / DESCRIPTION).is_file():
        net.load_checkpoint()
        return frozen(net)
    theirs, ours = (to_json(replace(s, checkpoint="")) for s in (read_spec(folder), spec))
    if other := [f"{name} is {theirs.get(name)!r}, the spec says {value!r}" for name, value in ours.items() if theirs.get(name) != value]:
        raise CheckpointError(f"{folder} holds another net than the spec: {'; '.join(other)}. Change the spec's fields, or leave them out")
    load_state(net, read_tensors(folder / POLICY_FILE), str(folder))
    return frozen(net)
