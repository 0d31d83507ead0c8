"""praxia train: a recipe, stage by stage, into runs/<name>; the same command resumes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from praxia.cli.arguments import flag_names, parse_known
from praxia.data.demonstrations import Demonstrations
from praxia.errors import ConfigError
from praxia.recipes.load import load_recipe, override
from praxia.registry import to_json
from praxia.specs.licences import LicensePolicy
from praxia.train.parallel import Spread, process_group, ranks
from praxia.train.settings import TrainSettings
from praxia.workflows.assemble import Assembly
from praxia.workflows.describe import source_table, stage_table
from praxia.workflows.own_data import with_data
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import Trained, train_recipe
from praxia.worlds.libero import SUITES

# robots of the worlds that come with praxia
BENCHMARK_OF = {"arm7": "tabletop", "arm6": "tabletop-arm6", "bimanual": "tabletop-bimanual", "sawyer": "metaworld-8"}

_ABOUT = "Train a recipe stage by stage. The same command resumes a stopped run. Further flags set fields: --stages.robot.optimiser.lr 3e-4"


@dataclass(frozen=True)
class Train:
    """Options of this command; all others are fields of the recipe."""

    recipe: Annotated[str, tyro.conf.Positional]
    """Name of a built-in recipe, or path.py:function."""
    preset: str = "tiny"
    """tiny (laptop) or paper (published shapes)."""
    name: str = ""
    """Run folder below --runs; the recipe's name if empty."""
    runs: Path = Path("runs")
    """Where run folders are."""
    stage: str = ""
    """Train only this stage; the stages before it must be finished."""
    alone: str = ""
    """Only this stage, without what stages before it teach, into runs/RECIPE_STAGE: the comparison that says what they add."""
    data: tuple[str, ...] = ()
    """Dataset folders (each with its dataset.yaml) to learn actions from, in place of the recipe's."""
    minutes: float | None = None
    """For all stages together, in the recipe's proportions, where each has a budget of minutes (`tiny`); the recipe's own if left out."""
    size: int = 0
    """Longer side that pictures of --data are kept at; 0 = as stored."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    threads: int = 0
    """CPU threads; 0 = all cores (one each behind torchrun). A resumed run gives equal losses only with equal threads."""
    loaders: int = 1
    """Processes that make batches beside the training (Linux); more if it waits for data (`waited` in metrics.jsonl), 0 = none."""
    spread: Spread = "replicate"
    """What each of several processes (torchrun) holds of the model: all of it (replicate), or a share (shard, FSDP2)."""
    license_policy: LicensePolicy = "any"
    """any, research or commercial: refuse data, checkpoints and geometry nets whose licence does not fit, and say why."""
    dry_run: bool = False
    """Show the stages and stop."""
    restart: bool = False
    """Forget what the run folder holds."""
    quiet: bool = False
    """No progress bars."""


def main(arguments: Sequence[str]) -> None:
    """Parse, train, print where the policy is."""
    options, rest = parse_known(Train, "train", arguments, _ABOUT)
    with process_group(resolve_device(options.device)) as device:
        _train(options, rest, device)


def _train(options: Train, rest: Sequence[str], device: str) -> None:
    recipe, group = load_recipe(options.recipe, options.preset), ranks()
    if options.data and not any(s.data is None or s.supervision.needs.horizon for stage in recipe.stages for s in stage.sources):
        raise ConfigError(f"recipe {recipe.name!r} learns no actions: there is nothing that --data could take the place of; leave it out")
    recipe = replace(recipe, preset=options.preset)
    if options.alone and options.stage:
        raise ConfigError(f"--alone {options.alone} and --stage {options.stage}: the first is of a run of its own; give one of them")
    recipe = recipe.alone(options.alone) if options.alone else recipe
    recipe = recipe if options.minutes is None else recipe.within(options.minutes)
    with group.main_first():
        recipe = override(with_data(recipe, options.data, options.size) if options.data else recipe, rest, flag_names(Train))
    if options.dry_run:
        if group.main:
            Console().print(stage_table(recipe).rich(f"{recipe.name} ({recipe.preset})"), source_table(recipe).rich("reads"))
        return
    settings = TrainSettings(device=device, threads=options.threads, loaders=options.loaders, spread=options.spread, quiet=options.quiet)
    root = options.runs / (options.name or recipe.name)
    trained = train_recipe(recipe, root, settings, options.stage, options.restart, options.license_policy)
    if group.main:
        _tell(trained)
        if not options.stage:
            print(f"  report:   {run_report(trained)}")


def _tell(trained: Trained) -> None:
    for result in trained.results:
        print(f"{result.name}: {result.steps} steps, {result.samples} samples in {result.seconds:.0f} s; {to_json(result.metrics)}")
    if trained.geometry:
        print(f"geometry net: {trained.geometry}")
        print(f"  keep its features of a dataset: praxia annotate features DATASET --net {trained.geometry}")
    if trained.poses:
        print(f"says poses: {trained.poses} (Policy.load(FOLDER).objects(observation, category), .waypoints(observation))")
    if trained.policy:
        print(f"policy: {trained.policy}")
        for benchmark in judging(trained.assembly):
            print(" ".join(("  judge it: praxia eval", str(trained.policy), *benchmark)))
        print(f"  serve it: praxia serve {trained.policy}")


def judging(assembly: Assembly) -> list[tuple[str, ...]]:
    """What `praxia eval` is to be told, for every benchmark of ours whose robot acted in the last stage. --tasks: those that experts of ours
    showed there, a benchmark has more; all of recorded datasets."""
    found: dict[str, dict[str, None]] = {}
    for data in (source.data for source in assembly.recipe.stages[-1].sources if source.supervision.needs.horizon > 0):
        shown = assembly.sources[data]
        suites = [suite for suite in shown.name.split("+") if suite in SUITES]  # demonstrations made in LIBERO are named by their suites
        own = BENCHMARK_OF.get(shown.embodiment)
        for name in suites or filter(None, [own]):
            found.setdefault(name, {}).update(dict.fromkeys(data.tasks if isinstance(data, Demonstrations) and not suites else ()))
    return [("--benchmark", name, *(("--tasks", *tasks) if tasks else ())) for name, tasks in found.items()]


def resolve_device(name: str) -> str:
    """`auto` is the GPU if there is one. ConfigError for a device that this machine or this torch does not have."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); valid: auto, cpu, or a GPU that is there") from error
    return name
