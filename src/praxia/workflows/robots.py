"""The robots of a run: one for each embodiment, what its numbers mean, how they are transformed, and whether weights of another run mean the same."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from praxia.data.numbers import Numbers
from praxia.data.source import SampleSource
from praxia.data.unified_space import UnifiedSpace
from praxia.errors import CheckpointError, ConfigError, DataError, SpecMismatch
from praxia.files import read_json
from praxia.policy import Robot
from praxia.policy.config import STATISTICS
from praxia.registry import from_json
from praxia.specs import CameraSpec, check_identity
from praxia.stages.recipe import InitFrom, Recipe


def robots_of(recipe: Recipe, sources: dict[Any, SampleSource]) -> tuple[Robot, ...]:
    """One robot per embodiment; sources of one embodiment must agree in every identity field. Pictures nobody acts in have none."""
    by_name: dict[str, list[SampleSource]] = {}
    for source in sources.values():
        if source.embodiment:
            by_name.setdefault(source.embodiment, []).append(source)
    acting = acting_sources(recipe, sources)
    kept = read_statistics(Path(recipe.statistics)) if recipe.statistics else {}
    space = (recipe.numbers or Numbers()).behind(kept)
    space = space.joined([(name, group[0].action_spec, group[0].state_spec) for name, group in by_name.items() if name not in kept])
    robots = []
    for name, group in by_name.items():
        first = group[0]
        for other in group[1:]:
            check_identity("ActionSpec", first.action_spec, f"dataset {first.name!r}", other.action_spec, f"dataset {other.name!r}")
            check_identity("StateSpec", first.state_spec, f"dataset {first.name!r}", other.state_spec, f"dataset {other.name!r}")
            _check_deltas(first, other)
        acts = _last_acting(recipe, sources, group)
        fitted_on = acts or group
        actions, states, lengths = zip(*(s.numbers() for s in fitted_on), strict=True)
        rows = [n for group_lengths in lengths for n in group_lengths]
        numbers = _kept(recipe, kept[name], space, first) if name in kept else space.of(name, first.action_spec, first.state_spec)
        numbers = numbers.fitted(np.concatenate(actions), np.concatenate(states), rows, _horizon(recipe))
        seeing = [s for s in fitted_on if s.cameras] or fitted_on  # numbers alone say nothing of pictures
        cameras = _cameras(seeing) if acts else seeing[0].cameras  # pictures of a robot that never acts are just pictures: stages may show other ones
        robots.append(Robot(name, first.action_spec, first.state_spec, cameras, numbers, _given(seeing)))
    robots.sort(key=lambda r: r.embodiment not in {s.embodiment for s in acting})
    return tuple(robots)


def _check_deltas(one: SampleSource, other: SampleSource) -> None:
    """DataError where one robot's deltas are of steps of different length: the same number would be another speed."""
    deltas = [dim.name for dim in one.action_spec.dims if dim.reference == "delta"]
    if deltas and one.action_spec.rate_hz != other.action_spec.rate_hz:
        raise DataError(
            f"datasets {one.name!r} and {other.name!r} of robot {one.embodiment!r} have {one.action_spec.rate_hz:g} and "
            f"{other.action_spec.rate_hz:g} actions a second, and deltas from step to step ({', '.join(deltas)}): equal numbers would be different "
            "speeds\n  fix: bring both to one rate, or name them as two robots in their cards"
        )


def _last_acting(recipe: Recipe, sources: dict[Any, SampleSource], group: list[SampleSource]) -> list[SampleSource]:
    """Of a robot's sources those of the last stage in which it acts: more data of an earlier stage does not change what its numbers mean."""
    for stage in reversed(recipe.stages):
        found = [sources[x.data] for x in stage.sources if x.supervision.needs.horizon > 0 and sources[x.data] in group]
        if found:
            return list(dict.fromkeys(found))
    return []


def _kept(recipe: Recipe, numbers: Numbers, space: Any, source: SampleSource) -> Numbers:
    """A robot's numbers of an earlier run, in vectors as wide as this run's, its past told as this run's recipe has it. Raises ConfigError where
    they are those of another robot, or in no shared vectors where the recipe has some."""
    wide = replace(numbers, past=space.past)
    if isinstance(space, UnifiedSpace):
        if 0 in numbers.widths:
            raise ConfigError(
                f"Recipe.statistics {recipe.statistics!r}: the numbers of {source.embodiment!r} there stand in no unified space, as recipe "
                f"{recipe.name!r} has one\n  fix: give the statistics of a run with such a space, or none"
            )
        wide = wide.widened(space.action_width, space.state_width)
    state = np.zeros(source.state_spec.width, np.float32)
    try:
        wide.action_forward(np.zeros(source.action_spec.width, np.float32), state)
        wide.state_forward(state)
    except (SpecMismatch, IndexError) as error:
        raise ConfigError(
            f"Recipe.statistics {recipe.statistics!r}: the numbers of {source.embodiment!r} there are not those of dataset {source.name!r} "
            f"({error})\n"
            "  fix: give the statistics of a run of this robot, or name the robot otherwise in the dataset's card"
        ) from error
    return wide


