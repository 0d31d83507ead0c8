"""Recipe and Stage: the whole composition as frozen data. A recipe reads like the paper's method section."""

from dataclasses import dataclass, field, replace
from typing import Any

from praxia.errors import ConfigError, unknown
from praxia.models.lora import LoRA
from praxia.models.precision import Precision
from praxia.models.spec import ModelSpec
from praxia.registry import register


@register("schedule/constant")
@dataclass(frozen=True)
class Constant:
    """The same weight at every step."""

    value: float = 1.0

    def __call__(self, step: int) -> float:
        """Weight at a step."""
        return self.value


@register("schedule/linear_decay")
@dataclass(frozen=True)
class LinearDecay:
    """start * max(0, 1 - step / steps) (Action Priors Eq. 10); steps 0: never (Fig. 6, N_decay = 0)."""

    steps: int
    start: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"LinearDecay.steps is {self.steps}; expected the step at which the weight is gone, or 0 for no weight at all")

    def __call__(self, step: int) -> float:
        """Weight at a step."""
        return self.start * max(0.0, 1.0 - step / self.steps) if self.steps else 0.0


@register("stage/source")
@dataclass(frozen=True)
class Source:
    """One entry of a mixture: data, what is drawn of it, what is said of it, its share of every step.

    data: a dataset spec with `open() -> SampleSource`; None = what the user brings (`--data`). transforms: sample transforms in order.
    supervision: Sample -> Example.
    weight: share of the samples of a step, relative to the other sources; 0 = as many as it has samples (uniform over all frames, if all are 0).
    Sources with the same supervision and views share micro-batches.
    """

    data: Any
    supervision: Any
    transforms: tuple[Any, ...] = ()
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ConfigError(f"Source.weight is {self.weight}; expected a share, or 0 for the number of its samples")
        moving = [type(t).__name__ for t in self.transforms if getattr(t, "moves", True)]
        if moving and getattr(self.supervision, "as_taken", False):
            raise ConfigError(
                f"Source.transforms has {', '.join(moving)}, but {type(self.supervision).__name__} asks for metres in pictures as taken: a crop or a "
                "zoom would make things look nearer; leave it out (ColourJitter may stay)"
            )


@register("stage/objective")
@dataclass(frozen=True)
class Weighted:
    """An objective, its weight over time, and the supervision kinds it applies to (empty = all in which it finds something to score)."""

    objective: Any
    weight: Any = field(default_factory=Constant)
    on: tuple[str, ...] = ()

    def faded(self, step: int) -> bool:
        """Whether a decaying weight is gone for good. (A constant one of 0 is there to be logged.)"""
        return isinstance(self.weight, LinearDecay) and step >= self.weight.steps


@register("stage/init")
@dataclass(frozen=True)
class InitFrom:
    """Weights a stage starts from. stage: earlier stage of the run, or checkpoint: a folder; parts: which parts (part -> part, or one name for
    both) are copied.

    missing, unexpected: key patterns that may be absent or left over; all other misses are an error that lists them.
    """

    stage: str = ""
    checkpoint: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given: Any = self.parts
        pairs = () if isinstance(given, str) else tuple((part, part) if isinstance(part, str) else part for part in given)
        if isinstance(given, str) or any(not _is_pair(pair) for pair in pairs):
            raise ConfigError(f"InitFrom.parts is {given!r}; expected names of parts, e.g. ('backbone', 'adapters'), or pairs (theirs, ours)")
        object.__setattr__(self, "parts", tuple(map(tuple, pairs)))


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(name, str) for name in value)


@register("stage/teacher")
@dataclass(frozen=True)
class Teacher:
    """A frozen geometry net that an objective asks for features in training; the policy never sees it.

    name: what objectives call it. net: its spec; its weights are those that the spec names (`checkpoint`), or what an earlier `stage` of the run
    trained as part `geometry`. cached: features of whole pictures are kept on disk and moved with each sample's crop; off: the net looks at every
    picture as it is shown.
    """

    name: str
    net: Any
    stage: str = ""
    cached: bool = True


