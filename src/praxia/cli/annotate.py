"""praxia annotate features: look at a dataset with a geometry net once, so that training need not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from praxia.cli.arguments import parse, print_json
from praxia.cli.train import resolve_device
from praxia.errors import ConfigError, unknown
from praxia.models.precision import Precision
from praxia.specs.licences import LicensePolicy
from praxia.workflows.annotate_features import annotate_features

ENGINES = {"features": "what a geometry net sees in every picture, kept in the cache"}


@dataclass(frozen=True)
class Features:
    """Options."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Dataset folder (with its dataset.yaml)."""
    net: str
    """vggt, vggt-commercial, cut3r, or the folder of a trained net (runs/tabletop_geometry/geometry)."""
    checkpoint: str = ""
    """Weights of a public net: a file, folder or public name; its usual ones if empty."""
    size: int = 0
    """Longer side that training will keep pictures at (praxia train --size); 0 = as stored."""
    roles: tuple[str, ...] = ()
    """Views; all if empty. Name those that training shows, in its order: a net may compare them."""
    batch: int = 16
    """Samples looked at together."""
    precision: Precision = "auto"
    """Compute dtype, as in the recipe that will train: features of another are not used."""
    device: str = "auto"
    """auto, cpu, cuda ..."""
    license_policy: LicensePolicy = "any"
    """any, research or commercial: refuse a net whose licence does not fit."""
    json: bool = False
    """Print JSON."""


def main(arguments: Sequence[str]) -> None:
    """Pick the engine and run it."""
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, ENGINES))
        lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in ENGINES.items())
        print(f"usage: praxia annotate ENGINE [options]\n\n{lines}\n\npraxia annotate ENGINE --help shows the options of an engine.")
        return
    if arguments[0] not in ENGINES:
        raise ConfigError(unknown("engine", arguments[0], ENGINES))
    options = parse(Features, "annotate features", arguments[1:], "Features of a geometry net for every picture of a dataset, kept in the cache.")
    done = annotate_features(
        options.dataset, options.net, options.checkpoint, options.size, options.roles, options.batch, options.precision,
        resolve_device(options.device), options.license_policy,
    )  # fmt: skip
    if options.json:
        print_json({"samples": done.samples, "folder": str(done.folder), **asdict(done.counts)})
    else:
        print(f"{done.samples} samples of {options.dataset}: {done.counts}\nkept in {done.folder}")
