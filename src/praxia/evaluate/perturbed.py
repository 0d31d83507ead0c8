"""Plans over perturbations and what their records say: success by category and by level, beside the same tasks unperturbed.

One episode a perturbed task, as LIBERO-Plus has it: every entry has a start of its own, so that no two share what makes them hard.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from praxia.errors import ConfigError, unknown
from praxia.evaluate.intervals import Rate, stratified, wilson
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.rollout import Record
from praxia.worlds.perturbations import CATEGORIES, LEVELS, PUBLISHED_TASKS, split_name
from praxia.worlds.world import Episode

UNPERTURBED = ""


def perturbed_plan(
    name: str,
    tasks: Sequence[str],
    start: Callable[[int], int],
    starts: int,
    offered: Sequence[str] = CATEGORIES,
    categories: Sequence[str] = (),
    levels: Sequence[int] = (),
    episodes: int | None = None,
    seed: int = 0,
) -> EpisodePlan:
    """tasks x (categories and unperturbed) x levels x `starts`; the unperturbed column has as many episodes as any other.

    start: number of a start (0, 1, ...) -> its episode seed. offered: the categories of the world. categories, levels: a part of them.
    episodes: per task, evenly drawn: first every category, then every level of each, then another start; a smaller plan is part of the larger.
    A plan that is not whole says in its name what it is.
    """
    for category in categories:
        if category not in offered:
            raise ConfigError(unknown(f"category of benchmark {name!r}", category, offered))
    for level in levels:
        if level not in LEVELS:
            raise ConfigError(f"level {level} of benchmark {name!r}: expected {LEVELS[0]} to {LEVELS[-1]}")
    columns = (UNPERTURBED, *(c for c in offered if not categories or c in categories))
    steps = tuple(level for level in LEVELS if not levels or level in levels)
    whole = len(columns) * len(steps) * starts
    count = whole if episodes is None else episodes
    if not 1 <= count <= whole:
        raise ConfigError(f"{count} episodes a task of benchmark {name!r}: expected 1 to {whole}; fix: leave it out for all of them")

    def entry(place: int, index: int) -> Episode:
        """The index-th episode of a task; tasks begin with other columns and levels."""
        turn, column = index // len(columns), columns[(index + place) % len(columns)]
        level = steps[(turn + columns.index(column) + place) % len(steps)]
        cell = ((UNPERTURBED, *offered).index(column) * len(LEVELS) + LEVELS.index(level)) * starts
        return Episode(tasks[place], start(cell + turn // len(steps)), f"{column}:{level}" if column else UNPERTURBED)

    planned = tuple(entry(place, index) for index in range(count) for place in range(len(tasks)))
    parts = [" ".join(columns[1:])] * bool(categories) + [f"levels {' '.join(map(str, steps))}"] * bool(levels)
    parts += [f"{count} of {whole} episodes a task, evenly drawn"] * (count < whole)
    return EpisodePlan(", ".join((name, *parts)), planned, seed)


def perturbed_tables(records: Sequence[Record]) -> dict[str, Any]:
    """{"success": the Total, "per_task", "perturbed": {unperturbed, per_category, per_level, per_category_and_level, weights}}; rates as elsewhere.

    The Total is the mean of the categories weighted by LIBERO-Plus's numbers of tasks in each (of those that were judged), as its own Total is;
    so is the rate of a level over all categories. per_task: over perturbed episodes. unperturbed: None if there were none.
    """
    cells: dict[tuple[str, int], list[bool]] = defaultdict(list)
    tasks: dict[str, list[bool]] = defaultdict(list)
    for record in records:
        cells[split_name(record.perturbation)].append(record.success)
        if split_name(record.perturbation)[0]:
            tasks[record.task].append(record.success)
    plain = cells.pop((UNPERTURBED, 0), [])
    categories = [c for c in CATEGORIES if any(c == category for category, _ in cells)]
    levels = [n for n in LEVELS if any(n == level for _, level in cells)]
    by_category = {c: [s for (category, _), found in cells.items() if category == c for s in found] for c in categories}
    total = sum(PUBLISHED_TASKS[c] for c in categories)
    return {
        "success": asdict(_weighted(by_category)),
        "per_task": {task: _rate(found) for task, found in tasks.items()},
        "perturbed": {
            "unperturbed": _rate(plain) if plain else None,
            "per_category": {c: _rate(found) for c, found in by_category.items()},
            "per_level": {str(n): asdict(_weighted({c: cells[c, n] for c in categories if cells.get((c, n))})) for n in levels},
            "per_category_and_level": {c: {str(n): _rate(cells[c, n]) for n in levels if cells.get((c, n))} for c in categories},
            "weights": {c: PUBLISHED_TASKS[c] / total for c in categories},
        },
    }


def _rate(found: Sequence[bool]) -> dict[str, float]:
    return asdict(wilson(sum(found), len(found)))


def _weighted(found: dict[str, list[bool]]) -> Rate:
    """Over categories, each weighing what it weighs in LIBERO-Plus."""
    return stratified([sum(s) for s in found.values()], [len(s) for s in found.values()], [PUBLISHED_TASKS[c] for c in found])
