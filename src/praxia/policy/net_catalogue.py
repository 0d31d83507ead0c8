"""Geometry nets by name: the public ones with licence, size and what they may be used for, and folders of nets trained here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError, unknown
from praxia.models.geometry_nets.cut3r.cut3r import CUT3R
from praxia.models.geometry_nets.vggt.vggt import VGGT
from praxia.policy.net_folder import read_spec

OURS = "tabletop_geometry"


@dataclass(frozen=True)
class PublicNet:
    """A public geometry net. source: where its weights are had; uses: what its publisher permits; instead: where that is too little."""

    name: str
    spec: Any
    source: str
    uses: str
    instead: str = ""


PUBLIC = (
    PublicNet(
        "vggt",
        VGGT.public(),
        "Hugging Face",
        "research only: the weights are non-commercial (README; model card CC BY-NC 4.0)",
        "vggt-commercial (same architecture, after an application) or tabletop_geometry",
    ),
    PublicNet(
        "vggt-commercial",
        VGGT.commercial(),
        "Hugging Face, gated by an application form",
        "commercial use within the acceptable-use policy of the VGGT License (no military, weapons, nuclear or espionage use)",
    ),
    PublicNet(
        "cut3r",
        CUT3R(checkpoint="cut3r_512_dpt_4_64.pth"),
        "linked from the README of github.com/CUT3R/CUT3R",
        "research only: CC BY-NC-SA 4.0, and what is derived from it carries the same terms",
        "tabletop_geometry, or vggt-commercial where no memory of a video is needed",
    ),
)


def public_net(name: str) -> PublicNet | None:
    """The public net of a name; None if it is no such name."""
    return next((net for net in PUBLIC if net.name == name), None)


def net_name(spec: Any) -> str:
    """What a net is called in lists of licences: its public name, or its kind and where its weights are."""
    public = next((net.name for net in PUBLIC if net.spec.licence == spec.licence and type(net.spec) is type(spec)), "")
    return public or " ".join(filter(None, ("geometry net", spec.kind.split("/")[-1], spec.checkpoint)))


def net_spec(name: str, checkpoint: str = "") -> Any:
    """Spec of a net by its public name, with other weights if `checkpoint` names them, or of the net in a folder.

    Raises ConfigError for an unknown name, CheckpointError for a folder that holds no net.
    """
    if (public := public_net(name)) is not None:
        return replace(public.spec, checkpoint=checkpoint) if checkpoint else public.spec
    if Path(name).is_dir():
        return read_spec(Path(name))
    raise ConfigError(
        f"{unknown('geometry net', name, [net.name for net in PUBLIC])}, or the folder of a net trained here: `praxia train {OURS}` (minutes on two "
        f"cores, Apache-2.0; it knows the embedded tabletop and nothing else) leaves it in runs/{OURS}/geometry"
    )
