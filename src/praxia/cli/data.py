"""praxia data make | inspect | stats | verify."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

from praxia.cli.arguments import parse, print_json
from praxia.data.card import read_card
from praxia.data.demonstrations import WORLDS
from praxia.data.inspect import inspect, write_draft
from praxia.data.making import make_dataset, resolve
from praxia.data.public_forms import write_public_card
from praxia.data.recovery_noise import recovery_for
from praxia.data.statistics import dataset_statistics
from praxia.data.verify import verify
from praxia.errors import ConfigError, DataError, unknown


@dataclass(frozen=True)
class Make:
    """Options."""

    world: Annotated[str, tyro.conf.Positional]
    """tabletop, metaworld, hands or libero."""
    out: Path
    """Folder of the dataset."""
    tasks: tuple[str, ...] = ()
    """All of the world's if empty."""
    episodes: int = 50
    """Kept successes a task."""
    seeds: int = 0
    """Use episode seeds 0..n-1, one episode a task each, instead of --episodes (Meta-World's benchmark conditions: 50)."""
    seed: int = 0
    """What the episode seeds are drawn from."""
    robot: str = "arm7"
    """tabletop: arm7, arm6 or bimanual."""
    suite: tuple[str, ...] = ("libero_object",)
    """libero: one or more of libero_spatial, libero_object, libero_goal, libero_10 and libero_90; tasks without an expert are left out."""
    split: str = "benchmark"
    """tabletop and hands: base, pretrain or benchmark."""
    size: int | None = None
    """Side of the pictures in pixels; 96 if left out, 128 in libero (as it is judged)."""
    orientation: Literal["true", "mirrored"] = "true"
    """libero: the pictures as they are, or mirrored left to right (without calibration)."""
    noise: bool = False
    """Recovery noise: bursts of pushes, labels stay the clean expert's."""
    picture_every: int = 1
    """Control steps between two pictures; states and actions are kept at every step."""
    steps: int = 0
    """Keep only the first steps of every episode, success or not (1: still scenes); 0 = all of a success."""
    perturbations: tuple[str, ...] = ()
    """tabletop, metaworld and libero: every episode draws one of these, e.g. camera:3 light:5; unperturbed if empty."""
    depth: bool = False
    """Also metric depth."""
    masks: bool = False
    """Also instance masks."""
    workers: int = 0
    """Processes; 0 = all cores."""


@dataclass(frozen=True)
class Inspect:
    """Options."""

    root: Annotated[Path, tyro.conf.Positional]
    """Dataset folder (holds meta/info.json)."""
    write_card: bool = False
    """Draft dataset.yaml, the card that says what the numbers mean."""
    like: str = ""
    """With --write-card: a public form whose meaning is known (libero): its card is written complete."""


