"""Perturbed plans are whole crosses with a start for every episode; smaller ones are evenly drawn; totals weigh as LIBERO-Plus does."""

from collections import Counter

import pytest
from pads import Pads

from praxia.errors import ConfigError
from praxia.evaluate import Benchmark, Factory, benchmark, evaluate
from praxia.evaluate.intervals import wilson
from praxia.evaluate.perturbed import perturbed_plan, perturbed_tables
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.results import success_table
from praxia.evaluate.rollout import Record
from praxia.worlds.libero import SUITES
from praxia.worlds.metaworld import EIGHT
from praxia.worlds.metaworld.perturb import TABLE
from praxia.worlds.perturbations import CATEGORIES, LEVELS
from praxia.worlds.world import Episode


def records(outcomes: dict[str, tuple[int, int]], task: str = "a") -> list[Record]:
    """perturbation -> (successes, episodes)."""
    return [Record(0, task, i, p, "", "", i < k, 9, 1, 0.0, 0.0, 0.0) for p, (k, n) in outcomes.items() for i in range(n)]


def test_the_plan_is_every_task_category_level_and_start_once():
    plan = benchmark("tabletop-plus").plan
    assert len(plan.episodes) == 1400 and sum(bool(e.perturbation) for e in plan.episodes) == 1225
    assert plan.hash == "162b788236b6a537", "another plan is another benchmark: its results cannot be compared with earlier ones"
    assert len({(e.task, e.seed) for e in plan.episodes}) == 1400, "no two episodes share a start"
    cells = Counter((e.task, e.perturbation) for e in plan.episodes)
    assert {cells[t, f"{c}:{n}"] for t in plan.tasks for c in CATEGORIES for n in LEVELS} == {5} and {cells[t, ""] for t in plan.tasks} == {25}
    other = benchmark("tabletop-plus", seed=1).plan
    assert other.hash != plan.hash and not {e.seed for e in other.episodes} & {e.seed for e in plan.episodes}


def test_a_smaller_plan_is_part_of_the_larger_evenly_drawn_and_says_so():
    whole = benchmark("tabletop-plus").plan
    for episodes in (1, 8, 40, 60):
        part = benchmark("tabletop-plus", episodes=episodes).plan
        assert part.episodes == whole.episodes[: 7 * episodes] and f"{episodes} of 200 episodes a task, evenly drawn" in part.name
        columns = Counter(e.perturbation.partition(":")[0] for e in part.episodes)
        assert max(columns.values()) - min(columns.values() if len(columns) == 8 else [0]) <= 7
    forty = Counter(e.perturbation for e in benchmark("tabletop-plus", episodes=40).plan.episodes)
    assert set(forty.values()) == {7, 35} and forty[""] == 35
    lights = benchmark("tabletop-plus", categories=("light", "camera"), levels=(1, 3, 5)).plan
    assert lights.name == "tabletop-plus, camera light, levels 1 3 5" and set(lights.episodes) < set(whole.episodes)
    assert len(lights.episodes) == 7 * 3 * 3 * 5 and {e.perturbation for e in lights.episodes if e.perturbation} == {
        f"{c}:{n}" for c in ("camera", "light") for n in (1, 3, 5)
    }


def test_meta_world_has_the_categories_that_apply():
    made = benchmark("metaworld-8-plus")
    assert made.plan.tasks == EIGHT and len(made.plan.episodes) == 8 * 7 * 5 == len({(e.task, e.seed) for e in made.plan.episodes})
    assert {e.perturbation.partition(":")[0] for e in made.plan.episodes} == {"", *TABLE} and "layout" not in TABLE
    assert {e.seed // 50 for e in made.plan.episodes} == {4242}


def test_libero_plus_like_has_an_init_state_for_every_episode_and_takes_other_suites():
    made = benchmark("libero-plus-like")
    assert made.world.kwargs["suite"] == ["libero_object", "libero_spatial"]
    assert made.plan.tasks == (*SUITES["libero_object"], *SUITES["libero_spatial"])
    assert len(made.plan.episodes) == 20 * 8 * 5 == len({(e.task, e.seed) for e in made.plan.episodes})
    assert {e.seed for e in made.plan.episodes} == set(range(40)), "init states of the benchmark, never the sampler's draws"
    cells = Counter((e.task, e.perturbation) for e in made.plan.episodes)
    assert {cells[t, f"{c}:{n}"] for t in made.plan.tasks for c in CATEGORIES for n in LEVELS} == {1}
    assert {cells[t, ""] for t in made.plan.tasks} == {5}
    assert made.plan.hash == "a50ae76e073be8db", "another plan is another benchmark: its results cannot be compared with earlier ones"
    goal = benchmark("libero-plus-like", tasks=("libero_goal", SUITES["libero_10"][3]))
    assert goal.plan.tasks == (*SUITES["libero_goal"], SUITES["libero_10"][3]) and goal.world.kwargs["suite"] == ["libero_goal", "libero_10"]
    with pytest.raises(ConfigError, match="LIBERO-Plus is another package.*'libero-plus-like'"):
        benchmark("libero-plus")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(name="libero-plus-like", tasks=("libero_goals",)), "did you mean .libero_goal"),
        (dict(name="libero-plus-like", seed=2), "fixed init states"),
        (dict(name="libero-plus-like", episodes=41), "expected 1 to 40"),
        (dict(categories=("lihgt",)), "did you mean 'light'"),
        (dict(levels=(0, 3)), "level 0 .* 1 to 5"),
        (dict(episodes=201), "expected 1 to 200"),
        (dict(name="tabletop", categories=("light",)), "'tabletop' has no perturbations.*tabletop-plus"),
        (dict(name="metaworld-8-plus", categories=("layout",)), "unknown category"),
    ],
)
def test_what_a_plan_cannot_have_is_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        benchmark(**({"name": "tabletop-plus"} | wrong))


