"""praxia claims: train and judge the variants of a claim seed by seed, compare the primary ones, write claim.json and claim.md."""

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.cache import file_digest
from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import Benchmark, benchmark
from praxia.evaluate.contrast import contrast
from praxia.evaluate.evaluate import evaluate, record_path
from praxia.evaluate.factory import policy_folder
from praxia.evaluate.records import RecordFile
from praxia.files import read_json, write_json, write_text
from praxia.policy.config import git_commit
from praxia.report.claim_page import claim_page
from praxia.stages.claim import Claim
from praxia.stages.recipe import Recipe
from praxia.stages.run_directory import fingerprint
from praxia.train.settings import TrainSettings
from praxia.workflows import summary
from praxia.workflows.assemble import assemble
from praxia.workflows.train_recipe import Trained, train_recipe

SEED = "seed"  # begin of the name of a run's folder, its training seed is the rest
SAME = ("first_stage", "world")  # of the two runs of a seed: digest of the weights that their first stage left, fingerprint of the world
CLAIM = "claim"  # in a run's summary: what is reported of it, as it was when it finished
TOKENS_OVER = 4  # steps of a stage that its target tokens a sample are counted over


def run_claim(
    claim: Claim,
    root: Path | str,
    settings: TrainSettings | None = None,
    names: Sequence[str] = (),
    seeds: int | None = None,
    workers: int | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Train and judge variants (those of the primary contrast if none are named) with training seeds 0, 1, ...; what is finished is not done again.

    Folder: one run a variant and seed, `claim.json` (this function's result) and `claim.md`, both of everything that is finished there.
    Raises ConfigError for unknown variants, fewer than one seed, or a folder with runs of another configuration.
    """
    seeds = claim.seeds if seeds is None else seeds
    if seeds < 1:
        raise ConfigError(f"{seeds} training seeds; give at least 1, and at least 2 for a contrast")
    root, variants = Path(root), [claim.variant(name) for name in names or claim.primary]
    judged = benchmark(claim.benchmark, claim.tasks, claim.episodes, claim.test_seed)
    worlds = {v.name: benchmark(claim.benchmark, claim.tasks, claim.episodes, claim.test_seed, v.world) for v in variants}  # faults are said now
    # The number tokens of the first variant are in the others' models, said or not: so all can start from the very same first stage.
    vocabulary = assemble(claim.variant(claim.primary[0]).recipe(0)).model.vocabulary
    found: dict[str, Any] = {}
    for seed in range(seeds):
        for variant in variants:
            trained = claim.variant(variant.of) if variant.of else variant
            recipe = trained.recipe(seed)
            if vocabulary is not None and not trained.own_tokens:
                recipe = replace(recipe, model=replace(recipe.model, vocabulary=vocabulary))
            place, own = (root / v.folder / f"{SEED}{seed}" for v in (trained, variant))
            _run(recipe, place, own, worlds[variant.name], settings or TrainSettings(), workers, show)
            found = finished(claim, root, judged)
            write_json(root / "claim.json", found)
            write_text(root / "claim.md", claim_page(found))
    return found


def finished(claim: Claim, root: Path, judged: Benchmark) -> dict[str, Any]:
    """Everything that is finished in the folder of a claim, and the primary contrast over the planned seeds that both its variants have.

    A seed counts in the contrast only if both variants began with the same first stage and were judged in the same world.
    """
    rows, runs = [], {}
    for variant in claim.variants:
        seeds = sorted(int(path.name.removeprefix(SEED)) for path in (root / variant.folder).glob("*") if re.fullmatch(rf"{SEED}\d+", path.name))
        done = {seed: found for seed in seeds if (found := _outcome(root / variant.folder / f"{SEED}{seed}", judged)) is not None}
        if done:
            runs[variant.name] = done
            head = {"name": variant.name, "about": variant.about, "world": dict(variant.world)}
            rows.append(head | {"seeds": {str(seed): run for seed, (_, run) in done.items()}})
    return {
        "statement": claim.statement,
        "benchmark": judged.name,
        "plan": {"name": judged.plan.name, "hash": judged.plan.hash, "tasks": judged.plan.tasks, "episodes": len(judged.plan.episodes)},
        "primary": _primary(claim, judged, *(runs.get(name, {}) for name in claim.primary)),
        "variants": rows,
        "published": claim.published,
    }


Outcome = tuple[np.ndarray, dict[str, Any]]  # success bool [episodes], and what is reported of a run


def _primary(claim: Claim, judged: Benchmark, first: dict[int, Outcome], second: dict[int, Outcome]) -> dict[str, Any]:
    """The contrast; its difference from two seeds on, its verdict once all planned seeds are there."""
    both = [seed for seed in range(claim.seeds) if seed in first and seed in second]
    apart = [seed for seed in both if any(first[seed][1][name] != second[seed][1][name] for name in SAME)]
    paired = [seed for seed in both if seed not in apart]
    found: dict[str, Any] = {"first": claim.primary[0], "second": claim.primary[1], "planned_seeds": claim.seeds, "least": claim.least}
    found |= {"seeds": paired, "not_paired": apart}
    if len(paired) > 1:
        tasks = [episode.task for episode in judged.plan.episodes]
        ours, theirs = (np.stack([side[seed][0] for seed in paired]) for side in (first, second))
        found |= asdict(contrast(ours, theirs, tasks, claim.least))
    if len(paired) < claim.seeds:
        found.pop("verdict", None)  # said once, from what was planned: a look after every seed would find something sooner or later
    return found


def _run(recipe: Recipe, place: Path, folder: Path, judged: Benchmark, settings: TrainSettings, workers: int | None, show: bool) -> None:
    """Train in `place`, judge in `folder` (the same, but for a variant that judges another one's policy)."""
    try:
        trained = train_recipe(recipe, place, settings)
        if trained.policy is None:
            raise ConfigError(f"recipe {recipe.name!r} of a claim leaves no policy; its last stage must have a head")
        results = evaluate(judged, policy_folder(trained.policy), folder / "eval", controls=(), workers=workers, show=show)
    except ConfigError as error:
        raise ConfigError(f"{error}\n  in a claim: give another --out, or delete {place} to train it anew") from error
    if _outcome(folder, judged) is not None:
        return
    known = read_json(place / summary.NAME)
    tokens = _target_tokens(trained)
    found = {name: results[name] for name in ("success", "per_task")} | {name: known[name] for name in ("machine", "versions")}
    found |= {"stages": [stage | {"target_tokens": tokens[stage["name"]]} for stage in known["stages"]]}
    found |= {"plan": judged.plan.hash, "world": results["fingerprint"], "first_stage": _weights_digest(trained), "git_commit": git_commit()}
    summary.add(folder, {CLAIM: found})


def _weights_digest(trained: Trained) -> str:
    """Of what the first stage left."""
    checkpoint = trained.run.finished_checkpoint(trained.assembly.recipe.stages[0].name)
    return fingerprint([file_digest(file).hex() for file in sorted(checkpoint.glob("*.safetensors"))])


def _target_tokens(trained: Trained) -> dict[str, float]:
    """Target tokens a sample, by stage, over its first steps."""
    found = {}
    for stage in trained.assembly.recipe.stages:
        training, _ = trained.assembly.mixtures(stage, trained.assembly.build(stage))
        batches = [micro.batch for step in range(TOKENS_OVER) for micro in training.step(step)]
        found[stage.name] = sum(int(b.target.valid.sum()) for b in batches if b.target is not None) / (TOKENS_OVER * stage.batch)
    return found


def _outcome(folder: Path, judged: Benchmark) -> Outcome | None:
    """A finished run; None of one that is missing, unfinished or judged on another plan."""
    path = folder / summary.NAME
    found = read_json(path).get(CLAIM, {}) if path.is_file() else {}
    if found.get("plan") != judged.plan.hash:
        return None
    records = RecordFile(record_path(folder / "eval", "normal")).records
    return np.array([records[i].success for i in sorted(records)]), found