@register("stage")
@dataclass(frozen=True)
class Stage:
    """One training stage.

    parts: parts of the model that are built (empty = all). trainable / frozen: name patterns (fnmatch) of parameters; frozen wins.
    held_out: what the stage is looked at with in place of held-out episodes of its sources, which it then learns from to the last one.
    passes: token groups dropped in each pass over a batch; objectives are averaged over the passes.
    accumulate: pieces that each micro-batch of a step is split into (memory, not what is learnt). ema: decay of the weights' average, 0 = none.
    cycle: steps over which the sources' samples are laid out, by supervision and views: 1 mixes every step, 10 gives a source with a tenth of the
    samples a step of its own (fewer and larger micro-batches, equal shares).
    validate_every: updates between two looks at the held-out samples (a checkpoint follows each), 0 = never.
    scored: held-out samples of each source that the finished stage's scores are of, 0 = as many as is usual for what it says.
    minutes: optional wall-clock budget; the schedule then runs over whichever of steps or minutes ends first (steps are planned after a short
    measurement, again at each quarter of the budget where that was wrong, and the plan is kept by a resumed run; objective weights
    keep their place beside the learning rate's warm-up and fall).
    new_rows: the rows of the vocabulary's tokens start anew in this stage, around the mean row (`MotionVocabulary.row_noise`): public weights have
    none, and an earlier stage that never said them only taught what they are not.
    shared: a run takes the outcome of the same stage from the cache if an earlier run has trained it.
    lora: linear layers that learn a low-rank update while their weights are frozen; what is handed on is merged. None: all learn whole weights.
    recompute: patterns of modules whose activations are made again in the backward, for less memory (`train.recompute`).
    """

    name: str
    sources: tuple[Source, ...]
    objectives: tuple[Weighted, ...]
    steps: int
    batch: int
    optimiser: Any
    parts: tuple[str, ...] = ()
    trainable: tuple[str, ...] = ("*",)
    frozen: tuple[str, ...] = ()
    init_from: tuple[InitFrom, ...] = ()
    held_out: tuple[Source, ...] = ()
    passes: tuple[tuple[str, ...], ...] = ((),)
    accumulate: int = 1
    cycle: int = 1
    ema: float = 0.0
    teachers: tuple[Teacher, ...] = ()
    validate_every: int = 0
    scored: int = 0
    validation_batches: int = 8
    minutes: float = 0.0
    new_rows: bool = False
    shared: bool = False
    lora: LoRA | None = None
    recompute: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "cycle", "validation_batches"):
            if getattr(self, name) < 1:
                raise ConfigError(f"stage {self.name!r}: {name} is {getattr(self, name)}; expected at least 1")
        for name in ("validate_every", "scored", "minutes"):
            if getattr(self, name) < 0:
                raise ConfigError(f"stage {self.name!r}: {name} is {getattr(self, name)}; expected a positive number, or 0 for none")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"stage {self.name!r}: ema is {self.ema}; expected a decay from 0 (none) to below 1")

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Earlier stages of the run whose outcome decides its own: it starts from their weights, learns from their nets, or its data is labelled
        through one (`HandClips.stage`)."""
        labels = [getattr(source.data, "stage", "") for source in (*self.sources, *self.held_out)]
        named = [*(init.stage for init in self.init_from), *(teacher.stage for teacher in self.teachers), *labels]
        return tuple(dict.fromkeys(filter(None, named)))


@register("recipe")
@dataclass(frozen=True)
class Recipe:
    """A composition: model and stages, plus how the policy acts.

    numbers: how robots' numbers are transformed. statistics: `statistics.json` of an earlier run or policy: the robots that it names keep the
    transforms that they had there (what is handed on from it means those numbers). replan: executed steps before the next look.
    precision: compute dtype (`auto`: bf16 where the hardware has it). seed: of everything that is drawn.
    """

    name: str
    model: ModelSpec
    stages: tuple[Stage, ...]
    preset: str = "tiny"
    tokenizer: Any = None
    numbers: Any = None
    statistics: str = ""
    replan: int = 8
    precision: Precision = "auto"
    seed: int = 0
    licences: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ConfigError(f"recipe {self.name!r} has stages of one name: {names}; a stage's name is its folder, give each its own")
        groups = [group.name for group in self.model.tokens]
        for number, stage in enumerate(self.stages):
            for name in (name for dropped in stage.passes for name in dropped):
                if name not in groups:
                    raise ConfigError(
                        f"stage {stage.name!r}: passes drop an {unknown('token group', name, groups)}; only ModelSpec.tokens can be dropped"
                    )
            for init in stage.init_from:
                if init.stage and init.stage not in names[:number]:
                    raise ConfigError(f"stage {stage.name!r} starts from {unknown('earlier stage', init.stage, names[:number])}")
            for teacher in stage.teachers:
                if teacher.stage and teacher.stage not in names[:number]:
                    raise ConfigError(f"teacher {teacher.name!r} of stage {stage.name!r}: {unknown('earlier stage', teacher.stage, names[:number])}")
            for name in stage.waits_for:
                if name not in names[:number]:
                    raise ConfigError(f"data of stage {stage.name!r} is labelled through {unknown('earlier stage', name, names[:number])}")
        horizon = getattr(self.model.head, "horizon", self.replan)
        if not 1 <= self.replan <= horizon:
            raise ConfigError(f"recipe {self.name!r}: replan is {self.replan}; expected 1 to the head's horizon {horizon}")

    def alone(self, name: str) -> "Recipe":
        """The recipe with this stage only, without what stages before it teach: what they add is the difference.

        Raises ConfigError for an unknown stage, and for one that cannot do without them: it does not train all it uses, or learns from their nets.
        """
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise ConfigError(unknown(f"stage of recipe {self.name!r}", name, names))
        stage = self.stages[names.index(name)]
        only = replace(stage, init_from=tuple(init for init in stage.init_from if not init.stage))
        needs = [f"learns from {' and '.join(only.waits_for)}"] if only.waits_for else []
        needs += [f"trains {', '.join(only.trainable)} alone"] if only.trainable != ("*",) and stage.init_from != only.init_from else []
        if needs:
            raise ConfigError(f"stage {name!r} of recipe {self.name!r} cannot do without the stages before it: it {' and '.join(needs)}")
        return replace(self, name=f"{self.name}_{name}", stages=(only,))

    def within(self, minutes: float) -> "Recipe":
        """The recipe with so many minutes for all stages together, in its own proportions (a stage may still end earlier, after its steps).

        Raises ConfigError where a stage has no budget of minutes.
        """
        counted = [stage.name for stage in self.stages if not stage.minutes]
        if counted or not minutes > 0:
            why = (
                f"stages that count updates alone: {', '.join(counted)}; set their `steps`, or give each its `minutes`"
                if counted
                else "expected more than 0"
            )
            raise ConfigError(f"{minutes:g} minutes for recipe {self.name!r} ({self.preset}): {why}")
        share = minutes / sum(stage.minutes for stage in self.stages)
        return replace(self, stages=tuple(replace(stage, minutes=stage.minutes * share) for stage in self.stages))
