"""Whole evaluations: any number of workers, killed and resumed, beside controls, compared in pairs."""

import json
from dataclasses import replace

import pytest
from pads import COLOURS

from praxia.errors import ConfigError, DataError, EvaluationError
from praxia.evaluate import Benchmark, Factory, compare_categories, compare_folders, evaluate
from praxia.evaluate.controls import shuffled_instructions
from praxia.evaluate.evaluate import record_path
from praxia.evaluate.factory import policy_folder, policy_identity
from praxia.evaluate.plan import EpisodePlan, interleaved, mt1_plan
from praxia.evaluate.records import RecordFile
from praxia.evaluate.rollout import Record, Rules, Trial
from praxia.evaluate.runner import judges, run_plan
from praxia.evaluate.workers import Setup, next_trial
from praxia.worlds.world import Episode

PLAN = interleaved("pads", tuple(COLOURS), range(12))
WORLD = Factory("pads:Pads")


def seer(**kwargs) -> Factory:
    return Factory("pads:Seer", kwargs)


def setup(policy: Factory | None = None, world: Factory = WORLD) -> Setup:
    return Setup(world, policy or seer(noise=0.04), Rules())


def outcome(records: tuple[Record, ...]) -> list[tuple]:
    return [(r.index, r.task, r.seed, r.told, r.success, r.steps, r.looks) for r in records]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The plan judged in this process."""
    with judges(setup(), 0) as by:
        return outcome(run_plan(PLAN, by, tmp_path_factory.mktemp("reference") / "a.jsonl", show=False).records)


def test_results_do_not_depend_on_the_number_of_workers(tmp_path, reference):
    with judges(setup(), 2) as by:
        assert outcome(run_plan(PLAN, by, tmp_path / "two.jsonl", show=False).records) == reference
    assert len({row[5] for row in reference}) > 3, "the noise makes episodes differ"


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_world_that_holds_its_task_gets_episodes_of_a_task_in_a_row_and_the_same_outcomes(tmp_path, reference, workers):
    path = tmp_path / "held.jsonl"
    with judges(setup(world=Factory("pads:HoldingPads")), workers) as by:
        assert outcome(run_plan(PLAN, by, path, show=False).records) == reference
    ran = [record.task for record in RecordFile(path).records.values()]
    if workers < 2:
        assert ran == ["red"] * 12 + ["green"] * 12


def test_a_worker_stays_at_its_task_then_takes_one_that_nobody_is_at():
    waiting = [Trial(i, Episode(task, i), (i,)) for i, task in enumerate("aabbca")]
    assert [next_trial(waiting, task, elsewhere).index for task, elsewhere in (("b", "a"), ("c", "ab"), ("x", "a"), ("x", "a"))] == [2, 4, 3, 0]


def test_an_evaluation_whose_worker_died_names_the_episode_and_goes_on_where_it_stopped(tmp_path, reference):
    policy = seer(noise=0.04, crash=str(tmp_path / "crashed"))
    path = tmp_path / "run.jsonl"
    with pytest.raises(EvaluationError, match=r"died in episode 5 \(green, seed 2, normal\), exit code 9"), judges(setup(policy), 1) as by:
        run_plan(PLAN, by, path, show=False)
    kept = RecordFile(path).records
    assert sorted(kept) == [0, 1, 2, 3, 4]
    with path.open("ab") as file:
        file.write(b'{"index": 5, "task": "gre')  # cut short in the middle of a line
    with judges(setup(policy), 1) as by:
        run = run_plan(PLAN, by, path, show=False)
    assert outcome(run.records) == reference
    assert [run.records[i] for i in kept] == list(kept.values()), "finished episodes are not run again"


def test_a_finished_evaluation_needs_nobody_to_judge(tmp_path, reference):
    path = tmp_path / "a.jsonl"
    with judges(setup(), 0) as by:
        run_plan(PLAN, by, path, show=False)
    lines = path.read_text()
    with judges(setup(), 2) as by:
        assert outcome(run_plan(PLAN, by, path, show=False).records) == reference
        assert not by._workers  # type: ignore[attr-defined]
    assert path.read_text() == lines


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (setup(seer(noise=0.05)), "policy"),
        (Setup(WORLD, seer(noise=0.04), Rules(replan=1)), "rules"),
        (setup(world=Factory("pads:Pads", {"limit": 9})), "world"),
    ],
)
def test_records_of_another_evaluation_are_not_continued(tmp_path, changed: Setup, field: str):
    with judges(setup(), 0) as by:
        run_plan(PLAN, by, tmp_path / "a.jsonl", indices=(0, 1), show=False)
    with pytest.raises(ConfigError, match=f"its {field} is"), judges(changed, 0) as by:
        run_plan(PLAN, by, tmp_path / "a.jsonl", show=False)


def test_an_evaluation_that_failed_in_its_first_episode_binds_nobody(tmp_path, reference):
    path = tmp_path / "a.jsonl"
    with pytest.raises(EvaluationError, match="not finite"), judges(setup(seer(nan_at=0)), 0) as by:
        run_plan(PLAN, by, path, show=False)
    with judges(setup(seer(noise=0.04)), 0) as by:
        assert outcome(run_plan(PLAN, by, path, show=False).records) == reference


def test_a_damaged_line_in_the_middle_is_not_overlooked(tmp_path):
    path = tmp_path / "a.jsonl"
    with judges(setup(), 0) as by:
        run_plan(PLAN, by, path, indices=(0, 1, 2), show=False)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "garbage\n" + "".join(lines[2:]))
    with pytest.raises(DataError, match="line 2 is damaged"):
        RecordFile(path)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (setup(seer(nan_at=0)), r"in episode 0 \(red, seed 0, normal\).*not finite"),
        (setup(world=Factory("pads:broken_world")), "(?s)while it loaded.*no such simulator"),
        (setup(Factory("pads:Nobody")), "cannot find 'pads:Nobody'"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_told_here(tmp_path, broken: Setup, says: str):
    with pytest.raises(EvaluationError, match=says), judges(broken, 1) as by:
        run_plan(PLAN, by, tmp_path / "a.jsonl", show=False)


def test_the_shuffled_instruction_is_another_text_and_the_same_for_every_policy():
    own = [f"go to the {episode.task} pad" for episode in PLAN.episodes]
    told = shuffled_instructions(PLAN, own)
    assert all(a != b for a, b in zip(own, told)) and set(told) == set(own)
    assert told == shuffled_instructions(PLAN, own)
    with pytest.raises(ConfigError, match="nothing to shuffle"):
        shuffled_instructions(PLAN, ["go"] * len(own))


def test_a_policy_that_sees_and_hears_is_told_from_its_controls(tmp_path):
    benchmark = Benchmark("pads", WORLD, PLAN, groups={"one": ("red",), "two": ("green",)})
    results = evaluate(benchmark, seer(), tmp_path, control_episodes=8, workers=0, show=False)
    assert results == json.loads((tmp_path / "results.json").read_text()) | {"rules": results["rules"], "plan": results["plan"]}
    rate = {"rate", "low", "high", "episodes"}
    assert set(results["success"]) == set(results["per_task"]["red"]) == set(results["per_group"]["one"]) == set(results["group_mean"]) == rate
    assert results["success"]["rate"] == 1.0 and results["success"]["episodes"] == 24
    for control in ("instruction_shuffled", "images_blanked"):
        assert set(results["controls"][control]) == rate | {"per_task"}
        assert results["controls"][control]["episodes"] == 16
        assert results["controls"][control]["high"] < results["success"]["low"]
    assert results["policy"]["metadata"]["recipe"] == "seer" and results["fingerprint"]["world"] == "pads"
    assert results["plan"]["hash"] == PLAN.hash


def test_a_single_instruction_cannot_be_shuffled_and_the_result_says_so(tmp_path):
    results = evaluate(Benchmark("pads", WORLD, interleaved("p", ("red",), range(3))), seer(), tmp_path, workers=0, show=False)
    assert results["controls"]["instruction_shuffled"] is None and results["controls"]["images_blanked"]["rate"] == 0


def test_two_policies_are_compared_episode_by_episode(tmp_path):
    for name, policy in (("good", seer()), ("lost", seer(noise=0.3))):
        evaluate(Benchmark("pads", WORLD, PLAN), policy, tmp_path / name, controls=(), workers=0, show=False)
    result = compare_folders(tmp_path / "good", tmp_path / "lost")
    assert result.difference > 0 and result.only_first > result.only_second and result.episodes == 24
    evaluate(Benchmark("pads", WORLD, interleaved("other", ("red",), range(5))), seer(), tmp_path / "else", controls=(), workers=0, show=False)
    with pytest.raises(ConfigError, match="differ in plan"):
        compare_folders(tmp_path / "good", tmp_path / "else")
    with pytest.raises(DataError, match="no finished episodes"):
        compare_folders(tmp_path / "good", tmp_path / "nothing")


def test_two_policies_are_compared_by_category(tmp_path):
    names = ("", "camera:1", "camera:0", "light:5")
    plan = EpisodePlan("perturbed", tuple(replace(e, perturbation=names[i % 4]) for i, e in enumerate(PLAN.episodes)))
    for name, policy in (("good", seer()), ("lost", seer(noise=0.3))):
        evaluate(Benchmark("pads", WORLD, plan), policy, tmp_path / name, controls=(), workers=0, show=False)
    found, whole = (f(tmp_path / "good", tmp_path / "lost") for f in (compare_categories, compare_folders))
    assert {name: p.episodes for name, p in found.items()} == {"unperturbed": 12, "camera": 6, "light": 6}
    assert sum(p.only_first for p in found.values()) == whole.only_first > 0
    evaluate(Benchmark("pads", WORLD, PLAN), seer(), tmp_path / "plain", controls=(), workers=0, show=False)
    assert compare_categories(tmp_path / "plain", tmp_path / "plain") == {}


def test_the_expert_behind_a_factory_opens_meta_worlds_drawer(tmp_path):
    """Its own world follows `executed` and must meet every `state`: nothing between plan, world and policy is lost or doubled."""
    world = Factory("praxia.worlds.metaworld:MetaWorld", {"tasks": ["drawer-open"], "size": 48, "views": ["scene"]})
    plan = mt1_plan("drawer", ("drawer-open",), 2, 4242)
    results = evaluate(Benchmark("drawer", world, plan), Factory("pads:Replayer"), tmp_path, controls=(), workers=1, show=False)
    assert results["success"]["rate"] == 1.0
    records = RecordFile(record_path(tmp_path, "normal")).records
    assert all(record.looks == -(-record.steps // 8) for record in records.values())


def test_a_policy_is_its_weights_wherever_its_folder_is(tmp_path):
    for name, weights in (("here", b"1"), ("moved", b"1"), ("other", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_bytes(weights)
    here, moved, other = (policy_identity(policy_folder(tmp_path / name)) for name in ("here", "moved", "other"))
    assert here == moved != other
    assert policy_identity(policy_folder(tmp_path / "moved", embodiment="arm7")) != here
    nowhere = [policy_identity(policy_folder(tmp_path / name)) for name in ("none", "nothing")]
    assert nowhere[0] != nowhere[1]  # without weights the place is all there is
