"""Claims: variants trained and judged seed by seed, compared over both, and kept apart from what is only exploratory."""

from dataclasses import replace
from functools import partial

import pytest
from tests.recipes.micro_recipe import micro

from praxia.errors import ConfigError
from praxia.files import read_json
from praxia.recipes.pose_vla_claim import claim as pose_vla_claim
from praxia.stages.claim import Claim, Variant
from praxia.train.settings import TrainSettings
from praxia.workflows.claims import run_claim

SETTINGS = TrainSettings(threads=1, quiet=True)


def trained_for(steps: int, data: str, seed: int):
    recipe = micro(data)
    return replace(recipe, seed=seed, stages=(recipe.stages[0], replace(recipe.stages[1], steps=steps, validate_every=0)))


@pytest.fixture
def claim(tabletop_data):
    variants = tuple(Variant(f"{n} steps", f"{n} updates", partial(trained_for, n, str(tabletop_data))) for n in (2, 3, 4))
    return Claim("More is more.", ("3 steps", "2 steps"), variants, tasks=("reach", "press"), episodes=1, seeds=3, published=(("theirs", "7 %"),))


def test_a_claim_is_run_seed_by_seed_and_decided_by_its_primary_contrast_alone(claim, tmp_path):
    first = run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    assert "verdict" not in first["primary"] and first["primary"]["seeds"] == [0]
    assert "Not decided yet" in (tmp_path / "claim.md").read_text()
    policy = tmp_path / "3_steps" / "seed0" / "policy" / "policy.json"
    when = policy.stat().st_mtime_ns

    found = run_claim(claim, tmp_path, SETTINGS, seeds=2, workers=0, show=False)
    assert policy.stat().st_mtime_ns >= when and found["primary"]["seeds"] == [0, 1]
    rates = {row["name"]: [run["success"]["rate"] for run in row["seeds"].values()] for row in found["variants"]}
    differences = [a - b for a, b in zip(rates["3 steps"], rates["2 steps"], strict=True)]
    assert found["primary"]["by_seed"] == pytest.approx(differences)
    assert found["primary"]["difference"] == pytest.approx(sum(differences) / 2)
    assert found["primary"]["verdict"] in ("holds", "does not hold", "undecided")

    more = run_claim(claim, tmp_path, SETTINGS, names=("4 steps",), seeds=1, workers=0, show=False)
    assert more["primary"] == found["primary"] and [row["name"] for row in more["variants"]] == ["2 steps", "3 steps", "4 steps"]
    page = (tmp_path / "claim.md").read_text()
    assert page.index("| 2 steps") < page.index("Exploratory") < page.index("| 4 steps") and "theirs | 7 %" in page
    assert "3 seeds were planned" in page and read_json(tmp_path / "claim.json")["primary"] == found["primary"]


def test_finished_runs_are_not_trained_again_and_those_of_another_plan_do_not_count(claim, tmp_path):
    found = run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("done.json")}
    assert run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)["variants"] == found["variants"]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("done.json")} == before
    with pytest.raises(ConfigError, match="plan"):
        run_claim(replace(claim, test_seed=1), tmp_path, SETTINGS, seeds=1, workers=0, show=False)


def test_a_claim_names_its_variants(claim, tmp_path):
    with pytest.raises(ConfigError, match="unknown variant '5 steps'"):
        run_claim(claim, tmp_path, SETTINGS, names=("5 steps",))
    with pytest.raises(ConfigError, match="at least 1"):
        run_claim(claim, tmp_path, SETTINGS, seeds=0)
    with pytest.raises(ConfigError, match="variants of one name"):
        replace(claim, variants=claim.variants[:1] * 2)
    with pytest.raises(ConfigError, match="unknown variant"):
        replace(claim, primary=("3 steps", "none"))


def test_poses_and_their_placebo_differ_in_what_they_say_and_start_from_the_same_stage_0(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("praxia.workflows.train_recipe.SCORED_ON", 1)
    claim = pose_vla_claim(base=2, objects=2, waypoints=2, robot=2, demonstrations=1, scenes=1)
    claim = replace(claim, tasks=("reach", "press"), episodes=1)
    found = run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    assert "stage base_vlm: taken from" in capsys.readouterr().out
    poses, placebo = ([(s["name"], s["steps"], s["samples"]) for s in row["seeds"]["0"]["stages"]] for row in found["variants"])
    assert poses == placebo == [("base_vlm", 2, 64), ("object_poses", 2, 32), ("waypoints", 2, 32), ("robot", 2, 32)]
    tokens = [row["seeds"]["0"]["stages"][1]["target_tokens"] for row in found["variants"]]
    assert 0.4 < tokens[1] / tokens[0] < 2.5


def test_the_variants_of_pose_vla_spend_what_their_names_say():
    claim = pose_vla_claim()
    stages = {v.name: {s.name: s for s in v.recipe(7).stages} for v in claim.variants}
    samples = {name: sum(s.steps * s.batch for s in kept.values()) for name, kept in stages.items()}
    assert samples["poses"] == samples["placebo"] == samples["none, longer"] == samples["poses and places"] > samples["none"]
    assert len({kept["robot"].steps for name, kept in stages.items() if name != "none, longer"}) == 1
    assert len({kept["base_vlm"] for kept in stages.values()}) == 1, "every variant has the same stage 0"
    for name in ("object_poses", "waypoints"):
        a, b = (stages[v][name].sources[0] for v in claim.primary)
        assert a.data == b.data and a.supervision != b.supervision and a.transforms == b.transforms
    assert list(stages["object poses alone"]) == ["base_vlm", "object_poses", "robot"]
    assert stages["poses, 50 demonstrations"]["robot"].sources[0].data.episodes == 50
    first, second = (claim.variant("poses").recipe(seed).stages[-1].sources[0].data.seed for seed in (0, 1))
    assert first != second, "every training seed has demonstrations of its own"
