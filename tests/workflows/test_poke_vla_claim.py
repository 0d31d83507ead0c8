"""PokeVLA's claim: variants that spend the same, judged on perturbed episodes by the category-weighted total."""

from dataclasses import replace

import numpy as np
import pytest

from praxia.data.supervision import Placebo
from praxia.evaluate.benchmarks import benchmark
from praxia.evaluate.contrast import contrast
from praxia.evaluate.perturbed import perturbed_tables
from praxia.evaluate.rollout import Record
from praxia.models.heads.bridge_l1 import BridgeL1
from praxia.objectives import GeometryAlignment, TargetMask
from praxia.recipes.poke_vla_claim import PERTURBED, Budget, claim
from praxia.registry import to_json
from praxia.stages.claim import Judged
from praxia.train.settings import TrainSettings
from praxia.workflows.claims import UNPERTURBED, Judges, run_claim
from praxia.workflows.describe import describe
from praxia.worlds.perturbations import CATEGORIES

MICRO = Budget(base=2, questions=2, geometry=2, robot=2, demonstrations=1, scenes=2, tasks=("reach",), episodes=8)


def record(index, episode, success):
    return Record(index, episode.task, episode.seed, episode.perturbation, "", "", bool(success), 1, 1, 0.0, 0.0, 0.0)


def test_a_claim_on_perturbed_episodes_is_judged_by_their_weighted_total():
    judged = Judges((benchmark("tabletop-plus", ("reach", "press"), 40),))
    plan = judged.benchmarks[0].plan
    success = np.random.default_rng(0).random(len(plan.episodes)) < np.array([0.2 if e.task == "reach" else 0.7 for e in plan.episodes])
    expected = perturbed_tables([record(i, e, s) for i, (e, s) in enumerate(zip(plan.episodes, success, strict=True))])
    table = judged.table(success)
    assert to_json(table["success"]) == pytest.approx(to_json(expected["success"]))
    assert set(table["per_task"]) == {*CATEGORIES, UNPERTURBED} and judged.tasks == ["reach", "press"]
    for category in CATEGORIES:
        assert table["per_task"][category] == pytest.approx(expected["perturbed"]["per_category"][category])
    assert table["per_task"][UNPERTURBED] == pytest.approx(expected["perturbed"]["unperturbed"])

    other = np.random.default_rng(1).random((2, len(success))) < 0.5
    found = contrast(np.stack([success, success]), other, judged.groups, weights=judged.weights)
    totals = [judged.table(row)["success"]["rate"] for row in other]
    assert found.by_seed == pytest.approx([table["success"]["rate"] - total for total in totals]) and found.low < found.difference < found.high


def test_beside_perturbed_episodes_plain_ones_weigh_by_their_tasks():
    plain = Judges((benchmark("tabletop", ("reach", "press"), 2),))
    assert plain.weights == {"reach": 0.5, "press": 0.5} and plain.groups == ["reach", "press"] * 2
    both = Judges((*plain.benchmarks, benchmark("tabletop-plus", ("reach",), 16)))
    assert len(both.groups) == 4 + 16 and set(both.weights) == set(both.groups)
    assert both.weights["tabletop: reach"] == 0.5 and both.weights[f"tabletop-plus: {UNPERTURBED}"] == 0
    assert sum(weight for name, weight in both.weights.items() if "plus" in name) == pytest.approx(1)


