"""The page of a claim, as Markdown: verdict, primary contrast, exploratory rows, budgets, the paper's numbers beside."""

from collections.abc import Mapping, Sequence
from typing import Any

from praxia.evaluate.contrast import ratio
from praxia.report.curves import updates_until
from praxia.report.tables import Table
from praxia.report.words import count, percent, title, value


def claim_page(found: Mapping[str, Any]) -> str:
    """The page for what `workflows.claims.run_claim` returns."""
    primary = found["primary"]
    of_primary = [row for row in found["variants"] if row["name"] in (primary["first"], primary["second"])]
    others = [row for row in found["variants"] if row not in of_primary]
    plan = found["plan"]
    parts = [
        f"# {found['statement']}",
        verdict(primary),
        f"Judged on `{found['benchmark']}`, {plan['episodes']} episodes (plan {plan['hash']}). Success by training seed:",
        success_rows(of_primary).markdown(),
    ]
    if by_benchmark := primary.get("by_benchmark"):
        parts += ["One by one, without a verdict:", benchmark_rows(by_benchmark).markdown()]
    if others:
        parts += ["## Exploratory, without a verdict", success_rows(others).markdown(), *_apart(others, of_primary)]
    for aside in found.get("asides", ()):
        rows = [row for name in aside["variants"] for row in found["variants"] if row["name"] == name]
        if len(rows) > 1:
            parts += [f"## {aside['title']}", aside["about"], success_rows(rows).markdown()]
    if (paces := pace_rows(found["variants"], (primary["first"], primary["second"]))).rows:
        parts += ["## How the last stage began and how fast it learnt", paces.markdown(), *_pace_ratio(found["variants"], primary)]
    parts += ["## What each variant was trained on", budget_rows(found["variants"]).markdown()]
    for what, scores in LEARNT.items():
        if (learnt := learnt_rows(found["variants"], scores)).rows:
            parts += [f"## What {what} learnt, on held-out samples", learnt.markdown()]
    if found["published"]:
        parts += [
            "## What the paper reports, for other data and sizes",
            Table(("setting", "result"), tuple(map(tuple, found["published"]))).markdown(),
        ]
    parts.append("Made on: " + "; ".join(_places(found["variants"])) + ".")
    return "\n\n".join(parts) + "\n"


def verdict(primary: Mapping[str, Any]) -> str:
    """One paragraph: what the primary contrast says, and from how many seeds."""
    names, seeds, planned = f"{primary['first']} - {primary['second']}", primary["seeds"], primary["planned_seeds"]
    left_out = ""
    if primary["not_paired"]:
        gone = ", ".join(map(str, primary["not_paired"]))
        left_out = f" Left out, because their two runs began with other weights or met another world: seeds {gone}."
    if "difference" not in primary:
        return f"**Not decided yet**: {names} needs the {planned} planned training seeds of both, {len(seeds)} are there.{left_out}"
    by_seed = ", ".join(f"{100 * d:+.0f}" for d in primary["by_seed"])
    interval = f"{100 * primary['difference']:+.1f} points ({100 * primary['low']:+.1f} to {100 * primary['high']:+.1f})"
    word = primary["verdict"].capitalize() if "verdict" in primary else f"Not decided yet, {len(seeds)} of {planned} planned seeds"
    return (
        f"**{word}**: {names} = {interval} over {len(seeds)} training seeds (by seed {by_seed}); 95 % interval by bootstrap over seeds and episodes, "
        f"at least Student's over seeds. A difference below {100 * primary['least']:.0f} points would not matter.{left_out}"
    )


def benchmark_rows(found: Mapping[str, Mapping[str, float]]) -> Table:
    """One row a benchmark: the primary difference there, in points."""
    rows = tuple((name, f"{100 * d['difference']:+.1f}", f"{100 * d['low']:+.1f} to {100 * d['high']:+.1f}") for name, d in found.items())
    return Table(("benchmark", "difference, points", "95 %"), rows, frozenset({1, 2}))


