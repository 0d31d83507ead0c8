"""praxia claims: train and judge the variants of a claim seed by seed, compare the primary ones, write claim.json and claim.md."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import Benchmark, benchmark
from praxia.evaluate.contrast import contrast
from praxia.evaluate.evaluate import evaluate, record_path
from praxia.evaluate.factory import policy_folder
from praxia.evaluate.records import RecordFile
from praxia.files import read_json, write_json, write_text
from praxia.policy.config import git_commit, package_versions
from praxia.report.claim_page import claim_page
from praxia.stages.claim import Claim, Variant
from praxia.stages.recipe import Recipe
from praxia.train.settings import TrainSettings
from praxia.workflows import summary
from praxia.workflows.assemble import assemble
from praxia.workflows.train_recipe import Trained, train_recipe

SEED = "seed"  # begin of the name of a run's folder, its training seed is the rest
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
    # The tokens of the pose stages are in every variant's model, said or not: so all start from the very same base_vlm.
    vocabulary = assemble(claim.variant(claim.primary[0]).recipe(0)).model.vocabulary
    found: dict[str, Any] = {}
    for seed in range(seeds):
        for variant in variants:
            recipe = variant.recipe(seed)
            recipe = replace(recipe, model=replace(recipe.model, vocabulary=vocabulary))
            _run(recipe, _folder(root, variant, seed), judged, settings or TrainSettings(), workers, show)
            found = finished(claim, root, judged)
            write_json(root / "claim.json", found)
            write_text(root / "claim.md", claim_page(found))
    return found


def finished(claim: Claim, root: Path, judged: Benchmark) -> dict[str, Any]:
    """Everything that is finished in the folder of a claim, and the primary contrast over the seeds that both its variants have."""
    rows, outcomes = [], {}
    for variant in claim.variants:
        seeds = sorted(int(path.name.removeprefix(SEED)) for path in _folder(root, variant, 0).parent.glob(f"{SEED}*"))
        runs = {seed: found for seed in seeds if (found := _outcome(_folder(root, variant, seed), judged)) is not None}
        if runs:
            outcomes[variant.name] = {seed: successes for seed, (successes, _) in runs.items()}
            rows.append({"name": variant.name, "about": variant.about, "seeds": {str(seed): kept for seed, (_, kept) in runs.items()}})
    first, second = (outcomes.get(name, {}) for name in claim.primary)
    both = sorted(first.keys() & second.keys())
    primary: dict[str, Any] = {
        "first": claim.primary[0],
        "second": claim.primary[1],
        "seeds": both,
        "planned_seeds": claim.seeds,
        "least": claim.least,
    }
    if len(both) > 1:
        tasks = [episode.task for episode in judged.plan.episodes]
        primary |= asdict(contrast(np.stack([first[s] for s in both]), np.stack([second[s] for s in both]), tasks, claim.least))
    return {
        "statement": claim.statement,
        "benchmark": judged.name,
        "plan": {"name": judged.plan.name, "hash": judged.plan.hash, "tasks": judged.plan.tasks, "episodes": len(judged.plan.episodes)},
        "primary": primary,
        "variants": rows,
        "published": claim.published,
        "machine": summary.machine(),
        "versions": package_versions(),
        "git_commit": git_commit(),
    }


def _folder(root: Path, variant: Variant, seed: int) -> Path:
    return root / variant.name.replace(",", "").replace(" ", "_") / f"{SEED}{seed}"


def _run(recipe: Recipe, folder: Path, judged: Benchmark, settings: TrainSettings, workers: int | None, show: bool) -> None:
    trained = train_recipe(recipe, folder, settings)
    if trained.policy is None:
        raise ConfigError(f"recipe {recipe.name!r} of a claim leaves no policy; its last stage must have a head")
    results = evaluate(judged, policy_folder(trained.policy), folder / "eval", controls=(), workers=workers, show=show)
    if "target_tokens" not in summary.add(folder, {"success": results["success"], "per_task": results["per_task"], "plan": judged.plan.hash}):
        summary.add(folder, {"target_tokens": _target_tokens(trained)})


def _target_tokens(trained: Trained) -> dict[str, float]:
    """Target tokens a sample, by stage, over its first steps."""
    found = {}
    for stage in trained.assembly.recipe.stages:
        training, _ = trained.assembly.mixtures(stage, trained.assembly.build(stage))
        batches = [micro.batch for step in range(TOKENS_OVER) for micro in training.step(step)]
        found[stage.name] = sum(int(b.target.valid.sum()) for b in batches if b.target is not None) / (TOKENS_OVER * stage.batch)
    return found


def _outcome(folder: Path, judged: Benchmark) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Success bool [episodes] of a finished run and what is reported of it; None of one that is missing, unfinished or judged on another plan."""
    path = folder / summary.NAME
    found = read_json(path) if path.is_file() else {}
    if found.get("plan") != judged.plan.hash or "target_tokens" not in found:
        return None
    records = RecordFile(record_path(folder / "eval", "normal")).records
    stages = [stage | {"target_tokens": found["target_tokens"][stage["name"]]} for stage in found["stages"]]
    return np.array([records[i].success for i in sorted(records)]), {"success": found["success"], "per_task": found["per_task"], "stages": stages}