def test_totals_worked_by_hand():
    """camera 3 of 4 and light 1 of 4: (1599 x 0.75 + 1142 x 0.25) / 2741 = 0.54169; the unperturbed count for nothing."""
    table = perturbed_tables(records({"": (9, 10), "camera:1": (2, 2), "camera:5": (1, 2), "light:1": (1, 2), "light:5": (0, 2)}))
    assert table["success"]["rate"] == pytest.approx(0.541682, abs=1e-6) and table["success"]["episodes"] == 8
    found = table["perturbed"]
    assert found["unperturbed"] == {"rate": 0.9, "low": wilson(9, 10).low, "high": wilson(9, 10).high, "episodes": 10}
    assert {c: r["rate"] for c, r in found["per_category"].items()} == {"camera": 0.75, "light": 0.25}
    assert found["per_category"]["camera"]["high"] == wilson(3, 4).high
    assert found["per_level"]["1"]["rate"] == pytest.approx((1599 * 1 + 1142 * 0.5) / 2741)
    assert found["per_level"]["5"]["rate"] == pytest.approx(1599 * 0.5 / 2741)
    assert found["per_category_and_level"]["light"]["5"]["rate"] == 0 and sum(found["weights"].values()) == pytest.approx(1)
    assert table["per_task"]["a"]["rate"] == 0.5


def test_published_columns_give_the_published_total():
    """PokeVLA's row of LIBERO-Plus, per mille of the columns: its Total is 79.3."""
    row = dict(camera=847, robot=461, language=848, light=946, background=826, noise=898, layout=772)
    assert perturbed_tables(records({f"{c}:1": (k, 1000) for c, k in row.items()}))["success"]["rate"] == pytest.approx(0.793, abs=5e-4)


def test_unperturbed_records_are_tabled_as_ever():
    assert set(success_table(records({"": (1, 2), "camera:0": (1, 2)}))) == {"success", "per_task"}


class Perturbable(Pads):
    """The pads, which a perturbation of level 5 takes out of sight."""

    def reset(self, episode: Episode) -> str:
        self.dark = episode.perturbation.endswith(":5")
        return super().reset(episode)

    def render(self, roles=None, depth=False, masks=False):
        views = super().render(roles, depth, masks)
        for view in views:
            view.image[:] *= not self.dark
        return views


def test_an_evaluation_reports_categories_and_levels_beside_the_unperturbed_and_its_controls(tmp_path):
    plan = perturbed_plan("pads-plus", ("red", "green"), lambda i: i, 2, ("camera", "light"))
    assert isinstance(plan, EpisodePlan) and len(plan.episodes) == 2 * 3 * 5 * 2
    made = Benchmark("pads-plus", Factory("test_perturbed:Perturbable"), plan)
    results = evaluate(made, Factory("pads:Seer"), tmp_path, control_episodes=15, workers=0, show=False)
    found = results["perturbed"]
    assert found["unperturbed"]["rate"] == 1.0 and found["unperturbed"]["episodes"] == 20
    assert [found["per_level"][n]["rate"] for n in "12345"] == [1, 1, 1, 1, 0]
    assert results["success"]["rate"] == pytest.approx(0.8) and results["plan"]["episodes"] == 60
    assert results["controls"]["images_blanked"]["perturbed"]["per_category"]["camera"]["episodes"] == 10