@dataclass(frozen=True)
class Stats:
    """Options."""

    root: Annotated[Path, tyro.conf.Positional]
    """Dataset folder with its dataset.yaml."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Verify:
    """Options."""

    root: Annotated[Path, tyro.conf.Positional]
    """Dataset folder (holds meta/info.json)."""


_ONLY_IN = {"robot": ("tabletop",), "split": ("tabletop", "hands"), "suite": ("libero",), "orientation": ("libero",)}
ACTIONS = ("make", "inspect", "stats", "verify")


def main(arguments: Sequence[str]) -> None:
    """Dispatch on the action."""
    action = arguments[0] if arguments else "--help"
    if action in ("-h", "--help"):
        print("usage: praxia data {make,inspect,stats,verify} ...\n")
        print("  make     WORLD --out FOLDER   demonstrations from a world's experts\n  inspect  FOLDER               what a dataset holds")
        print("  stats    FOLDER               statistics of states and actions\n  verify   FOLDER               what is wrong with it, and the fix")
        return
    if action not in ACTIONS:
        raise ConfigError(unknown("data action", action, ACTIONS))
    rest = arguments[1:]
    match action:
        case "make":
            _make(parse(Make, "data make", rest, "Make demonstrations with a world's scripted experts; a killed run goes on."))
        case "inspect":
            _inspect(parse(Inspect, "data inspect", rest, "What a LeRobotDataset (v3.0, v2.1 or v2.0) holds."))
        case "stats":
            _stats(parse(Stats, "data stats", rest, "Statistics of the actions and states of a dataset; no video is decoded."))
        case "verify":
            _verify(parse(Verify, "data verify", rest, "What is wrong with a dataset, and the fix."))


def _make(options: Make) -> None:
    if options.world not in WORLDS:
        raise ConfigError(unknown("world", options.world, WORLDS))
    for name, worlds in _ONLY_IN.items():
        value, usual = getattr(options, name), next(f.default for f in fields(Make) if f.name == name)
        if value != usual and options.world not in worlds:
            said = " ".join(value) if isinstance(value, tuple) else value
            raise ConfigError(f"--{name} {said} in world {options.world}: only {' and '.join(worlds)} can take it; leave it out")
    of_world = {"tabletop": {"split": options.split, "robot": options.robot}, "hands": {"split": options.split}}
    of_world |= {"libero": {"suite": options.suite[0] if len(options.suite) == 1 else list(options.suite), "orientation": options.orientation}}
    kwargs = {"size": options.size or (128 if options.world == "libero" else 96)} | of_world.get(options.world, {})
    noise = None
    if options.noise:
        world = resolve(WORLDS[options.world])(**kwargs)
        noise = recovery_for(world.action_spec, options.world)
        world.close()
    made = make_dataset(
        WORLDS[options.world], kwargs, root=options.out, tasks=options.tasks or None, episodes=options.episodes, seed=options.seed,
        seeds=range(options.seeds) if options.seeds else None, noise=noise,
        picture_every=options.picture_every, depth=options.depth, masks=options.masks, steps=options.steps,
        perturbations=options.perturbations, workers=options.workers,
    )  # fmt: skip
    table = Table("task", "kept", "attempts")
    for task, kept in made.episodes.items():
        table.add_row(task, str(kept), str(made.attempts.get(task, 0)))
    for task, why in made.left_out.items():
        table.add_row(task, "none", why)
    Console().print(table)
    wanted = options.seeds or options.episodes
    if short := [task for task, kept in made.episodes.items() if kept < wanted]:
        print(f"fewer than {wanted} episodes, because the expert kept failing: {', '.join(short)}")
    rate = f" in {made.seconds:.0f} s, {made.frames / made.seconds:.0f} steps/s" if made.seconds else ", already there"
    print(f"{made.root}: {sum(made.episodes.values())} episodes, {made.frames} steps{rate}")


def _inspect(options: Inspect) -> None:
    print(inspect(options.root).text())
    if options.like and not options.write_card:
        raise ConfigError(f"--like {options.like} names the form of a card; add --write-card")
    if options.like:
        print(f"wrote {write_public_card(options.root, options.like)}; next: `praxia data verify {options.root}`")
    elif options.write_card:
        path = write_draft(options.root)
        print(f"drafted {path}: fill what is unknown, then `praxia data verify {options.root}`")


def _stats(options: Stats) -> None:
    card = read_card(options.root)
    keys = {"action": (card.action_key, card.action.dims), "state": (card.state_key, card.state.dims)}
    found = dataset_statistics(options.root, [key for key, dims in keys.values() if dims])
    if options.json:
        print_json({name: found[key] for name, (key, dims) in keys.items() if dims})
        return
    for name, (key, dims) in keys.items():
        if not dims:
            continue
        scaled = name == "action" and bool(card.action_scale or card.action_offset)
        title = f"{key}, {found[key].count} rows" + (", as stored (the card scales them)" if scaled else "")
        table = Table(name, "unit", "min", "q01", "mean", "std", "q99", "max", title=title)
        for i, dim in enumerate(dims):
            numbers = [getattr(found[key], field)[i] for field in ("min", "q01", "mean", "std", "q99", "max")]
            table.add_row(dim.name, "" if scaled else dim.unit, *(f"{n:.4g}" for n in numbers))
        Console().print(table)


def _verify(options: Verify) -> None:
    findings = verify(options.root)
    for finding in findings:
        print(f"{finding.level}: {finding.message}")
    if any(f.level == "error" for f in findings):
        raise DataError(f"{options.root}: {sum(f.level == 'error' for f in findings)} errors; fix them before training")
    print(f"{options.root}: sound" + (f", {len(findings)} warnings" if findings else ""))