def read_statistics(path: Path) -> dict[str, Numbers]:
    """Number transforms of every robot in a `statistics.json`, or in the run or policy folder that has one. Raises ConfigError."""
    path = path / STATISTICS if path.is_dir() else path
    try:
        found = {name: from_json(value) for name, value in read_json(path).items()}
        if strange := [name for name, numbers in found.items() if not isinstance(numbers, Numbers)]:
            raise ValueError(f"{strange[0]!r} has no number transforms")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"Recipe.statistics {str(path)!r} cannot be read ({error}); give the {STATISTICS} of a run or policy folder") from error
    return found


def check_numbers(init: InitFrom, folder: Path, robots: Sequence[Robot], embodiments: Sequence[str]) -> None:
    """CheckpointError where a head or encoder of another run was trained on numbers that mean something else here."""
    acts = not init.parts or any(ours.split(".")[0] in ("head", "encoder") for _, ours in init.parts)
    file = next((place / STATISTICS for place in (folder, *folder.parents[:4]) if (place / STATISTICS).is_file()), None)
    if not acts or file is None:
        return
    theirs = read_statistics(file)
    prompted = not init.parts or any(ours.split(".")[0] in ("encoder", "tokens") for _, ours in init.parts)
    if prompted and embodiments and list(theirs)[: len(embodiments)] != list(embodiments):
        raise CheckpointError(
            f"hand-off from {folder}: its soft prompts are of {', '.join(theirs)}, in this order, here they would be taken for those of "
            f"{', '.join(embodiments)}\n  fix: name the robots in that order in ModelSpec.embodiments, and give their data"
        )
    remembers = not init.parts or any(ours.split(".")[0] == "tokens" for _, ours in init.parts)  # what reads a history token's past
    if other := [r.embodiment for r in robots if r.embodiment in theirs and not _equal(theirs[r.embodiment], r.numbers, remembers)]:
        raise CheckpointError(
            f"hand-off from {folder}: the numbers of {', '.join(other)} are transformed otherwise there ({file}), so that the weights would take one "
            f"value for another\n  fix: --statistics {file}"
        )


def _equal(one: Numbers, other: Numbers, past: bool) -> bool:
    """Whether numbers mean the same, in shared vectors that may be wider for one (of weights the hand-off compares the shapes). past: also how
    a past is told, which a prior has none of."""
    action, state = map(max, zip(one.widths, other.widths, strict=True))
    one, other = one.widened(action, state), other.widened(action, state)
    return one == other if past else replace(one, past=other.past) == other


def _given(group: Sequence[SampleSource]) -> dict[str, Literal["always", "sometimes"]]:
    """What comes with the pictures of all of these sources, or of some."""
    return {name: "always" if all(name in s.given for s in group) else "sometimes" for name in sorted(set().union(*(s.given for s in group)))}


def _cameras(group: Sequence[SampleSource]) -> tuple[CameraSpec, ...]:
    first = group[0].cameras
    for other in group[1:]:
        if [c.role for c in other.cameras] != [c.role for c in first]:
            raise DataError(
                f"datasets {group[0].name!r} and {other.name!r} of one robot have views {[c.role for c in first]} and "
                f"{[c.role for c in other.cameras]}; name common roles (Recorded.roles) in both"
            )
        ways = [["mirrored" if c.mirrored else "true" for c in cameras] for cameras in (first, other.cameras)]
        if ways[0] != ways[1]:
            raise DataError(
                f"datasets {group[0].name!r} and {other.name!r} of one robot show {[c.role for c in first]} as {ways[0]} and {ways[1]} pictures; "
                "a policy sees one kind: leave one out"
            )
    return first


def acting_sources(recipe: Recipe, sources: dict[Any, SampleSource]) -> list[SampleSource]:
    """Sources the policy learns actions from: they decide statistics and cameras."""
    return [sources[s.data] for stage in recipe.stages for s in stage.sources if s.supervision.needs.horizon > 0]


def _horizon(recipe: Recipe) -> int:
    return max([1, *(s.supervision.needs.horizon for stage in recipe.stages for s in stage.sources)])
