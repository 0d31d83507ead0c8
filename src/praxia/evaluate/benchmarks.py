"""Benchmarks by name: a world, a plan and rules that belong together. Names never share a column of results.

| name | world | episodes |
|---|---|---|
| tabletop | embedded, split "benchmark" | held-out seeds; another `seed` is another test set |
| tabletop-arm6, tabletop-bimanual | the same table with another robot | the same |
| tabletop-unseen-words | the same scenes, phrasings that training never used | the same |
| tabletop-plus | the same scenes perturbed in seven categories at five levels, and unperturbed | a start of its own for every episode |
| metaworld-8 | eight tasks, fast look, 200 steps | MT1 seed 4242 (choosing); training is MT1 seed 0 |
| metaworld-8-final | the same | MT1 seed 777: used once, at the end |
| metaworld-8-plus | the eight tasks in the six categories that apply, and unperturbed | MT1 seed 4242 |
| metaworld-mt10, metaworld-mt50 | fast look, 500 steps | MT1 seed 4242 |
| metaworld-mt50-public | public look, 500 steps | fresh random resets, as published results are made |
| libero_spatial, libero_object, libero_goal, libero_10, libero_90 | the real LIBERO | its init states: 50 a task |
| libero-plus-like | libero_object and libero_spatial, or other suites, perturbed by our own table | an init state of its own for every episode |
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from praxia.errors import ConfigError, unknown
from praxia.evaluate.factory import Factory
from praxia.evaluate.perturbed import perturbed_plan
from praxia.evaluate.plan import EpisodePlan, held_out_plan, interleaved, mt1_plan
from praxia.evaluate.rollout import Rules
from praxia.worlds.libero.perturb import TABLE as LIBERO_TABLE
from praxia.worlds.libero.tasks import STARTS as LIBERO_STARTS
from praxia.worlds.libero.tasks import SUITES, suites_of
from praxia.worlds.metaworld.perturb import TABLE as METAWORLD_TABLE
from praxia.worlds.metaworld.starts import STARTS_PER_SEED, episode_seed
from praxia.worlds.metaworld.tasks import EIGHT, GROUPS, MT10, TASKS, tasks_of
from praxia.worlds.world import Episode

TRAINING_SEED = 0  # MT1 seed of the training conditions
CHOOSING_SEED, FINAL_SEED = 4242, 777
_PLUS_STARTS = 5  # of every task at every level of every category: 7 x 8 x 5 x 5 = 1400 episodes, 1225 of them perturbed
EIGHT_LIMIT = 200  # steps an episode; the experts need 34 to 92
_LIBERO_PLUS_SUITES = ("libero_object", "libero_spatial")
_ELSEWHERE = {
    "libero-plus": "LIBERO-Plus is another package with tasks of its own, which is not run here; fix: 'libero-plus-like' perturbs the real LIBERO "
    "in the same seven categories, and its results are compared with nobody else's",
}


@dataclass(frozen=True)
class Benchmark:
    """What is judged and how. embodiment: the world's robot. groups: difficulty group -> its tasks, where results are reported by group."""

    name: str
    world: Factory
    plan: EpisodePlan
    rules: Rules = field(default_factory=Rules)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embodiment: str = ""


def benchmark_names() -> tuple[str, ...]:
    """Every benchmark there is."""
    return (*_BUILDERS, *_PLUS)


def benchmark(
    name: str,
    tasks: Sequence[str] | None = None,
    episodes: int | None = None,
    seed: int = 0,
    world: Mapping[str, Any] | None = None,
    rules: Rules | None = None,
    categories: Sequence[str] = (),
    levels: Sequence[int] = (),
) -> Benchmark:
    """The benchmark `name`.

    tasks: a part of its tasks. episodes: per task. seed: another test set (held-out and random resets only). world: further keywords of the world,
    e.g. {"size": 128}. categories, levels: some of the perturbations (names with -plus only).
    Raises ConfigError for unknown names, or where a benchmark does not take the option.
    """
    if name in _ELSEWHERE:
        raise ConfigError(f"benchmark {name!r}: {_ELSEWHERE[name]}")
    if name not in benchmark_names():
        raise ConfigError(unknown("benchmark", name, benchmark_names()))
    options = (name, None if tasks is None else tuple(tasks), episodes, seed, dict(world or {}))
    if name in LIBERO and rules and rules.max_steps:
        options = (*options[:-1], {**options[-1], "limit": rules.max_steps})  # the world says its limits in the fingerprint
    if name in _PLUS:
        made = _PLUS[name](*options, tuple(categories), tuple(levels))
    elif categories or levels:
        raise ConfigError(f"benchmark {name!r} has no perturbations, so categories and levels mean nothing; fix: choose among {', '.join(_PLUS)}")
    else:
        made = _BUILDERS[name](*options)
    return made if rules is None else replace(made, rules=rules)


def metaworld_training(tasks: Sequence[str]) -> tuple[Episode, ...]:
    """The training conditions of the Meta-World benchmarks: all 50 of MT1 seed 0 for each task."""
    return tuple(Episode(task, episode_seed(TRAINING_SEED, i)) for task in tasks for i in range(STARTS_PER_SEED))


Options = tuple[str, ...] | None
_Builder = Callable[[str, Options, int | None, int, dict[str, Any]], Benchmark]
_PlusBuilder = Callable[[str, Options, int | None, int, dict[str, Any], tuple[str, ...], tuple[int, ...]], Benchmark]


def _tabletop(phrasing: str, robot: str = "arm7") -> _Builder:
    def build(name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any]) -> Benchmark:
        other = {} if robot == "arm7" else {"robot": robot}
        factory = Factory("praxia.worlds.tabletop:Tabletop", {"split": "benchmark", "phrasing": phrasing} | other | world)
        probe = factory.build()
        chosen = _part(name, tasks, probe.tasks())
        probe.close()
        return Benchmark(name, factory, held_out_plan(name, chosen, episodes or 20, seed), embodiment=robot)

    return build


