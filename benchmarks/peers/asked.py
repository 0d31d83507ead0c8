"""What is asked of `python -m benchmarks.peers`: everything that can be wrong is said before anything is trained."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from praxia.data.card import read_card
from praxia.errors import ConfigError, DataError, SpecMismatch, unknown
from praxia.evaluate.benchmarks import Benchmark, benchmark
from praxia.evaluate.pictures import libero_pictures
from praxia.evaluate.rollout import Rules
from praxia.files import read_json
from praxia.recipes.base_vlm import QUICKSTART_TASKS
from praxia.recipes.load import load_recipe, override
from praxia.specs import CameraSpec, check_identity
from praxia.stages.recipe import Recipe
from praxia.worlds.libero import SUITES
from praxia.worlds.libero.environment import python as libero_python
from praxia.worlds.perturbations.perturbation import split_name

PEERS = {"act": "ACT (LeRobot)", "diffusion": "diffusion policy (LeRobot)"}
PEER_HORIZON = 16  # as in lerobot_policy.py, which only lerobot's own environment can import
OURS = ("pose_vla", "pose_vla:robot", "action_priors", "poke_vla", "vipa_vla", "unified")
TASKS = dict.fromkeys(("tabletop", "tabletop-plus"), QUICKSTART_TASKS)  # of benchmarks whose other tasks are not in the usual data


@dataclass(frozen=True)
class Asked:
    """A checked request. judges: benchmark -> what it judges. fields: `--name.of.a.field value` of our recipes."""

    dataset: Path
    minutes: tuple[float, ...]
    policies: tuple[str, ...]
    judges: dict[str, Benchmark]
    replan: int
    fields: tuple[str, ...]
    train_seed: int
    threads: int
    workers: int | None
    out: Path

    def conditions(self) -> dict[str, Any]:
        """What all rows of a peers.json share."""
        info = read_json(self.dataset / "meta/info.json")
        data = {"dataset": self.dataset.resolve().name, "episodes": info["total_episodes"], "frames": info["total_frames"]}
        return data | {"replan": self.replan, "fields": list(self.fields), "train_seed": self.train_seed, "threads": self.threads}

    def recipe(self, policy: str) -> Recipe:
        """That of a policy of ours: a recipe's name, or RECIPE:STAGE."""
        return override(load_recipe(policy.partition(":")[0]), [*self.fields, "--seed", str(self.train_seed)])


def read(about: str, arguments: Sequence[str] | None = None) -> Asked:
    """Parse and check; what is wrong ends the program with a message, as argparse's own errors do."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0])
    parser.add_argument("--benchmark", nargs="+", default=["tabletop"])
    parser.add_argument(
        "--tasks", nargs="+", help="of the benchmarks, each its own; all if left out (tabletop and tabletop-plus: the five of the quickstart)"
    )
    parser.add_argument("--episodes", type=int, nargs="+", default=[20], help="a task: one number, or one for each benchmark")
    parser.add_argument("--seed", type=int, default=0, help="of the held-out episodes")
    parser.add_argument("--train-seed", type=int, default=0, help="of the training")
    parser.add_argument("--replan", type=int, default=4, help="actions of a chunk that are carried out")
    parser.add_argument("--workers", type=int, help="that judge; one a core if left out, 0 = this process")
    parser.add_argument("--policies", nargs="+", choices=[*PEERS, *OURS], default=[*PEERS, OURS[0]])
    parser.add_argument("--threads", type=int, default=0, help="0 = all cores")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    options, fields = _fields_apart(parser, arguments)
    try:
        _check_numbers(options)
        asked = Asked(
            options.dataset, tuple(options.minutes), tuple(options.policies), _judges(options), options.replan, tuple(fields),
            options.train_seed, options.threads, options.workers, options.out,
        )  # fmt: skip
        _check(asked)
    except (ConfigError, DataError, SpecMismatch) as error:
        parser.error(str(error))
    return asked


def _fields_apart(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Flags with a dot in their name are fields of recipes, with all that follows up to the next flag."""
    own: list[str] = []
    fields: list[str] = []
    into = own
    for word in sys.argv[1:] if arguments is None else arguments:
        if word.startswith("--"):
            into = fields if "." in word.partition("=")[0] else own
        into.append(word)
    return parser.parse_args(own), fields


