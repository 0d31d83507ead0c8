"""Claims: variants trained and judged seed by seed, compared over both, and kept apart from what is only exploratory."""

from dataclasses import replace
from functools import partial

import pytest
from tests.recipes.micro_recipe import micro

from praxia.errors import ConfigError
from praxia.files import read_json, write_json
from praxia.policy.speaker import Speaker
from praxia.recipes.load import load_claim
from praxia.recipes.pose_vla_claim import JOINTS_OF_STATE, Budget
from praxia.recipes.pose_vla_claim import claim as pose_vla_claim
from praxia.registry import to_json
from praxia.stages.claim import Claim, Judged, Variant
from praxia.train.settings import TrainSettings
from praxia.workflows.claims import Judges, run_claim
from praxia.worlds.tabletop.robots import ROBOTS

SETTINGS = TrainSettings(threads=1, quiet=True)


@pytest.mark.parametrize("name", ["pose_vla", "action_priors", "poke_vla", "vipa_vla"])
def test_the_judges_of_every_claim_exist_and_weigh_benchmarks_alike(name):
    judges = Judges.of(load_claim(name), {})
    plans = [b.plan for b in judges.benchmarks]
    assert sum(judges.weights.values()) == pytest.approx(len(plans)) and set(judges.groups) == set(judges.weights)
    seen = [(episode.task, episode.seed, episode.perturbation) for plan in plans for episode in plan.episodes]
    assert len(set(seen)) == len(seen), "no scene is judged twice"


def trained_for(steps: int, data: str, seed: int):
    recipe = micro(data)
    return replace(recipe, seed=seed, stages=(recipe.stages[0], replace(recipe.stages[1], steps=steps, validate_every=0)))


@pytest.fixture
def claim(tabletop_data):
    variants = tuple(Variant(f"{n} steps", f"{n} updates", partial(trained_for, n, str(tabletop_data))) for n in (2, 3, 4))
    return Claim(
        "More is more.", ("3 steps", "2 steps"), variants, (Judged(tasks=("reach", "press"), episodes=1),), seeds=2, published=(("theirs", "7 %"),)
    )


def weights(root):
    return {path: path.read_bytes() for path in root.rglob("weights.safetensors")}


def test_a_claim_is_run_seed_by_seed_and_decided_by_its_planned_seeds_alone(claim, tmp_path):
    first = run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    assert "difference" not in first["primary"] and first["primary"]["seeds"] == [0]
    assert "Not decided yet" in (tmp_path / "claim.md").read_text()
    before = weights(tmp_path)

    found = run_claim(claim, tmp_path, SETTINGS, seeds=2, first_seed=1, workers=0, show=False)
    assert before.items() <= weights(tmp_path).items() and found["primary"]["seeds"] == [0, 1]
    rates = {row["name"]: [run["success"]["rate"] for run in row["seeds"].values()] for row in found["variants"]}
    differences = [a - b for a, b in zip(rates["3 steps"], rates["2 steps"], strict=True)]
    assert len(differences) == 3 and found["primary"]["by_seed"] == pytest.approx(differences[:2]), "no seed beyond those planned decides anything"
    assert found["primary"]["difference"] == pytest.approx(sum(differences[:2]) / 2)
    assert found["primary"]["verdict"] in ("holds", "does not hold", "undecided")

    more = run_claim(claim, tmp_path, SETTINGS, names=("4 steps",), seeds=1, workers=0, show=False)
    assert more["primary"] == found["primary"] and [row["name"] for row in more["variants"]] == ["2 steps", "3 steps", "4 steps"]
    page = (tmp_path / "claim.md").read_text()
    assert page.index("| 2 steps") < page.index("Exploratory") < page.index("| 4 steps") and "theirs | 7 %" in page
    assert read_json(tmp_path / "claim.json")["primary"] == to_json(found["primary"])


def test_seeds_that_began_otherwise_are_left_out_of_the_contrast(claim, tmp_path):
    run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    path = tmp_path / "2_steps" / "seed0" / "summary.json"
    summary = read_json(path)
    write_json(path, summary | {"claim": summary["claim"] | {"first_stage": "another"}})
    (tmp_path / "2_steps" / "seed0_old").mkdir()
    found = run_claim(claim, tmp_path, SETTINGS, names=("3 steps",), seeds=1, workers=0, show=False)
    assert found["primary"]["seeds"] == [] and found["primary"]["not_paired"] == [0]
    assert "began with other weights or met another world: seeds 0" in (tmp_path / "claim.md").read_text()


def test_finished_runs_are_not_trained_again_and_those_of_another_plan_do_not_count(claim, tmp_path):
    found = run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("done.json")}
    assert run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)["variants"] == found["variants"]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("done.json")} == before
    with pytest.raises(ConfigError, match=r"(?s)plan.*in a claim: give another --out, or delete .*seed0"):
        run_claim(replace(claim, judged=(replace(claim.judged[0], seed=1),)), tmp_path, SETTINGS, seeds=1, workers=0, show=False)


def test_a_claim_names_its_variants(claim, tmp_path):
    with pytest.raises(ConfigError, match="unknown variant '5 steps'"):
        run_claim(claim, tmp_path, SETTINGS, names=("5 steps",))
    with pytest.raises(ConfigError, match="at least 1"):
        run_claim(claim, tmp_path, SETTINGS, seeds=0)
    with pytest.raises(ConfigError, match="the first of them is 2"):
        run_claim(claim, tmp_path, SETTINGS, first_seed=2)
    with pytest.raises(ConfigError, match="is negative"):
        run_claim(claim, tmp_path, SETTINGS, first_seed=-1)
    with pytest.raises(ConfigError, match="variants of one folder"):
        replace(claim, variants=(*claim.variants, replace(claim.variants[0], name="2, steps")))
    with pytest.raises(ConfigError, match="unknown variant"):
        replace(claim, primary=("3 steps", "none"))
    with pytest.raises(ConfigError, match="judged in two worlds"):
        replace(claim, variants=(replace(claim.variants[0], world={"size": 32}), *claim.variants[1:]))


