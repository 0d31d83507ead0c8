"""praxia claims: train and judge the variants of a claim seed by seed, compare the primary ones, write claim.json and claim.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.cache import file_digest
from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import Benchmark, benchmark
from praxia.evaluate.contrast import contrast
from praxia.evaluate.evaluate import evaluate, record_path
from praxia.evaluate.factory import driver
from praxia.evaluate.intervals import stratified, wilson
from praxia.evaluate.records import RecordFile
from praxia.files import read_json, write_json, write_text
from praxia.policy.config import git_commit
from praxia.report.claim_page import claim_page
from praxia.report.curves import read_curves
from praxia.stages.claim import Claim
from praxia.stages.recipe import Recipe
from praxia.stages.run_directory import fingerprint
from praxia.train.settings import TrainSettings
from praxia.workflows import summary
from praxia.workflows.assemble import assemble
from praxia.workflows.train_recipe import Trained, train_recipe
from praxia.worlds.perturbations import PUBLISHED_TASKS, split_name

SEED = "seed"  # begin of the name of a run's folder, its training seed is the rest
SAME = ("first_stage", "world")  # of the two runs of a seed: digest of the weights that their first stage left, fingerprint of the world
CLAIM = "claim"  # in a run's summary: what is reported of it, as it was when it finished
UNPERTURBED = "unperturbed"
TOKENS_OVER = 4  # steps of a stage that its target tokens a sample are counted over


@dataclass(frozen=True)
class Judges:
    """The benchmarks that a claim is judged on, one after the other."""

    benchmarks: tuple[Benchmark, ...]

    @classmethod
    def of(cls, claim: Claim, world: Mapping[str, Any]) -> "Judges":
        """Those of a claim. world: further keywords of every world."""
        return cls(tuple(benchmark(j.benchmark, j.tasks or None, j.episodes, j.seed, world) for j in claim.judged))

    @property
    def name(self) -> str:
        """All their names."""
        return ", ".join(b.name for b in self.benchmarks)

    @property
    def hash(self) -> str:
        """Identity of all episodes."""
        hashes = [b.plan.hash for b in self.benchmarks]
        return hashes[0] if len(hashes) == 1 else fingerprint(hashes)

    @property
    def tasks(self) -> list[str]:
        """All tasks."""
        return [self._named(b, task) for b in self.benchmarks for task in b.plan.tasks]

    @property
    def groups(self) -> list[str]:
        """Group of every episode, in the order of the records: its task, or its category in a benchmark of perturbed episodes."""
        return [self._named(b, group) for b in self.benchmarks for group in _groups(b)]

    @property
    def weights(self) -> dict[str, float]:
        """What every group weighs: benchmarks alike, and in each of them tasks alike, or categories as in LIBERO-Plus's Total and unperturbed
        episodes nothing."""
        found = {}
        for b in self.benchmarks:
            names = list(dict.fromkeys(_groups(b)))
            weights = {name: PUBLISHED_TASKS.get(name, 0) if _perturbed(b) else 1 for name in names}
            found |= {self._named(b, name): weight / sum(weights.values()) for name, weight in weights.items()}
        return found

    def table(self, success: np.ndarray) -> dict[str, Any]:
        """Outcomes bool [episodes] as {"success": of the whole, "per_task": {group: its own}}, rates as elsewhere."""
        groups, weights = np.array(self.groups), self.weights
        counts = {name: (int(success[groups == name].sum()), int((groups == name).sum())) for name in weights}
        counted = [name for name in weights if weights[name] > 0]
        solved, episodes = ([counts[name][i] for name in counted] for i in (0, 1))
        whole = stratified(solved, episodes, [weights[name] for name in counted])
        return {"success": asdict(whole), "per_task": {name: asdict(wilson(*count)) for name, count in counts.items()}}

    def _named(self, of: Benchmark, group: str) -> str:
        """A group's name, with its benchmark's where there are several."""
        return group if len(self.benchmarks) == 1 else f"{of.name}: {group}"

    def folder(self, run: Path, of: Benchmark) -> Path:
        """Where a run's records of a benchmark are."""
        return run / "eval" if len(self.benchmarks) == 1 else run / "eval" / of.name


def _perturbed(of: Benchmark) -> bool:
    return any(split_name(episode.perturbation)[0] for episode in of.plan.episodes)


def _groups(of: Benchmark) -> list[str]:
    """Group of every episode of a benchmark."""
    perturbed = _perturbed(of)
    return [(split_name(episode.perturbation)[0] or UNPERTURBED) if perturbed else episode.task for episode in of.plan.episodes]