def test_the_variants_spend_what_their_names_say():
    planned = claim()
    recipes = {v.name: v.recipe(7) for v in planned.variants}
    stages = {name: {s.name: s for s in recipe.stages} for name, recipe in recipes.items()}
    first, second = (stages[name] for name in planned.primary)
    assert len({kept["robot"].steps for kept in stages.values()}) == 1, "equal post-training samples"
    assert all(kept["base_vlm"] == first["base_vlm"] for kept in stages.values())
    data = {name: kept["robot"].sources[0].data for name, kept in stages.items()}
    hard = replace(data["all three"], perturbations=PERTURBED)
    assert all(found == (hard if "perturbed" in name else data["all three"]) for name, found in data.items()), "as many demonstrations"
    a, b = first["embodied_vqa"], second["embodied_vqa"]
    assert (a.steps, a.batch, a.parts) == (b.steps, b.batch, b.parts) and "embodied_vqa" not in stages["none, no placebo"]
    for ours, theirs in zip(a.sources, b.sources, strict=True):
        assert theirs == replace(ours, supervision=Placebo(ours.supervision))

    scored = {name: {type(w.objective) for w in kept["robot"].objectives} & {TargetMask, GeometryAlignment} for name, kept in stages.items()}
    assert scored["all three"] == {TargetMask, GeometryAlignment} and scored["none"] == set()
    assert scored["segmentation alone"] == {TargetMask} and scored["alignment alone"] == {GeometryAlignment} and scored["pretraining alone"] == set()
    for name, kept in stages.items():
        robot = kept["robot"]
        assert bool(robot.teachers) == ("geometry" in kept) == (GeometryAlignment in scored[name]), name
        assert robot.sources[0].supervision.needs.masks == (
            TargetMask in scored[name] or "alone" not in name or name.split()[0] not in ("all", "none,")
        )
        reads = bool(recipes[name].model.head.goal)
        assert reads == (TargetMask in scored[name] and name != "segmentation for the loss"), name
        assert isinstance(recipes[name].model.head, BridgeL1) == name.startswith("bridge")
    sizes = {name: describe(recipes[name])["parameters"]["by_module"]["head"] for name in ("all three", "bridge", "bridge, as large")}
    assert sizes["bridge, as large"] == pytest.approx(sizes["all three"], rel=0.02)
    assert sizes["bridge"] == pytest.approx(0.55 * sizes["all three"], rel=0.02)
    assert stages["without affordance"]["embodied_vqa"].sources[0].supervision.sizes == (665.0, 694.0, 0.0, 511.0)
    assert planned.variant("none").recipe(0).stages[-1].sources[0].data.seed != planned.variant("none").recipe(1).stages[-1].sources[0].data.seed
    assert planned.judged == (Judged("tabletop-plus", Budget().tasks, 100),) and planned.seeds == 3


@pytest.mark.slow  # half a minute; the runner itself is tested with Pose-VLA's claim
def test_it_runs_at_a_micro_size_and_pairs_what_began_alike(tmp_path, monkeypatch):
    for name, number in (("ASKED_ABOUT", 1), ("LOOKED_AT", 2)):
        monkeypatch.setattr(f"praxia.workflows.train_recipe.{name}", number)
    for name in ("vqa_answers", "goal_scores", "geometry_scores"):
        monkeypatch.setattr(f"praxia.workflows.{name}.LEARNT_FROM", 4)
    monkeypatch.setattr("praxia.workflows.vqa_answers._LIMIT", 20)
    small = claim(MICRO)
    names = ("all three", "none")
    found = run_claim(small, tmp_path, TrainSettings(threads=1, quiet=True), seeds=1, workers=0, show=False)
    rows = {row["name"]: row["seeds"]["0"] for row in found["variants"]}
    assert found["primary"]["seeds"] == [0] and found["primary"]["not_paired"] == [] and list(rows) == list(names)
    assert [s["name"] for s in rows["all three"]["stages"]] == ["base_vlm", "embodied_vqa", "geometry", "robot"]
    of_questions = [next(s for s in rows[name]["stages"] if s["name"] == "embodied_vqa") for name in ("all three", "none")]
    assert of_questions[0]["samples"] == of_questions[1]["samples"]
    assert of_questions[1]["target_tokens"] == pytest.approx(of_questions[0]["target_tokens"], rel=0.15), "as many tokens are said"
    all_three, none = (rows[name]["stages"][-1]["metrics"] for name in names)
    assert "target_mask/head/seen" in all_three and not any("target_mask" in metric for metric in none)
    assert set(rows["none"]["per_task"]) == {*CATEGORIES, UNPERTURBED}
    assert found["plan"]["tasks"] == ["reach"] and found["plan"]["episodes"] == 8
    page = (tmp_path / "claim.md").read_text()
    assert all(f" {category} |" in page for category in (*CATEGORIES, UNPERTURBED)) and "all three | 85.3 %" in page
