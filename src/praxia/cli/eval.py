"""praxia eval: a policy in closed loop on a fixed plan, beside two controls; or two policies on one plan."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from praxia.cli.arguments import parse, print_json
from praxia.cli.train import resolve_device
from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import LIBERO, benchmark
from praxia.evaluate.controls import CONTROLS
from praxia.evaluate.evaluate import compare_categories, compare_folders, evaluate
from praxia.evaluate.factory import driver, is_served
from praxia.evaluate.pictures import libero_pictures
from praxia.evaluate.rollout import Rules
from praxia.policy.folder import read_config
from praxia.report.conditions import conditions
from praxia.report.perturbation_table import level_table
from praxia.report.tables import paired_categories_table, paired_table, success_table
from praxia.serve.client import Remote
from praxia.specs import CameraSpec
from praxia.workflows import summary
from praxia.workflows.films import write_films


@dataclass(frozen=True)
class Eval:
    """Options."""

    policy: Annotated[str, tyro.conf.Positional]
    """Policy folder (runs/<name>/policy), or ws://HOST:PORT where `praxia serve` runs (with --out; a key is read from PRAXIA_API_KEY)."""
    benchmark: str = "tabletop"
    """tabletop, tabletop-arm6, tabletop-bimanual, tabletop-unseen-words, tabletop-plus,
    metaworld-8, metaworld-8-final, metaworld-8-plus, metaworld-mt10, metaworld-mt50, metaworld-mt50-public,
    libero_spatial, libero_object, libero_goal, libero_10, libero_90, libero-plus-like."""
    tasks: tuple[str, ...] = ()
    """Some of the benchmark's tasks; all if empty. libero-plus-like: tasks of any suite, or names of suites for all of theirs."""
    episodes: int | None = None
    """Episodes a task; the benchmark's usual number if left out. Of a -plus benchmark: evenly drawn over categories and levels."""
    categories: tuple[str, ...] = ()
    """Some categories of perturbations (-plus benchmarks): camera, robot, language, light, background, noise, layout; all if empty."""
    levels: tuple[int, ...] = ()
    """Some levels of perturbation (-plus benchmarks), 1 to 5; all if empty."""
    seed: int = 0
    """Another held-out test set (benchmarks with held-out or random starts)."""
    replan: int | None = None
    """Actions executed before the next look; the policy's own if left out."""
    controls: bool = True
    """Also run with another episode's instruction, and with blank pictures."""
    control_episodes: int | None = None
    """Episodes a task for the controls; all if left out."""
    out: Path | None = None
    """Folder for records and results.json; <policy>/../eval/<benchmark> if left out. What is there is not run again."""
    against: str | None = None
    """A second policy, folder or address: both run the same plan, compared episode by episode (exact McNemar)."""
    device: str = "auto"
    """auto, cpu, cuda ..."""
    embodiment: str = ""
    """Robot to drive, if the policy knows several; the benchmark's own if left out."""
    workers: int | None = None
    """Worker processes; one a core if left out, 0 = this process."""
    max_steps: int | None = None
    """Step limit of an episode; the benchmark's own if left out (published code gives libero_spatial 220 or 280)."""
    orientation: Literal["true", "mirrored"] | None = None
    """LIBERO only: the pictures as they are, or mirrored left to right as most public policies were trained (without calibration)."""
    fixtures: Literal["episode", "fixed"] | None = None
    """LIBERO only: cabinets and stoves stand where the number of the init state draws them (the usual), or always alike."""
    size: int | None = None
    """Side of the world's pictures in pixels; the world's own if left out, in LIBERO that of the pictures the policy was trained on."""
    films: bool = False
    """Run a success and a failure of each task again with a camera, into films.html beside the results (of the first policy)."""
    json: bool = False
    """Print the results as JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parse, judge, print."""
    options = parse(Eval, "eval", arguments, "Judge a policy in closed loop on a plan that was fixed before.")
    for name in ("episodes", "replan", "control_episodes", "size", "max_steps"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} is {getattr(options, name)}; give at least 1, or leave it out for the usual number")
    for name in ("orientation", "fixtures"):
        if (value := getattr(options, name)) and options.benchmark not in LIBERO:
            raise ConfigError(f"--{name} {value} with --benchmark {options.benchmark}: only LIBERO's suites have a choice; leave it out")
    if is_served(options.policy) and options.out is None:
        raise ConfigError(f"the policy at {options.policy} has no folder that results could lie beside; give one with --out")
    world = {"size": options.size} if options.size else {}
    if options.benchmark in LIBERO:
        world, note = libero_pictures(options.policy, _cameras(options.policy, options.embodiment), options.size, options.orientation)
        if note:
            print(note, file=sys.stderr)
        if options.against:
            other, note = libero_pictures(options.against, _cameras(options.against, options.embodiment), options.size, options.orientation)
            if other != world:
                raise ConfigError(
                    f"--against: {options.policy} is judged on pictures of {world}, {options.against} on {other}; "
                    "fix: name what both shall see with --size and --orientation, or judge them apart"
                )
            if note:
                print(note, file=sys.stderr)
        world |= {"fixtures": options.fixtures} if options.fixtures else {}
    rules = Rules(options.replan, options.max_steps)
    chosen = benchmark(options.benchmark, options.tasks or None, options.episodes, options.seed, world, rules, options.categories, options.levels)
    controls = CONTROLS if options.controls and not options.against else ()
    run = Path(options.policy).parent
    out = options.out or run / "eval" / options.benchmark
    device = resolve_device(options.device)
    policies = [driver(f, chosen.embodiment, device, options.embodiment) for f in (options.policy, options.against) if f is not None]
    results = evaluate(chosen, policies[0], out, controls, options.control_episodes, options.workers, not options.json)
    if controls and options.out is None and (run / "config.json").is_file():
        summary.add(run, summary.judged(results))
    if options.against:
        other = out.with_name(out.name + "-against")
        evaluate(chosen, policies[1], other, (), None, options.workers, not options.json)
        results = {"first": results, "paired": compare_folders(out, other), "paired_categories": compare_categories(out, other)}
    page = write_films(chosen, policies[0], out, options.policy if is_served(options.policy) else run.resolve().name) if options.films else None
    if options.json:
        print_json(results | ({"films": str(page)} if page is not None else {}))
        return
    first = results["first"] if options.against else results
    Console().print(success_table(conditions(first)).rich(f"{options.policy} on {first['plan']['name']}"))
    if first.get("perturbed"):
        Console().print(level_table(first).rich("success by category and level of perturbation"))
    if options.against:
        Console().print(paired_table(results["paired"]).rich(f"first: {options.policy}, second: {options.against}"))
        if results["paired_categories"]:
            Console().print(paired_categories_table(results["paired_categories"]).rich("by category of perturbation"))
    print(f"records and results.json: {out}")
    if page is not None:
        print(f"films: {page}")


def _cameras(policy: str, embodiment: str) -> tuple[CameraSpec, ...]:
    """What a policy looks at as the robot that it is to drive; the first it knows where that is none of LIBERO's."""
    if is_served(policy):
        return Remote(policy).cameras
    robots = read_config(policy).robots
    return next((r for r in robots if r.embodiment == (embodiment or "panda")), robots[0]).cameras
