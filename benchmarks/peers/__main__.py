"""LeRobot's ACT and diffusion policy beside recipes of ours: the same demonstrations of the robot, the same minutes, the same episodes.

    python -m benchmarks.peers DATASET --minutes 5 15 [--tasks reach push ...] [--episodes 20] [--out runs/peers]
    python -m benchmarks.peers data/libero --benchmark libero_object libero_spatial libero-plus-like --policies act pose_vla poke_vla vipa_vla

Every policy trains from scratch for as many minutes (ours: all stages of the recipe together); nothing else should run. Writes peers.json and
peers.png (success against minutes); what is finished is not done again. Several benchmarks judge every policy; one with perturbed episodes also has
a drop by category, from its own unperturbed episodes to the perturbed, with an interval. Ours sees depth and calibration, theirs cannot; its stages
before the robot's also learn from scenes of their own, with exact truth. `pose_vla:robot` is its last stage alone, from nothing: DATASET and no more.
Further flags set fields of our recipes: --model.backbone.image_size 96.
--threads 1 with `taskset -c 0` and `-c 1` trains two at a time; give each its own --out.
"""

import argparse
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import benchmark
from praxia.evaluate.evaluate import evaluate
from praxia.evaluate.factory import Factory, driver
from praxia.evaluate.intervals import Rate, difference
from praxia.evaluate.rollout import Rules
from praxia.files import read_json, write_json
from praxia.recipes.base_vlm import QUICKSTART_TASKS
from praxia.recipes.load import load_recipe, override
from praxia.stages.recipe import Recipe
from praxia.train.settings import TrainSettings
from praxia.workflows.own_data import with_data
from praxia.workflows.summary import machine
from praxia.workflows.train_recipe import train_recipe

HERE = Path(__file__).parent
PEERS = {"act": "ACT (LeRobot)", "diffusion": "diffusion policy (LeRobot)"}
OURS = ("pose_vla", "pose_vla:robot", "action_priors", "poke_vla", "vipa_vla", "unified")
TASKS = dict.fromkeys(("tabletop", "tabletop-plus"), QUICKSTART_TASKS)  # of benchmarks whose other tasks are not in the usual data


def oracle_python() -> str:
    made = subprocess.run([HERE.parents[1] / "scripts/oracles", "lerobot"], capture_output=True, text=True, check=True)
    return made.stdout.strip().splitlines()[-1]


def train_peer(kind: str, dataset: Path, minutes: float, out: Path, python: str, threads: int) -> dict[str, Any]:
    if not (out / "peer.json").is_file():
        command = [python, str(HERE / "lerobot_policy.py"), "train", kind, str(dataset.resolve()), str(out), "--minutes", str(minutes)]
        subprocess.run([*command, "--threads", str(threads)], check=True)
    return {key: value for key, value in read_json(out / "peer.json").items() if key in ("steps", "samples", "seconds", "parameters")}


def ours(name: str, fields: list[str]) -> Recipe:
    """name: a recipe, or RECIPE:STAGE for one stage of it that starts from nothing. fields: `--name.of.a.field value` of the recipe."""
    return override(load_recipe(name.partition(":")[0]), fields)


def train_ours(name: str, fields: list[str], dataset: Path, minutes: float, out: Path, threads: int) -> dict[str, Any]:
    recipe, only = with_data(ours(name, fields), [str(dataset)]), name.partition(":")[2]
    if only:
        recipe = replace(recipe, stages=tuple(replace(stage, init_from=()) for stage in recipe.stages if stage.name == only))
    share = minutes / sum(stage.minutes for stage in recipe.stages)
    stages = tuple(replace(stage, minutes=stage.minutes * share, shared=False) for stage in recipe.stages)
    trained = train_recipe(replace(recipe, stages=stages), out, TrainSettings(threads=threads))
    assert trained.policy is not None
    parameters = sum(p.numel() for p in trained.assembly.build(stages[-1]).parameters())
    return {"samples": trained.results[-1].samples, "seconds": sum(r.seconds for r in trained.results), "parameters": parameters}