def _check_numbers(options: argparse.Namespace) -> None:
    if len(set(options.benchmark)) < len(options.benchmark):
        raise ConfigError(f"--benchmark {' '.join(options.benchmark)}: give each once")
    if len(options.episodes) not in (1, len(options.benchmark)):
        raise ConfigError(f"--episodes has {len(options.episodes)} numbers for {len(options.benchmark)} benchmarks: give one, or one for each")
    for flag, least in (("minutes", 0.0), ("episodes", 0), ("replan", 0)):
        given = getattr(options, flag)
        if min(given if isinstance(given, list) else [given]) <= least:
            raise ConfigError(f"--{flag} {given}: expected more than {least:g}")


def _judges(options: argparse.Namespace) -> dict[str, Benchmark]:
    if not (options.dataset / "meta/info.json").is_file():
        raise DataError(f"{options.dataset} is not a dataset in LeRobot's format: it has no meta/info.json; `praxia data make` makes one")
    cameras, rules = _cameras(options.dataset), Rules(replan=options.replan)
    known = {name: _tasks_known(name, options.seed) for name in options.benchmark}
    for task in options.tasks or ():
        if not any(task in tasks for tasks in known.values()):
            raise ConfigError(unknown(f"task of {', '.join(known)}", task, tuple(dict.fromkeys(chain(*known.values())))))
    judges = {}
    for name, count in zip(options.benchmark, options.episodes * len(options.benchmark)):
        settings: dict[str, Any] = {"size": max(camera.width for camera in cameras)}  # pictures as they were trained on: the peers do not resize
        if name.startswith("libero"):
            libero_python()  # or the message that says how to get it
            settings, note = libero_pictures(options.dataset, cameras, None, None)
            print(note or f"{name}: pictures of {settings['size']} pixels, {settings.get('orientation', 'true')}")
        tasks = options.tasks and ([task for task in options.tasks if task in known[name]] or options.tasks)
        judges[name] = benchmark(name, tasks or TASKS.get(name), count, options.seed, settings, rules)
        columns = Counter((e.task, split_name(e.perturbation)[0]) for e in judges[name].plan.episodes)
        everywhere = len({task for task, _ in columns}) * len(kinds := {kind for _, kind in columns})
        if len(columns) < everywhere or len(set(columns.values())) > 1:
            raise ConfigError(f"--episodes {count} of {name}: its categories would not have the same tasks; give a multiple of {len(kinds)}")
    return judges


def _tasks_known(name: str, seed: int) -> tuple[str, ...]:
    return tuple(chain(*SUITES.values())) if name == "libero-plus-like" else benchmark(name, seed=seed).plan.tasks


def _cameras(dataset: Path) -> tuple[CameraSpec, ...]:
    card, features = read_card(dataset), read_json(dataset / "meta/info.json")["features"]
    for view in card.views:
        if view.image not in features:
            raise DataError(f"{dataset}: its card's view {view.role!r} is {view.image!r}, which the dataset does not have")
    sizes = [features[view.image]["shape"] for view in card.views]
    calibrated = [bool(view.K or view.intrinsics) for view in card.views]
    return tuple(CameraSpec(v.role, s[0], s[1], known, v.mirrored) for v, s, known in zip(card.views, sizes, calibrated, strict=True))


def _check(asked: Asked) -> None:
    card = read_card(asked.dataset)
    for name, judged in asked.judges.items():
        world = judged.world.build()
        check_identity("ActionSpec", world.action_spec, f"benchmark {name!r}", card.action, f"dataset {card.name!r}")
        check_identity("StateSpec", world.state_spec, f"benchmark {name!r}", card.state, f"dataset {card.name!r}")
        world.close()
    ours = [policy for policy in asked.policies if policy in OURS]
    if asked.fields and not ours:
        raise ConfigError(f"{' '.join(asked.fields)}: fields are those of our recipes, and none is among --policies")
    horizons = {policy: max(s.supervision.needs.horizon for s in asked.recipe(policy).stages[-1].sources) for policy in ours}
    for policy in asked.policies:
        if asked.replan > (horizon := horizons.get(policy, PEER_HORIZON)):
            raise ConfigError(f"--replan {asked.replan}: a chunk of {policy} has {horizon} actions; give at most as many")
    if (asked.out / "peers.json").is_file():
        there = {key: value for key, value in read_json(asked.out / "peers.json").items() if key not in ("rows", "machine")}
        if there != asked.conditions():
            different = [key for key in asked.conditions() if there.get(key) != asked.conditions()[key]]
            raise ConfigError(f"{asked.out} was made under other conditions ({', '.join(different)}); give another --out")