def _mt1(all_tasks: tuple[str, ...], benchmark_seed: int, limit: int, usual: int) -> _Builder:
    def build(name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any]) -> Benchmark:
        if seed:
            raise ConfigError(
                f"benchmark {name!r} has fixed initial conditions (MT1 seed {benchmark_seed}): seed {seed} means nothing here; fix: leave it out"
            )
        chosen = _part(name, tasks, all_tasks)
        factory = Factory("praxia.worlds.metaworld:MetaWorld", {"tasks": list(chosen), "limit": limit} | world)
        plan = mt1_plan(name, chosen, episodes or usual, benchmark_seed)
        return Benchmark(name, factory, plan, groups=_groups(all_tasks, chosen), embodiment="sawyer")

    return build


def _public(name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any]) -> Benchmark:
    chosen = _part(name, tasks, tuple(TASKS))
    factory = Factory("praxia.worlds.metaworld:MetaWorld", {"tasks": list(chosen), "protocol": "public"} | world)
    plan = held_out_plan(name, chosen, episodes or 10, seed)
    return Benchmark(name, factory, plan, groups=_groups(tuple(TASKS), chosen), embodiment="sawyer")


def _libero(name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any]) -> Benchmark:
    chosen, count = _part(name, tasks, SUITES[name]), episodes or LIBERO_STARTS
    if seed:
        raise ConfigError(f"benchmark {name!r} has fixed init states: seed {seed} means nothing here; fix: leave it out")
    if count > LIBERO_STARTS:
        raise ConfigError(f"{count} episodes a task of benchmark {name!r}: it has {LIBERO_STARTS} init states a task; fix: ask for at most as many")
    factory = Factory("praxia.worlds.libero:Libero", {"suite": name, "tasks": list(chosen)} | world)
    return Benchmark(name, factory, interleaved(name, chosen, range(count)), embodiment="panda")


def _tabletop_plus(
    name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any], categories: tuple[str, ...], levels: tuple[int, ...]
) -> Benchmark:
    usual = _BUILDERS["tabletop"](name, tasks, 1, seed, world)
    first = usual.plan.episodes[0].seed
    plan = perturbed_plan(
        name, usual.plan.tasks, lambda i: first + i, _PLUS_STARTS, categories=categories, levels=levels, episodes=episodes, seed=seed
    )
    return replace(usual, plan=plan)


def _metaworld_plus(
    name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any], categories: tuple[str, ...], levels: tuple[int, ...]
) -> Benchmark:
    usual = _BUILDERS["metaworld-8"](name, tasks, 1, seed, world)
    plan = perturbed_plan(
        name, usual.plan.tasks, lambda i: episode_seed(CHOOSING_SEED, i), 1, tuple(METAWORLD_TABLE), categories, levels, episodes, CHOOSING_SEED
    )
    return replace(usual, plan=plan)


def _libero_plus_like(
    name: str, tasks: Options, episodes: int | None, seed: int, world: dict[str, Any], categories: tuple[str, ...], levels: tuple[int, ...]
) -> Benchmark:
    if seed:
        raise ConfigError(f"benchmark {name!r} has fixed init states: seed {seed} means nothing here; fix: leave it out")
    everything = (*SUITES, *(task for suite in SUITES.values() for task in suite))
    parts = _part(name, tasks or _LIBERO_PLUS_SUITES, everything)
    chosen = tuple(dict.fromkeys(task for part in parts for task in SUITES.get(part, (part,))))
    factory = Factory("praxia.worlds.libero:Libero", {"suite": list(suites_of(chosen)), "tasks": list(chosen)} | world)
    plan = perturbed_plan(name, chosen, lambda i: i, 1, tuple(LIBERO_TABLE), categories, levels, episodes)
    return Benchmark(name, factory, plan, embodiment="panda")


_BUILDERS: dict[str, _Builder] = {
    "tabletop": _tabletop("train"),
    "tabletop-arm6": _tabletop("train", "arm6"),
    "tabletop-bimanual": _tabletop("train", "bimanual"),
    "tabletop-unseen-words": _tabletop("held_out"),
    "metaworld-8": _mt1(EIGHT, CHOOSING_SEED, EIGHT_LIMIT, 20),
    "metaworld-8-final": _mt1(EIGHT, FINAL_SEED, EIGHT_LIMIT, 20),
    "metaworld-mt10": _mt1(MT10, CHOOSING_SEED, 500, 10),
    "metaworld-mt50": _mt1(tuple(TASKS), CHOOSING_SEED, 500, 10),
    "metaworld-mt50-public": _public,
    **dict.fromkeys(SUITES, _libero),
}

_PLUS: dict[str, _PlusBuilder] = {
    "tabletop-plus": _tabletop_plus,
    "metaworld-8-plus": _metaworld_plus,
    "libero-plus-like": _libero_plus_like,
}
LIBERO = (*SUITES, "libero-plus-like")  # benchmarks in the real LIBERO


def _part(name: str, tasks: Options, all_tasks: tuple[str, ...]) -> tuple[str, ...]:
    for task in tasks or ():
        if task not in all_tasks:
            raise ConfigError(unknown(f"task of benchmark {name!r}", task, all_tasks))
    return tuple(tasks or all_tasks)


def _groups(all_tasks: tuple[str, ...], chosen: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Difficulty groups mean something over all 50 tasks only."""
    return {group: tasks_of(group) for group in GROUPS} if set(chosen) == set(all_tasks) == set(TASKS) else {}