def run_claim(
    claim: Claim,
    root: Path | str,
    settings: TrainSettings | None = None,
    names: Sequence[str] = (),
    seeds: int | None = None,
    first_seed: int = 0,
    workers: int | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Train and judge variants (those of the primary contrast if none are named) with `seeds` training seeds from `first_seed` on; what is
    finished is not done again.

    Folder: one run a variant and seed, `claim.json` (this function's result) and `claim.md`, both of everything that is finished there, whoever
    made it: several calls may share a folder, or their runs be brought into one.
    Raises ConfigError for unknown variants, fewer than one seed, a negative first one, or a folder with runs of another configuration.
    """
    seeds = claim.seeds - first_seed if seeds is None else seeds
    if first_seed < 0:
        raise ConfigError(f"first training seed {first_seed} is negative; give 0 or more")
    if seeds < 1:
        raise ConfigError(f"{seeds} training seeds; give at least 1, and at least 2 for a contrast (the first of them is {first_seed})")
    root, variants = Path(root), [claim.variant(name) for name in names or claim.primary]
    judged = Judges.of(claim, {})
    worlds = {v.name: Judges.of(claim, v.world) for v in variants}  # faults are said now
    # The number tokens of the first variant are in the others' models, said or not: so all can start from the very same first stage.
    vocabulary = assemble(claim.variant(claim.primary[0]).recipe(0)).model.vocabulary
    found: dict[str, Any] = {}
    for seed in range(first_seed, first_seed + seeds):
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


def finished(claim: Claim, root: Path, judged: Judges) -> dict[str, Any]:
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
        "plan": {"name": judged.name, "hash": judged.hash, "tasks": judged.tasks, "episodes": len(judged.groups)},
        "primary": _primary(claim, judged, *(runs.get(name, {}) for name in claim.primary)),
        "variants": rows,
        "published": claim.published,
        "asides": [asdict(aside) for aside in claim.asides],
    }


Outcome = tuple[np.ndarray, dict[str, Any]]  # success bool [episodes], and what is reported of a run


def _primary(claim: Claim, judged: Judges, first: dict[int, Outcome], second: dict[int, Outcome]) -> dict[str, Any]:
    """The contrast; its difference from two seeds on, its verdict once all planned seeds are there."""
    both = [seed for seed in range(claim.seeds) if seed in first and seed in second]
    apart = [seed for seed in both if any(first[seed][1][name] != second[seed][1][name] for name in SAME)]
    paired = [seed for seed in both if seed not in apart]
    found: dict[str, Any] = {"first": claim.primary[0], "second": claim.primary[1], "planned_seeds": claim.seeds, "least": claim.least}
    found |= {"seeds": paired, "not_paired": apart}
    if len(paired) > 1:
        ours, theirs = (np.stack([side[seed][0] for seed in paired]) for side in (first, second))
        found |= asdict(contrast(ours, theirs, judged.groups, claim.least, weights=judged.weights))
        found["by_benchmark"] = {}
        for b in judged.benchmarks if len(judged.benchmarks) > 1 else ():
            weights = {name: weight * name.startswith(f"{b.name}: ") for name, weight in judged.weights.items()}
            alone = contrast(ours, theirs, judged.groups, claim.least, weights=weights)
            found["by_benchmark"][b.name] = {name: getattr(alone, name) for name in ("difference", "low", "high")}
    if len(paired) < claim.seeds:
        found.pop("verdict", None)  # said once, from what was planned: a look after every seed would find something sooner or later
    return found


def _run(recipe: Recipe, place: Path, folder: Path, judged: Judges, settings: TrainSettings, workers: int | None, show: bool) -> None:
    """Train in `place`, judge in `folder` (the same, but for a variant that judges another one's policy)."""
    try:
        trained = train_recipe(recipe, place, settings)
        if trained.policy is None:
            raise ConfigError(f"recipe {recipe.name!r} of a claim leaves no policy; its last stage must have a head")
        results = [
            evaluate(b, driver(trained.policy, b.embodiment), judged.folder(folder, b), controls=(), workers=workers, show=show)
            for b in judged.benchmarks
        ]
    except ConfigError as error:
        raise ConfigError(f"{error}\n  in a claim: give another --out, or delete {place} to train it anew") from error
    if _outcome(folder, judged) is not None:
        return
    known = read_json(place / summary.NAME)
    tokens = _target_tokens(trained)
    found = judged.table(_success(judged, folder)) | {name: known[name] for name in ("machine", "versions")}
    found |= {"stages": [stage | {"target_tokens": tokens[stage["name"]]} for stage in known["stages"]]}
    found |= {"learning": _learning(trained)}
    found |= {"plan": judged.hash, "world": [r["fingerprint"] for r in results], "first_stage": _weights_digest(trained), "git_commit": git_commit()}
    summary.add(folder, {CLAIM: found})


def _learning(trained: Trained) -> dict[str, Any]:
    """How the last stage began and went: losses and gradient norm of its first update, [updates, held-out action error] along the way."""
    curves = read_curves(trained.run.stage(trained.assembly.recipe.stages[-1].name).metrics)
    first = {name: float(curve.value[0]) for name, curve in curves.training.items()}
    error = curves.held_out.get("action_error")
    return {
        "first_losses": first,
        "first_gradient_norm": float(curves.gradient_norm.value[0]) if curves.gradient_norm else None,
        "action_error": [[int(step), float(gap)] for step, gap in zip(error.step, error.value, strict=True)] if error else [],
    }


def _success(judged: Judges, folder: Path) -> np.ndarray:
    """Outcome of every episode of a run, bool [episodes], benchmark after benchmark."""
    files = [RecordFile(record_path(judged.folder(folder, b), "normal")).records for b in judged.benchmarks]
    return np.array([records[i].success for records in files for i in sorted(records)])


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


def _outcome(folder: Path, judged: Judges) -> Outcome | None:
    """A finished run; None of one that is missing, unfinished or judged on another plan."""
    path = folder / summary.NAME
    found = read_json(path).get(CLAIM, {}) if path.is_file() else {}
    if found.get("plan") != judged.hash:
        return None
    return _success(judged, folder), found
