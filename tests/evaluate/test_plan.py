"""Plans are fixed beforehand, apart from training, and identified by their content."""

import pytest

from praxia.data.making import DEMONSTRATION_SEEDS
from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import benchmark, benchmark_names, metaworld_training
from praxia.evaluate.plan import EpisodePlan, check_disjoint, held_out_plan, interleaved, mt1_plan
from praxia.evaluate.rollout import Rules
from praxia.registry import from_json, to_json
from praxia.worlds.metaworld import EIGHT, TASKS
from praxia.worlds.world import Episode


def test_a_plan_is_known_by_its_content():
    plan = interleaved("p", ("a", "b"), range(3))
    assert plan.hash == interleaved("p", ("a", "b"), range(3)).hash == from_json(to_json(plan)).hash
    others = [interleaved("p", ("a", "b"), range(4)), interleaved("p", ("b", "a"), range(3)), interleaved("p", ("a", "b"), range(3), seed=1)]
    assert len({plan.hash, *(other.hash for other in others)}) == 4


def test_tasks_are_interleaved_and_a_smaller_plan_is_part_of_the_larger():
    plan = interleaved("p", ("a", "b"), (7, 8, 9))
    assert plan.episodes[:3] == (Episode("a", 7), Episode("b", 7), Episode("a", 8))
    assert plan.first_per_task(2) == (0, 1, 2, 3)
    assert plan.policy_seed(3) != plan.policy_seed(4) != plan.control_seed


def test_held_out_seeds_are_below_every_drawn_training_seed_and_differ_between_test_sets():
    first, second = held_out_plan("p", ("a",), 100, 0), held_out_plan("p", ("a",), 100, 1)
    seeds = [{episode.seed for episode in plan.episodes} for plan in (first, second)]
    last = held_out_plan("p", ("a",), 1000, 999).episodes[-1].seed
    assert max(max(s) for s in seeds) < last < DEMONSTRATION_SEEDS and not seeds[0] & seeds[1]


def test_the_eight_task_benchmark_is_the_one_that_was_measured():
    chosen, final = benchmark("metaworld-8"), benchmark("metaworld-8-final")
    assert chosen.plan.tasks == EIGHT and len(chosen.plan.episodes) == len(final.plan.episodes) == 160
    assert {episode.seed // 50 for episode in chosen.plan.episodes} == {4242}
    assert {episode.seed // 50 for episode in final.plan.episodes} == {777}
    training = metaworld_training(EIGHT)
    assert len(training) == 400 and {episode.seed for episode in training} == set(range(50))
    check_disjoint(chosen.plan, training)
    check_disjoint(final.plan, training)
    assert chosen.world.kwargs["limit"] == 200


def test_mt50_is_reported_by_group_and_the_public_look_has_its_own_name():
    fast, public = benchmark("metaworld-mt50"), benchmark("metaworld-mt50-public")
    assert len(fast.plan.episodes) == len(public.plan.episodes) == 500
    assert sorted(len(tasks) for tasks in fast.groups.values()) == [5, 6, 11, 28]
    assert public.world.kwargs["protocol"] == "public" and fast.plan.hash != public.plan.hash
    assert not benchmark("metaworld-mt50", tasks=("reach",)).groups
    assert set(fast.plan.tasks) == set(TASKS)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: EpisodePlan("p", ()), "no episodes"),
        (lambda: EpisodePlan("p", (Episode("a", 1), Episode("a", 1))), "twice"),
        (lambda: mt1_plan("p", ("reach",), 51, 0), "1 to 50"),
        (lambda: held_out_plan("p", ("a",), 5, 5000), "seed"),
        (lambda: benchmark("metaworld-50"), "metaworld-mt50"),
        (lambda: benchmark("metaworld-8", seed=3), "leave it out"),
        (lambda: benchmark("metaworld-8", tasks=("assembly",)), "reach"),
        (lambda: check_disjoint(benchmark("metaworld-8").plan, benchmark("metaworld-8").plan.episodes[:1]), "training"),
    ],
)
def test_plans_that_cannot_be_are_refused(make, says: str):
    with pytest.raises(ConfigError, match=says):
        make()


def test_every_benchmark_has_a_plan_over_its_worlds_tasks():
    for name in benchmark_names():
        made = benchmark(name, episodes=2)
        assert len(made.plan.episodes) == 2 * len(made.plan.tasks)


def test_another_step_limit_is_the_liberos_own_which_says_it_in_the_fingerprint():
    for name in ("libero_spatial", "libero-plus-like"):
        assert benchmark(name, rules=Rules(max_steps=280)).world.kwargs["limit"] == 280
        assert "limit" not in benchmark(name, rules=Rules()).world.kwargs


def test_libero_plans_are_its_init_states():
    whole = benchmark("libero_spatial")
    assert len(whole.plan.episodes) == 500 and whole.embodiment == "panda"
    assert {episode.seed for episode in whole.plan.episodes} == set(range(50))
    part = benchmark("libero_10", episodes=2)
    assert part.plan.episodes == benchmark("libero_10").plan.episodes[:20]
    for options, message in (
        ({"seed": 1}, "fixed init states"),
        ({"episodes": 51}, "it has 50 init states a task"),
        ({"tasks": ("x",)}, "unknown task"),
    ):
        with pytest.raises(ConfigError, match=message):
            benchmark("libero_goal", **options)
