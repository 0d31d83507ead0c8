"""Geometry nets by name: the public ones with licence, size and what they may be used for, and folders of nets trained here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError, unknown
from praxia.models.geometry_nets.cut3r.checkpoint import PUBLIC_FILES as cut3r_files
from praxia.models.geometry_nets.cut3r.cut3r import CUT3R
from praxia.models.geometry_nets.net_folder import DESCRIPTION, WEIGHTS, read_description, read_spec
from praxia.models.geometry_nets.vggt.vggt import PUBLIC_FILES as vggt_files
from praxia.models.geometry_nets.vggt.vggt import VGGT

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


def net_files(spec: Any) -> tuple[str, ...]:
    """Names of the files that a net's weights are looked for in, in a folder or under a public name."""
    return cut3r_files if isinstance(spec, CUT3R) else vggt_files if isinstance(spec, VGGT) else (WEIGHTS,)


def net_name(spec: Any) -> str:
    """What a net is called in lists of licences: its public name, or its kind and where its weights are."""
    checkpoint = getattr(spec, "checkpoint", "")
    public = next((net.name for net in PUBLIC if net.spec.checkpoint == checkpoint and type(net.spec) is type(spec)), "")
    return public or " ".join(filter(None, ("geometry net", spec.kind.split("/")[-1], checkpoint)))


def net_licences(spec: Any) -> dict[str, str]:
    """Licences that come with a net: of its weights, and of what went into them where it was trained here.

    Raises ConfigError where a spec gives weights of a public name another licence than their publisher does.
    """
    checkpoint = getattr(spec, "checkpoint", "")
    public = next((net for net in PUBLIC if net.spec.checkpoint == checkpoint), None)
    if public is not None and public.spec.licence != spec.licence:
        raise ConfigError(f"{type(spec).__name__}.licence of {checkpoint} is {spec.licence!r}; its publisher says {public.spec.licence!r}")
    folder = Path(checkpoint).expanduser()
    inside = dict(read_description(folder).get("licences", ())) if checkpoint and (folder / DESCRIPTION).is_file() else {}
    name = net_name(spec)
    return {name: spec.licence} | {f"{name}: {what}": licence for what, licence in inside.items()}


def net_spec(name: str, checkpoint: str = "") -> Any:
    """Spec of a net by its public name, with other weights if `checkpoint` names them, or of the net in a folder.

    Weights of another public name keep that name's licence. Raises ConfigError for an unknown name, CheckpointError for a folder without a net.
    """
    if (public := public_net(name)) is not None:
        if not checkpoint:
            return public.spec
        known = next((net.spec.licence for net in PUBLIC if net.spec.checkpoint == checkpoint), public.spec.licence)
        return replace(public.spec, checkpoint=checkpoint, licence=known)
    if not Path(name).is_dir():
        raise ConfigError(
            f"{unknown('geometry net', name, [net.name for net in PUBLIC])}, or the folder of a net trained here: `praxia train {OURS}` (minutes on "
            f"two cores, Apache-2.0; it knows the embedded tabletop and nothing else) leaves it in runs/{OURS}/geometry"
        )
    if checkpoint:
        raise ConfigError(f"the net in {name} has weights of its own; leave out --checkpoint {checkpoint}, or name a public net with it")
    return read_spec(Path(name))