def test_poses_and_their_placebo_differ_in_what_they_say_and_start_from_the_same_stage_0(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("praxia.workflows.train_recipe.SCORED_ON", 1)
    answers = Speaker._answers
    monkeypatch.setattr(Speaker, "_answers", lambda *args: answers(*args[:-1], 40))  # an untrained model's answers are as long as they may be
    claim = pose_vla_claim(Budget(base=2, objects=2, waypoints=2, robot=2, demonstrations=1, scenes=2, tasks=("reach", "press")))
    claim = replace(claim, judged=(replace(claim.judged[0], episodes=1),))
    found = run_claim(claim, tmp_path, SETTINGS, seeds=1, workers=0, show=False)
    assert "stage base_vlm: taken from" in capsys.readouterr().out
    poses, placebo = ([(s["name"], s["steps"], s["samples"]) for s in row["seeds"]["0"]["stages"]] for row in found["variants"])
    assert poses == placebo == [("base_vlm", 2, 64), ("object_poses", 2, 32), ("waypoints", 2, 32), ("robot", 2, 32)]
    for stage in (1, 2):
        tokens = [row["seeds"]["0"]["stages"][stage]["target_tokens"] for row in found["variants"]]
        assert tokens[1] == pytest.approx(tokens[0], rel=0.1) and tokens[0] > 10
    assert found["primary"]["not_paired"] == [] and found["primary"]["seeds"] == [0]


def test_variants_act_in_joint_angles_and_a_policy_is_judged_in_another_world(tmp_path, monkeypatch):
    answers = Speaker._answers
    monkeypatch.setattr(Speaker, "_answers", lambda *args: answers(*args[:-1], 40))
    claim = pose_vla_claim(Budget(base=2, objects=2, waypoints=2, robot=2, demonstrations=1, scenes=2, tasks=("reach", "press")))
    names = ("none, joint actions", "poses, moved camera")
    found = run_claim(replace(claim, judged=(replace(claim.judged[0], episodes=1),)), tmp_path, SETTINGS, names=names, seeds=1, workers=0, show=False)
    assert sorted(row["name"] for row in found["variants"]) == sorted(names)
    joint, moved = (read_json(tmp_path / name / "seed0/eval/results.json")["fingerprint"] for name in ("none_joint_actions", "poses_moved_camera"))
    assert joint["action"] == "joint" and "head_azimuth" not in joint
    assert moved["action"] == "end_effector" and moved["head_azimuth"] == "(12.0, 16.0)"
    assert (tmp_path / "poses/seed0/policy").is_dir() and not (tmp_path / "poses_moved_camera/seed0/policy").exists()
    page = (tmp_path / "claim.md").read_text()
    assert "What the pose stages learnt" in page and "`none, joint actions` is judged in another world: action = joint" in page


def test_joints_of_an_action_are_those_of_the_state():
    for action, state in JOINTS_OF_STATE:
        assert ROBOTS["arm7"].action_spec("joint").dims[action].name == ROBOTS["arm7"].state_spec.dims[state].name


def test_the_variants_of_pose_vla_spend_what_their_names_say():
    claim = pose_vla_claim()
    stages = {v.name: {s.name: s for s in v.recipe(7).stages} for v in claim.variants}
    samples = {name: sum(s.steps * s.batch for s in kept.values()) for name, kept in stages.items()}
    assert samples["poses"] == samples["placebo"] == samples["none, longer"] == samples["poses and places"] > samples["none"]
    assert len({kept["robot"].steps for name, kept in stages.items() if name != "none, longer"}) == 1
    alike = [name for name in stages if not any(word in name for word in ("joint", "base frame", "pictures"))]
    models = {name: claim.variant(name).recipe(7).model for name in stages}
    assert all(stages[name]["base_vlm"] == stages["poses"]["base_vlm"] and models[name] == models["poses"] for name in alike), "they share stage 0"
    for name in ("object_poses", "waypoints"):
        a, b = (stages[v][name].sources[0] for v in claim.primary)
        assert a.data == b.data and a.supervision != b.supervision and a.transforms == b.transforms
    assert list(stages["object poses alone"]) == ["base_vlm", "object_poses", "robot"]
    assert stages["poses, 50 demonstrations"]["robot"].sources[0].data.episodes == 50
    adapters = {v.name: v.recipe(0).model.adapters[0] for v in claim.variants}
    assert [(a.drop_rays, a.drop_depth) for n, a in adapters.items() if "pictures" in n] == [(1, 1), (1, 1), (0, 1), (1, 0)]
    assert {n for n, a in adapters.items() if a.drop_rays + a.drop_depth == 0} == {n for n in stages if "pictures" not in n}
    frames = {n: kept["waypoints"].sources[0].supervision.frame for n, kept in stages.items() if "waypoints" in kept and "placebo" not in n}
    assert {n for n, frame in frames.items() if frame == "base"} == {"waypoints in the base frame", "base frame, moved camera"}
    for variant in (v for v in claim.variants if v.of):
        assert variant.recipe(3) == claim.variant(variant.of).recipe(3)
    first, second = (claim.variant("poses").recipe(seed).stages[-1].sources[0].data.seed for seed in (0, 1))
    assert first != second, "every training seed has demonstrations of its own"
