"""What does not fit together in a recipe is said before anything is trained: ConfigErrors that name the fields."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import Slots
from praxia.data.source import SampleSource
from praxia.errors import ConfigError, unknown
from praxia.models.spec import HistoryToken, ModelSpec
from praxia.models.vla import PARTS
from praxia.policy import Robot
from praxia.stages.recipe import Recipe, Source


def check_recipe(recipe: Recipe) -> None:
    """What can be said before any data is opened."""
    _check_choices(recipe, recipe.name)
    _check_windows(recipe)
    _check_episodes(recipe)
    _check_cubes(recipe)
    _check_readouts(recipe)


def check_roles(recipe: Recipe, sources: Mapping[Any, SampleSource]) -> None:
    """Views that a supervision names must be among what its data and transforms show."""
    for stage in recipe.stages:
        for source in (s for s in (*stage.sources, *stage.held_out) if s.data in sources):
            shown, asks = _shown(source, sources[source.data]), _asks(source)
            for role in getattr(asks, "roles", ()) if shown else ():
                if role not in shown:
                    raise ConfigError(f"stage {stage.name!r}: {type(asks).__name__}.roles: {unknown('view', role, shown)}")


def unseen_cameras(source: Source, opened: SampleSource) -> str:
    """A sentence on cameras that find no slot while a slot stays black, "" where none does: most likely a role has another name there."""
    slots = next((t for t in source.transforms if isinstance(t, Slots)), None)
    roles = {camera.role for camera in opened.cameras}
    if slots is None or not roles:
        return ""
    filled = slots.filled(sorted(roles))
    left, black = sorted(roles - set(filled.values())), [role for role in slots.roles if role not in filled]
    if not left or not black:
        return ""
    return f"{opened.name}: no slot for {', '.join(left)}, so not seen; black: {', '.join(black)} (Slots.roles; a dataset's card names its views)"


def _check_readouts(recipe: Recipe) -> None:
    """Readouts that objectives score must be in the model and built in their stage, and read token groups that the model has: a stage that comes
    after days of others must not begin with finding out."""
    groups = {tokens.name for tokens in recipe.model.tokens}
    for name, spec in recipe.model.readouts.items():
        for field in ("goal", "tokens"):
            if (group := getattr(spec, field, None)) is not None and group not in groups:
                raise ConfigError(f"readout {name!r}: {type(spec).__name__}.{field}: {unknown('token group', group, groups)}")
    for stage in recipe.stages:
        for objective in (weighted.objective for weighted in stage.objectives):
            scored = {field.name: getattr(objective, field.name) for field in dataclasses.fields(objective) if field.name.endswith("readout")}
            for field, name in scored.items():
                if name not in recipe.model.readouts:
                    known = unknown("readout", name, recipe.model.readouts)
                    raise ConfigError(f"stage {stage.name!r}: {type(objective).__name__}.{field}: {known}; add it to ModelSpec.readouts")
                if stage.parts and not any(part.split(".")[0] == "readouts" for part in stage.parts):
                    raise ConfigError(f"stage {stage.name!r}: {type(objective).__name__} scores readout {name!r}; build part 'readouts' in it")


def _asks(source: Source) -> Any:
    """The supervision that asks: of a placebo the one whose place it takes."""
    return getattr(source.supervision, "of", source.supervision)


def _shown(source: Source, opened: SampleSource) -> set[str]:
    slots = next((t for t in source.transforms if isinstance(t, Slots)), None)
    return set(slots.roles) if slots is not None else {camera.role for camera in opened.cameras}


def _check_choices(value: Any, where: str) -> None:
    """Fields that are one of several words, anywhere in the recipe: in Python nothing else looks at them."""
    if isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_choices(part, where)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        for field, choices in _choices(type(value)):
            if (chosen := getattr(value, field)) not in choices:
                raise ConfigError(f"{where}: {name}.{field}: {unknown('choice', str(chosen), map(str, choices))}")
        for field in dataclasses.fields(value):
            _check_choices(getattr(value, field.name), where)


def _choices(cls: type) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for name, hint in typing.get_type_hints(cls).items():
        if typing.get_origin(hint) is typing.Literal:
            yield name, typing.get_args(hint)


def _check_episodes(recipe: Recipe) -> None:
    """Sources of a stage that look at the same demonstrations must take equally many: each holds out some of its own."""
    for stage in recipe.stages:
        made = [(i, source.data) for i, source in enumerate(stage.sources) if isinstance(source.data, Demonstrations)]
        for (i, a), (k, b) in combinations(made, 2):
            if a.episodes != b.episodes and replace(a, episodes=b.episodes) == b:
                raise ConfigError(
                    f"stage {stage.name!r}: sources {i} and {k} take {a.episodes} and {b.episodes} episodes a task of the same demonstrations, so "
                    f"one would train on scenes that the other holds out; set --stages.{stage.name}.sources.{i}.data.episodes and .sources.{k}. alike"
                )


def _check_windows(recipe: Recipe) -> None:
    """Chunks as long as the head's; a past where a token reads it, of one length a stage, and nowhere else."""
    horizon = getattr(recipe.model.head, "horizon", 0)
    reads = any(isinstance(tokens, HistoryToken) for tokens in recipe.model.tokens)
    told, acts = set[int](), False
    for stage in recipe.stages:
        asked = [source.supervision for source in (*stage.sources, *stage.held_out) if source.supervision.needs.horizon]
        for says in asked if "head" in (stage.parts or PARTS) else ():
            if horizon and says.needs.horizon != horizon:
                raise ConfigError(
                    f"stage {stage.name!r}: {type(says).__name__}.horizon is {says.needs.horizon}, the head says chunks of {horizon}; "
                    "set both to the same number of steps"
                )
        pasts = {says.needs.history for says in asked}
        if len(pasts) > 1:
            raise ConfigError(f"stage {stage.name!r}: its sources have histories of {sorted(pasts)} steps; give all the same, one token reads them")
        told |= pasts
        acts = acts or any(says.needs.pictures for says in asked)
    if any(told) and not reads:
        raise ConfigError(
            f"a supervision has a history of {max(told)} steps, but no token reads it; add a HistoryToken to ModelSpec.tokens and .order"
        )
    if reads and acts and not any(told):
        raise ConfigError("the model has a HistoryToken, but no supervision tells it of a past; set ActionChunk.history to the steps it shall read")


def check_state_in_prompt(model: ModelSpec, robots: Sequence[Robot]) -> None:
    """A prompt says numbers in bins of [-1, 1]: a z-score would leave a third of them at the ends."""
    for modes in [[getattr(t, "mode", "") for t in robot.numbers.state] for robot in robots if model.state_in_prompt]:
        if "mean_std" not in modes and {"quantile", "min_max"} & set(modes):
            continue
        raise ConfigError(
            f"the head's form 'pi05' writes the state into the prompt in 256 bins of [-1, 1], but Recipe.numbers.state normalises by {modes}; "
            "set it to (Normalise('quantile'),)"
        )


def _check_cubes(recipe: Recipe) -> None:
    """What a supervision leaves out for being outside must be what the vocabulary cannot say."""
    said = getattr(recipe.model.vocabulary, "cube", None)
    for source in (source for stage in recipe.stages for source in (*stage.sources, *stage.held_out)):
        asks = _asks(source)
        asked = getattr(asks, "cube", said)
        if said is not None and asked != said:
            raise ConfigError(
                f"{type(asks).__name__}.cube is {asked}, but MotionVocabulary.cube of the model is {said}: paths would be left out "
                "by another cube than the tokens cover; give both the same"
            )
