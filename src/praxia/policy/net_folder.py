"""Export of a geometry net that was trained here (`models.geometry_nets.net_folder` reads it back)."""

from pathlib import Path
from typing import Any

from praxia.files import write_json
from praxia.models.geometry_nets.geometry_net import GeometryNet
from praxia.models.geometry_nets.net_folder import DESCRIPTION, WEIGHTS, without_weights
from praxia.stages.weights import disk_errors, owned_state, size_in_bytes, write_tensors


def save_net(folder: Path, spec: Any, net: GeometryNet, facts: dict[str, Any]) -> None:
    """Write the folder; geometry.json comes last. facts: licences, provenance, versions. Raises CheckpointError on a full disk."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    weights = {name: tensor.cpu() for name, tensor in owned_state(net).items()}
    temporary = folder / f".{WEIGHTS}"
    with disk_errors(folder, size_in_bytes(weights)):
        write_tensors(temporary, weights)
    temporary.replace(folder / WEIGHTS)
    write_json(folder / DESCRIPTION, {"net": without_weights(spec), **facts})
