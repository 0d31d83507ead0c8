"""From a recipe to opened data and buildable models: sources, robots, tokenizer, vocabulary, collate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, MicroBatch, Mixture, temperature_weights
from praxia.data.sample_transforms import without_chance
from praxia.data.source import SampleSource, examples_of, held_out_split, spread
from praxia.errors import ConfigError, SpecMismatch
from praxia.models.backbones.backbone import Backbone
from praxia.models.spec import ModelSpec, SpecialToken
from praxia.models.vla import PARTS, VLA
from praxia.policy import Robot
from praxia.stages.recipe import Recipe, Source, Stage
from praxia.tokens.quantity import Quantity
from praxia.workflows.recipe_checks import check_recipe, check_roles, check_state_in_prompt
from praxia.workflows.robots import acting_sources, robots_of

HELD_OUT = 0.05  # part of the episodes kept for validation
FITTED_ON = 2000  # samples of a source that a vocabulary is fitted on


@dataclass(frozen=True)
class Assembly:
    """Everything the stages share. sources: opened, one per different data spec; what a stage of the run has still to label is not among them."""

    recipe: Recipe
    model: ModelSpec
    robots: tuple[Robot, ...]
    tokenizer: Any
    special_ids: dict[str, int]
    vocabulary_size: int
    sources: dict[Any, SampleSource]

    def build(self, stage: Stage) -> VLA:
        """A fresh model with the stage's parts, random (or public) weights, and the vocabulary's size."""
        model = VLA(self.model, stage.parts or PARTS, self.special_ids, self._scales, self._digits)
        handed_on = {ours for init in stage.init_from for _, ours in init.parts}
        for part in self.model.checkpoints:
            if (built := getattr(model, part)) is not None and part not in handed_on:
                built.load_checkpoint()
        self._load_nets(model, handed_on)
        if model.backbone is not None:
            model.backbone.resize_vocabulary(self.vocabulary_size)
            self._smooth_rows(model.backbone, only_new="backbone" in self.model.checkpoints)
            model.backbone.bind(self.tokenizer)
        return model

    @property
    def _scales(self) -> list[tuple[list[int], bool]]:
        """Ids of number tokens, one ordered list a scale, and whether it is a circle."""
        return [(self.tokenizer.convert_tokens_to_ids(list(names)), circle) for names, circle in getattr(self.model.vocabulary, "scales", ())]

    @property
    def _digits(self) -> list[int]:
        """Ids of 0 to 9 and the decimal point; [] of a recipe without words."""
        return self.tokenizer.convert_tokens_to_ids(list("0123456789.")) if self.tokenizer is not None else []

    def _smooth_rows(self, backbone: Backbone, only_new: bool = False) -> None:
        """As the vocabulary says. only_new: without tokens that public weights know (PaliGemma's places)."""
        vocabulary = self.model.vocabulary
        if not getattr(vocabulary, "row_smoothing", 0.0):
            return
        new = set(self.tokenizer.convert_tokens_to_ids(list(vocabulary.tokens)))
        for ids, circle in self._scales:
            if not only_new or new.issuperset(ids):
                backbone.smooth_rows(ids, vocabulary.row_smoothing, circle)

    def _load_nets(self, model: VLA, handed_on: set[str]) -> None:
        """Weights of nets inside the model (geometry nets, mask decoders) whose specs name some, unless an earlier stage hands them on."""
        for i, (spec, adapter) in enumerate(zip(self.model.adapters, model.adapters)):
            named = getattr(getattr(spec, "encoder", None), "checkpoint", "")
            if named and not {f"adapters.{i}.encoder", f"adapters.{i}", "adapters"} & handed_on:
                adapter.get_submodule("encoder").load_checkpoint()  # type: ignore[operator]
        if model.geometry is not None and getattr(self.model.geometry, "checkpoint", "") and "geometry" not in handed_on:
            model.geometry.load_checkpoint()
        for name, readout in model.readouts.items():
            if getattr(self.model.readouts[name], "checkpoint", "") and not {"readouts", f"readouts.{name}"} & handed_on:
                readout.load_checkpoint()  # type: ignore[operator]

    def start_rows(self, model: VLA) -> int:
        """Let the rows of the vocabulary's tokens start anew; their number. Raises ConfigError without a vocabulary that says how."""
        vocabulary = self.model.vocabulary
        if model.backbone is None or not hasattr(vocabulary, "row_noise"):
            raise ConfigError("Stage.new_rows needs a backbone and a vocabulary that says how its rows start; set ModelSpec.vocabulary")
        ids = self.tokenizer.convert_tokens_to_ids(list(vocabulary.tokens))
        model.backbone.start_rows(ids, vocabulary.row_noise, torch.Generator().manual_seed(self.recipe.seed))
        self._smooth_rows(model.backbone)
        return len(ids)

    def collate(self, model: VLA) -> Collate:
        """What turns examples into this model's batches."""
        spec, numbers = self.model, {r.embodiment: r.numbers for r in self.robots}
        return Collate(numbers, model.backbone, self.tokenizer, spec.embodiments, spec.vocabulary, spec.state_in_prompt)

    def mixtures(self, stage: Stage, model: VLA) -> tuple[Mixture, Mixture]:
        """Training and held-out stream of a stage."""
        collate = self.collate(model)
        train, held = [], []
        for source in stage.sources:
            opened = self.sources[source.data]
            kept, out = held_out_split(opened.episodes, 0.0 if stage.held_out else HELD_OUT, self.recipe.seed)
            train.append(self._entry(source, kept, source.transforms))
            if not stage.held_out:
                held.append(self._held_out(source, out if len(out) else kept, train[-1].share))
        held += [self._held_out(source, np.arange(len(self.sources[source.data]))) for source in stage.held_out]
        seed = self.recipe.seed * 1009 + [s.name for s in self.recipe.stages].index(stage.name)
        return Mixture(train, collate, stage.batch, seed, stage.cycle), Mixture(held, collate, stage.batch, seed)

    def _entry(self, source: Source, indices: np.ndarray, transforms: tuple[Any, ...], share: float = 0.0) -> Entry:
        share = share or source.weight or float(len(indices))
        return Entry(self.sources[source.data], indices, source.supervision, transforms, share, self.model.reads_depth)

    def _held_out(self, source: Source, indices: np.ndarray, share: float = 0.0) -> Entry:
        return self._entry(source, indices, without_chance(source.transforms), share)


def assemble(recipe: Recipe) -> Assembly:
    """Open the data of every stage, check that equal robots mean equal things, fit the number transforms, build the tokenizer."""
    check_recipe(recipe)
    specs = list(dict.fromkeys(source.data for stage in recipe.stages for source in (*stage.sources, *stage.held_out)))
    recorded_first = sorted(specs, key=lambda data: hasattr(data, "made"))  # a fault in a user's folder is said before minutes of making
    opened = {data: data.open() for data in recorded_first if not getattr(data, "stage", "")}
    sources: dict[Any, SampleSource] = {data: opened[data] for data in specs if data in opened}
    check_roles(recipe, sources)
    robots = robots_of(recipe, sources)
    model = _sized(recipe.model, robots, {s.embodiment for s in acting_sources(recipe, sources)})
    if hasattr(model.vocabulary, "fitted"):
        values, weights = _quantities(recipe, sources)
        model = replace(model, vocabulary=model.vocabulary.fitted(values, weights) if values else None)  # no stage says numbers: it is left out
    check_state_in_prompt(model, robots)
    tokenizer, special_ids, size = _tokenizer(recipe, model)
    if model.backbone is not None and model.backbone.vocabulary == 0:
        model = replace(model, backbone=replace(model.backbone, vocabulary=size))
    return Assembly(recipe, model, robots, tokenizer, special_ids, size, sources)


def _quantities(recipe: Recipe, sources: dict[Any, SampleSource]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """All numbers that targets hold, by kind [N, width], and their weights [N]: what a vocabulary's bins are fitted on.

    A source counts n ** 0.43 of its n samples, so that no large one decides alone. Kinds of changing width (places) need no bins.
    """
    said = [(s, _said(s, sources[s.data])) for stage in recipe.stages for s in stage.sources if s.data in sources]
    said = [(source, found) for source, found in said if found]
    values: dict[str, list[tuple[float, ...]]] = {}
    weights: dict[str, list[float]] = {}
    for (_, found), share in zip(said, temperature_weights([len(sources[source.data]) for source, _ in said]), strict=True):
        for number in found:
            values.setdefault(number.kind, []).append(number.values)
            weights.setdefault(number.kind, []).append(share / len(found))
    fixed = [kind for kind, rows in values.items() if len({len(row) for row in rows}) == 1]
    return {kind: np.array(values[kind]) for kind in fixed}, {kind: np.array(weights[kind]) for kind in fixed}


def _said(source: Source, opened: SampleSource) -> list[Quantity]:
    """The numbers in the targets of up to FITTED_ON samples, spread evenly; none of a supervision that speaks in words alone."""
    found: list[Quantity] = []
    for example in examples_of(opened, spread(len(opened), FITTED_ON), source.supervision):
        if example.target is None or isinstance(example.target, str):
            break
        found += [part for part in example.target if isinstance(part, Quantity)]
    return found


def _sized(model: ModelSpec, robots: tuple[Robot, ...], acting: set[str]) -> ModelSpec:
    """Fill the widths the recipe left at 0: they follow from the data and the number transforms of the robots that act."""
    if model.head is None or not robots:
        return model
    robot, widths = robots[0], _widths(robots[0])
    for other in robots[1:]:
        if other.embodiment in acting and _widths(other) != widths:
            raise SpecMismatch(
                f"robots {robot.embodiment!r} and {other.embodiment!r} give the model numbers of different widths: {widths} and {_widths(other)}; "
                "train one robot, or widen both into shared slots with a SlotMap in Recipe.numbers"
            )
    sized = {part: _filled(part, getattr(model, part), robot.embodiment, widths) for part in ("head", "encoder")}
    prompted = model.encoder is not None or any(getattr(t, "per_embodiment", False) for t in model.tokens)
    names = model.embodiments or (tuple(r.embodiment for r in robots if r.embodiment in acting) if prompted else ())
    return replace(model, **sized, embodiments=names)


def _filled(part: str, spec: Any, robot: str, widths: dict[str, int]) -> Any:
    """A head or encoder with the widths of the numbers it gets; ConfigError where it was made for others."""
    for name, value in widths.items():
        fixed = getattr(spec, name, value)
        if fixed not in (0, value):
            raise ConfigError(
                f"{part} {name} is {fixed}, robot {robot!r} gives {value} numbers; set it to 0 (as the data) "
                f"or widen the robot's numbers with a SlotMap of width {fixed}"
            )
    changes = {name: value for name, value in widths.items() if getattr(spec, name, value) == 0}
    return replace(spec, **changes) if changes else spec


def _widths(robot: Robot) -> dict[str, int]:
    """Widths of a robot's numbers as the model sees them."""
    state = np.zeros(robot.state.width, np.float32)
    action = robot.numbers.action_forward(np.zeros((1, robot.action.width), np.float32), state)
    return {"action_width": action.shape[-1], "state_width": robot.numbers.state_forward(state).shape[-1]}


def _tokenizer(recipe: Recipe, model: ModelSpec) -> tuple[Any, dict[str, int], int]:
    if model.backbone is None:
        return None, {}, 0
    if recipe.tokenizer is None:
        raise ConfigError(f"recipe {recipe.name!r} has a backbone but no tokenizer; set Recipe.tokenizer")
    added = tuple(t.token for t in model.tokens if isinstance(t, SpecialToken))
    numbers = tuple(model.vocabulary.tokens) if model.vocabulary is not None else ()
    tokenizer = recipe.tokenizer.build(tuple(model.backbone.specials) + added + numbers)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in added}
    return tokenizer, ids, len(tokenizer)


@dataclass(frozen=True)
class HeldOut:
    """The stream the trainer takes: training micro-batches by step, and a fixed number of held-out ones."""

    training: Mixture
    held_out: Mixture
    batches: int

    @property
    def bad(self) -> dict[str, str]:
        """Training records that were skipped, and why."""
        return self.training.bad

    def met(self, bad: Mapping[str, str]) -> None:
        """Add training records that were skipped in another process."""
        self.training.met(bad)

    def step(self, step: int) -> list[MicroBatch]:
        """Micro-batches of a training step."""
        return self.training.step(step)

    def validation(self) -> list[MicroBatch]:
        """Fixed held-out micro-batches."""
        return self.held_out.fixed(self.batches)