def drops(perturbed: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Category -> unperturbed minus perturbed success, with an interval; {} where nothing was unperturbed."""
    if perturbed["unperturbed"] is None:
        return {}
    plain = Rate(**perturbed["unperturbed"])
    gaps = {category: difference(plain, Rate(**rate)) for category, rate in perturbed["per_category"].items()}
    return {category: dict(zip(("difference", "low", "high"), gap, strict=True)) for category, gap in gaps.items()}


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6, 4))
    for name in dict.fromkeys(row["policy"] for row in rows):
        some = sorted((row for row in rows if row["policy"] == name), key=lambda row: row["minutes"])
        x, y = [r["minutes"] for r in some], [100 * r["success"]["rate"] for r in some]
        errors = [
            [100 * (r["success"]["rate"] - r["success"]["low"]) for r in some],
            [100 * (r["success"]["high"] - r["success"]["rate"]) for r in some],
        ]
        axes.errorbar(x, y, yerr=errors, marker="o", capsize=3, label=name)
    axes.set(xlabel="minutes of training", ylabel="success, %", ylim=(0, 100))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0])
    parser.add_argument("--benchmark", nargs="+", default=["tabletop"])
    parser.add_argument("--tasks", nargs="+", help="of the benchmarks; all if left out (tabletop and tabletop-plus: the five of the quickstart)")
    parser.add_argument("--episodes", type=int, nargs="+", default=[20], help="a task: one number, or one for each benchmark")
    parser.add_argument("--seed", type=int, default=0, help="of the held-out episodes")
    parser.add_argument("--replan", type=int, default=4, help="actions of a chunk that are carried out")
    parser.add_argument("--workers", type=int, help="that judge; one a core if left out, 0 = this process")
    parser.add_argument("--policies", nargs="+", choices=[*PEERS, *OURS], default=[*PEERS, OURS[0]])
    parser.add_argument("--threads", type=int, default=0, help="0 = all cores")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    options, fields = parser.parse_known_args()
    if len(options.episodes) not in (1, len(options.benchmark)):
        parser.error(f"--episodes has {len(options.episodes)} numbers for {len(options.benchmark)} benchmarks: give one, or one for each")
    counts = dict(zip(options.benchmark, options.episodes * len(options.benchmark)))
    info = options.dataset / "meta/info.json"
    if not info.is_file():
        parser.error(f"{options.dataset} is not a dataset in LeRobot's format: it has no meta/info.json; `praxia data make` makes one")
    shapes = [f["shape"] for key, f in read_json(info)["features"].items() if key.startswith("observation.images.")]
    settings, rules = {"size": shapes[0][0]}, Rules(replan=options.replan)  # pictures as they were trained on: the peers do not resize
    try:
        if fields and not [ours(name, fields) for name in options.policies if name in OURS]:
            parser.error(f"unknown: {' '.join(fields)}; fields are those of our recipes, and none is among --policies")
        judges = {name: benchmark(name, options.tasks or TASKS.get(name), count, options.seed, settings, rules) for name, count in counts.items()}
    except ConfigError as error:
        parser.error(str(error))
    python, rows = oracle_python() if set(options.policies) & set(PEERS) else "", []
    for minutes in options.minutes:
        for name in options.policies:
            out = (options.out / f"{name}-{minutes:g}min").resolve()
            if name in OURS:
                found = train_ours(name, fields, options.dataset, minutes, out, options.threads)
                policy = driver(out / "policy", next(iter(judges.values())).embodiment)
            else:
                found = train_peer(name, options.dataset, minutes, out, python, options.threads)
                policy = Factory("benchmarks.peers.peer_policy:PeerPolicy", {"folder": str(out), "python": python, "replan": options.replan})
            for kind, judged in judges.items():
                results = evaluate(judged, policy, out / "eval" / kind, controls=(), workers=options.workers)
                row = {"policy": PEERS.get(name, name), "minutes": minutes, **found, "benchmark": kind, "plan": judged.plan.hash}
                row |= {key: results[key] for key in ("success", "per_task", "effort")}
                rows.append(row | ({"perturbed": results["perturbed"], "drop": drops(results["perturbed"])} if "perturbed" in results else {}))
                about = {"dataset": options.dataset.name, "replan": options.replan, "fields": fields, "machine": machine()}
                write_json(options.out / "peers.json", {"rows": rows} | about)
    plot([row for row in rows if row["benchmark"] == options.benchmark[0]], options.out / "peers.png")
    shown = ("policy", "minutes", "samples", "benchmark")
    print(json.dumps([{key: row[key] for key in shown} | {"success": row["success"]["rate"]} for row in rows], indent=1))


if __name__ == "__main__":
    main()
