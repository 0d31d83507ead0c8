"""praxia annotate features | hands: engines that label data before training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from praxia.annotate.hands import HandRules
from praxia.cli.arguments import flag_names, parse, parse_known, print_json
from praxia.cli.train import resolve_device
from praxia.errors import ConfigError, unknown
from praxia.models.precision import Precision
from praxia.recipes.load import override
from praxia.specs.licences import LicensePolicy
from praxia.workflows.annotate_features import annotate_features
from praxia.workflows.annotate_hands import SHEET, annotate, count_tables

ENGINES = {
    "features": "what a geometry net sees in every picture, kept in the cache",
    "hands": "clips of hands -> metric questions and answers, and motions (VIPA-VLA)",
}
PUBLISHED_MIX = (0.687, 0.249, 0.063, 0.001)  # shares of the four categories in Hand3D-visual (VIPA-VLA §3.4)


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


@dataclass(frozen=True)
class Hands:
    """Options."""

    clips: Annotated[Path, tyro.conf.Positional]
    """Folder of clips: `praxia data make hands --out FOLDER --depth --masks --picture-every 3`, or EgoDex's .hdf5 and .mp4 files."""
    out: Path | None = None
    """Folder of the tables and of sheet.html; `hands` in the folder of the clips if not given."""
    net: str = ""
    """Geometry net that makes the point clouds: vggt, vggt-commercial, cut3r, or the folder of a trained net; recorded depth if empty."""
    checkpoint: str = ""
    """Weights of a public net: a file, folder or public name; its usual ones if empty."""
    together: int = 1
    """Frames that the net is shown at once, as views of one scene: 1 for hand_geometry, which learns from single pictures; more for vggt."""
    batch: int = 1
    """Such groups of a clip in one pass of a net without memory; more are faster on a GPU, and change depth in its last digits."""
    device: str = "auto"
    """Of net and detector: auto, cpu, cuda ..."""
    size: int = 448
    """Longer side that EgoDex's pictures are shrunk to; 0 = as stored. A detector sees more of small things in larger ones."""
    stride: int = 2
    """Every so many frames of EgoDex is a step: 2 gives motions at 15 Hz."""
    in_view: float = 1.0
    """A hand is asked about in pictures that hold its wrist and at least this share of its known joints."""
    contact: float = 0.02
    """Metres between a fingertip's skin and an object that count as a touch."""
    detector: str = ""
    """GroundingDINO checkpoint (folder or public name) that finds the objects by name; instance masks if empty."""
    boxes: str = ""
    """Boxes that are found already: a Parquet table with columns clip, step, object, x1, y1, x2, y2 (shares of the picture)."""
    only: Literal["everything", "motions"] = "everything"
    """motions: no questions; clips need no depth, masks, net and detector for them."""
    calibrate: bool = True
    """Multiply clouds by the scale that the hands' joints give."""
    questions: int = 24
    """At most so many a clip."""
    motions: int = 12
    """At most so many a clip."""
    published_mix: bool = False
    """The paper's shares of the four kinds of questions; ours ask about the camera more often (0.1 % of them teach nothing)."""
    held_tasks: tuple[str, ...] = ()
    """Tasks whose clips are all held out; one is drawn if none is named and there are three or more."""
    held_out: float = 0.05
    """Share of the clips of every other task that is held out."""
    gamma: float = 0.3
    """Share of a vector from which on a direction is named."""
    seed: int = 0
    """Of what is drawn: which questions, which words, which clips are held out."""
    shown: int = 6
    """Samples of every kind on the sheet."""
    workers: int = 0
    """Processes; 0 = all cores, or one with a net on a GPU (each process holds the net)."""
    license_policy: LicensePolicy = "any"
    """any, research or commercial: refuse clips or a net whose licence does not fit."""
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
    if arguments[0] == "hands":
        about = "Questions and motions from clips of hands; a killed run goes on. --rules.NAME VALUE: any other field of HandRules (docs/hands.md)."
        _hands(*parse_known(Hands, "annotate hands", arguments[1:], about))
    else:
        _features(arguments[1:])


def _features(arguments: Sequence[str]) -> None:
    options = parse(Features, "annotate features", arguments, "Features of a geometry net for every picture of a dataset, kept in the cache.")
    done = annotate_features(
        options.dataset, options.net, options.checkpoint, options.size, options.roles, options.batch, options.precision,
        resolve_device(options.device), options.license_policy,
    )  # fmt: skip
    if options.json:
        print_json({"samples": done.samples, "folder": str(done.folder), **asdict(done.counts)})
    else:
        print(f"{done.samples} samples of {options.dataset}: {done.counts}\nkept in {done.folder}")


@dataclass(frozen=True)
class _Engine:
    """What `--rules.NAME VALUE` changes."""

    rules: HandRules


def _hands(options: Hands, further: Sequence[str]) -> None:
    rules = HandRules(
        calibrate=options.calibrate, gamma=options.gamma, questions=0 if options.only == "motions" else options.questions, motions=options.motions,
        held_out=options.held_out, held_tasks=options.held_tasks, seed=options.seed, mix=PUBLISHED_MIX if options.published_mix else HandRules.mix,
        in_view=options.in_view, contact=options.contact,
    )  # fmt: skip
    rules = override(_Engine(rules), further, flag_names(Hands)).rules
    done = annotate(
        options.clips, options.out, rules, options.net, options.checkpoint, options.together, options.detector,
        options.boxes, options.workers, options.license_policy, options.shown, options.batch, resolve_device(options.device), options.size,
        options.stride,
    )  # fmt: skip
    if options.json:
        print_json(asdict(done) | {"root": str(done.root)})
        return
    for heading, table in count_tables(done):
        Console().print(table.rich(heading))
    scale = "no clip has a scale" if done.scale is None else f"median scale {done.scale:.3f}"
    print(f"{done.clips} clips, {sum(done.rejected.values())} without questions; {scale}\nlook at {done.root / SHEET}")
