"""LeRobot's ACT and diffusion policy beside recipes of ours: the same demonstrations of the robot, the same minutes, the same episodes.

    python -m benchmarks.peers DATASET --minutes 5 15 [--tasks reach push ...] [--episodes 20] [--out runs/peers]
    python -m benchmarks.peers data/libero --benchmark libero_object libero_spatial libero-plus-like --policies act pose_vla poke_vla vipa_vla

Every policy trains from scratch for as many minutes (ours: all stages of the recipe together); nothing else should run. Writes peers.json and
peers.png (success against minutes); what is finished is not done again. Several benchmarks judge every policy; one with perturbed episodes also has
a drop by category, from its own unperturbed episodes to the perturbed, with an interval. Ours sees depth and calibration, theirs cannot; its stages
before the robot's also learn from scenes of their own, with exact truth. `pose_vla:robot` is its last stage alone, from nothing: DATASET and no more.
Further flags set fields of our recipes: --model.backbone.image_size 96. Intervals are of the episodes; another --train-seed says how much one
training is worth. A second call with the same --out adds its rows. --threads 1 with `taskset -c 0` and `-c 1` trains two at a time; give each its
own --out.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from benchmarks.peers.asked import OURS, PEERS, Asked, read

from praxia.errors import ConfigError
from praxia.evaluate.evaluate import evaluate
from praxia.evaluate.factory import Factory, driver
from praxia.evaluate.intervals import Rate, difference
from praxia.files import read_json, write_json
from praxia.train.settings import TrainSettings
from praxia.workflows.own_data import with_data
from praxia.workflows.summary import machine
from praxia.workflows.train_recipe import train_recipe

HERE = Path(__file__).parent


def oracle_python() -> str:
    made = subprocess.run([HERE.parents[1] / "scripts/oracles", "lerobot"], capture_output=True, text=True, check=True)
    return made.stdout.strip().splitlines()[-1]


def train_peer(kind: str, asked: Asked, minutes: float, out: Path, python: str) -> dict[str, Any]:
    wanted = {"kind": kind, "dataset": str(asked.dataset.resolve()), "minutes": minutes, "seed": asked.train_seed, "threads": asked.threads}
    if (out / "peer.json").is_file():
        there = read_json(out / "peer.json")
        if different := [key for key, value in wanted.items() if there.get(key) != value]:
            raise ConfigError(f"{out} holds a policy that was trained otherwise ({', '.join(different)}); give another --out, or remove it")
    else:
        command = [python, str(HERE / "lerobot_policy.py"), "train", kind, wanted["dataset"], str(out), "--minutes", str(minutes)]
        subprocess.run([*command, "--seed", str(asked.train_seed), "--threads", str(asked.threads)], check=True)
    return {key: value for key, value in read_json(out / "peer.json").items() if key in ("steps", "samples", "seconds", "parameters")}


def train_ours(name: str, asked: Asked, minutes: float, out: Path) -> dict[str, Any]:
    """name: a recipe, or RECIPE:STAGE for one stage of it that starts from nothing."""
    recipe, only = with_data(asked.recipe(name), [str(asked.dataset)]), name.partition(":")[2]
    recipe = (recipe.alone(only) if only else recipe).within(minutes)
    stages = tuple(replace(stage, shared=False) for stage in recipe.stages)
    trained = train_recipe(replace(recipe, stages=stages), out, TrainSettings(threads=asked.threads))
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


def judge(name: str, minutes: float, asked: Asked, python: str) -> list[dict[str, Any]]:
    """Train one policy and judge it: a row for each benchmark."""
    out = (asked.out / f"{name}-{minutes:g}min").resolve()
    if name in OURS:
        found = train_ours(name, asked, minutes, out)
        policy = driver(out / "policy", next(iter(asked.judges.values())).embodiment)
    else:
        found = train_peer(name, asked, minutes, out, python)
        policy = Factory("benchmarks.peers.peer_policy:PeerPolicy", {"folder": str(out), "python": python, "replan": asked.replan})
    rows = []
    for kind, judged in asked.judges.items():
        results = evaluate(judged, policy, out / "eval" / kind, controls=(), workers=asked.workers)
        row = {"policy": PEERS.get(name, name), "minutes": minutes, **found, "benchmark": kind, "plan": judged.plan.hash}
        row |= {key: results[key] for key in ("success", "per_task", "effort", "rules", "fingerprint")}
        rows.append(row | ({"perturbed": results["perturbed"], "drop": drops(results["perturbed"])} if "perturbed" in results else {}))
    return rows


def add(rows: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the new ones; one of the same policy, minutes and plan is replaced."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["policy"], row["minutes"], row["benchmark"], row["plan"]

    return [row for row in rows if key(row) not in {key(one) for one in new}] + new


def main() -> None:
    asked = read(__doc__ or "")
    python = oracle_python() if set(asked.policies) & set(PEERS) else ""
    path = asked.out / "peers.json"
    rows = read_json(path)["rows"] if path.is_file() else []
    for minutes in asked.minutes:
        for name in asked.policies:
            rows = add(rows, judge(name, minutes, asked, python))
            write_json(path, {"rows": rows} | asked.conditions() | {"machine": machine()})
    first = next(iter(asked.judges))
    plot([row for row in rows if row["benchmark"] == first], asked.out / "peers.png")
    shown = ("policy", "minutes", "samples", "benchmark")
    print(json.dumps([{key: row[key] for key in shown} | {"success": row["success"]["rate"]} for row in rows], indent=1))


if __name__ == "__main__":
    main()