def _apart(rows: Sequence[Mapping[str, Any]], primary: Sequence[Mapping[str, Any]]) -> list[str]:
    """What sets exploratory rows apart from the primary ones besides their training."""
    notes = []
    for row in rows:
        if row["world"]:
            notes.append(f"`{row['name']}` is judged in another world: {', '.join(f'{k} = {v}' for k, v in row['world'].items())}.")
    first = {seed: run["first_stage"] for row in primary for seed, run in row["seeds"].items()}
    others = [row["name"] for row in rows if any(run["first_stage"] != first.get(seed, run["first_stage"]) for seed, run in row["seeds"].items())]
    if others:
        notes.append(f"Began with another first stage (other data, number tokens or inputs): {', '.join(others)}.")
    return notes


def _places(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every machine, torch and commit that made a run."""
    found = {}
    for run in (run for row in rows for run in row["seeds"].values()):
        machine = run["machine"]
        where = (machine["cpu"], f"{machine['cores']} cores", machine["gpu"], f"torch {run['versions']['torch']}", f"commit {run['git_commit'][:10]}")
        found[", ".join(part for part in where if part)] = True
    return list(found)


def success_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row a variant: mean over seeds, every seed, and the mean of each task."""
    tasks = list(dict.fromkeys(task for row in rows for run in row["seeds"].values() for task in run["per_task"]))

    def mean(values: Sequence[float]) -> str:
        return percent(sum(values) / len(values))

    def line(row: Mapping[str, Any]) -> tuple[str, ...]:
        runs = row["seeds"].values()
        rates = [run["success"]["rate"] for run in runs]
        return (
            row["name"],
            mean(rates),
            ", ".join(f"{100 * rate:.0f}" for rate in rates),
            *(mean([r["per_task"][t]["rate"] for r in runs]) for t in tasks),
        )

    columns = ("variant", "success", "by seed", *map(title, tasks))
    return Table(columns, tuple(map(line, rows)), frozenset(range(1, len(columns))))


POSE_SCORES = {  # metric of a pose stage -> column
    "object_poses/listed": "objects said",
    "object_poses/ap15": "AP15",
    "object_poses/translation_cm": "objects, cm",
    "object_poses/mean_pose_translation_cm": "mean place, cm",
    "object_poses/rotation_deg": "objects, degrees",
    "waypoints/outside_said": "paths said",
    "waypoints/outside_first_cm": "first waypoint, cm",
    "waypoints/outside_last_cm": "last waypoint, cm",
    "waypoints/outside_still_cm": "standing still, cm",
}


HAND_SCORES = {  # metric of a stage of hands -> column
    "spatial_vqa/all/direction": "direction of 3",
    "spatial_vqa/all/direction/no_geometry": "without geometry",
    "spatial_vqa/all/direction/majority": "majority",
    "spatial_vqa/all/direction/blank": "blank pictures",
    "spatial_vqa/all/distance": "distance, m",
    "spatial_vqa/all/distance/no_geometry": "without geometry, m",
    "spatial_vqa/all/distance/majority": "majority, m",
    "hand_motion/all/final_median_mm": "motion, last point, mm",
    "hand_motion/all/final_median_mm/mean_path": "mean path, mm",
}
GOAL_SCORES = {  # metric of a stage of questions, or of what is taught beside actions -> column
    "embodied_vqa/all/point_in_mask": "points in mask",
    "embodied_vqa/all/point_in_mask/majority": "majority",
    "embodied_vqa/all/exact_match": "words",
    "embodied_vqa/all/exact_match/majority": "majority, words",
    "target_mask/head/iou": "target, IoU, head",
    "target_mask/wrist/iou": "wrist",
    "geometry_alignment/head/centred_cosine": "aligned, head",
    "geometry_alignment/wrist/centred_cosine": "aligned, wrist",
}
LEARNT = {"the pose stages": POSE_SCORES, "the stages of hands": HAND_SCORES, "questions, goal token and teacher": GOAL_SCORES}


def learnt_rows(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    """One row a variant whose stages have any of these scores (metric -> column), means over seeds.

    A dash stands where a seed has no such score (it said nothing): a mean of the others would flatter.
    """

    def scores(run: Mapping[str, Any]) -> dict[str, float]:
        return {name: metric for stage in run["stages"] for name, metric in stage.get("metrics", {}).items() if name in names}

    lines = []
    for row in rows:
        found = [scores(run) for run in row["seeds"].values()]
        if any(found):
            of_all = ([run[name] for run in found if name in run] for name in names)
            lines.append((row["name"], *(value(sum(some) / len(some) if len(some) == len(found) else None) for some in of_all)))
    return Table(("variant", *names.values()), tuple(lines), frozenset(range(1, len(names) + 1)))


def pace_rows(rows: Sequence[Mapping[str, Any]], primary: tuple[str, str]) -> Table:
    """One row a variant: flow loss and gradient norm (of all losses) of the first update, action error before it, updates until the action error that
    all primary runs reach, the last error.

    Means over seeds; a dash where a seed never gets there. Empty where no run says.
    """
    rows = [row for row in rows if all(run.get("learning", {}).get("action_error") for run in row["seeds"].values())]
    goal = common_error([row for row in rows if row["name"] in primary])
    lines = []
    for row in rows:
        learning = [run["learning"] for run in row["seeds"].values()]
        reached = [updates_until(one["action_error"], goal) for one in learning] if goal is not None else [None]
        per_seed = (
            [one["first_losses"].get("flow_matching") for one in learning],
            [one["first_gradient_norm"] for one in learning],
            [one["action_error"][0][1] if one["action_error"][0][0] == 0 else None for one in learning],
            reached,
            [one["action_error"][-1][1] for one in learning],
        )
        lines.append((row["name"], *(value(_mean(some)) for some in per_seed)))
    reaching = f"updates to {goal:.3f}" if goal is not None else "updates"
    columns = ("variant", "first flow loss", "first gradient norm", "action error at the start", reaching, "at the end")
    return Table(columns, tuple(lines), frozenset(range(1, len(columns))))


def _mean(numbers: Sequence[float | None]) -> float | None:
    """None if one of them is."""
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if len(known) == len(numbers) else None


def common_error(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The smallest held-out action error that every run of these variants reaches; None without runs."""
    return max((min(gap for _, gap in run["learning"]["action_error"]) for row in rows for run in row["seeds"].values()), default=None)


def _pace_ratio(rows: Sequence[Mapping[str, Any]], primary: Mapping[str, Any]) -> list[str]:
    """How many times as many updates the first variant of the primary contrast needs, over the seeds that both have."""
    found = {row["name"]: {seed: run["learning"]["action_error"] for seed, run in row["seeds"].items() if "learning" in run} for row in rows}
    first, second = (found.get(primary[side], {}) for side in ("first", "second"))
    seeds = [seed for seed in first if seed in second and first[seed] and second[seed]]
    goal = common_error([row for row in rows if row["name"] in (primary["first"], primary["second"])]) if seeds else None
    if goal is None or not seeds:
        return []
    ours, theirs = ([max(1.0, updates_until(side[s], goal) or 0.0) for s in seeds] for side in (first, second))
    said = ratio(ours, theirs)
    interval = f" ({said.low:.2f} to {said.high:.2f}, 95 %)" if len(seeds) > 1 else ""
    return [
        f"Updates to an action error of {goal:.3f}, {primary['first']} / {primary['second']}: **{said.ratio:.2f}**{interval} over {len(seeds)} seeds."
    ]


def budget_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row a variant: its stages with their samples and target tokens a sample, and all samples together (of the first seed)."""

    def line(row: Mapping[str, Any]) -> tuple[str, ...]:
        stages = next(iter(row["seeds"].values()))["stages"]
        named = "; ".join(
            f"{title(s['name'])} {count(s['samples'])}" + (f" x {s['target_tokens']:.0f}" if s["target_tokens"] else "") for s in stages
        )
        return row["name"], row["about"], named, count(sum(s["samples"] for s in stages))

    columns = ("variant", "what it is", "samples (x target tokens a sample)", "samples in all")
    return Table(columns, tuple(map(line, rows)), frozenset({3}))
