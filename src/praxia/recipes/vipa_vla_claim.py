"""Do metric questions and motions of human hands, seen with a 3-D encoder, save robot demonstrations? VIPA-VLA's ablation, at the size of `tiny`.

Every variant starts from the same `base_vlm`. The second of the primary contrast has neither pretraining nor encoder ("- both" of Table 7): its
stages 1 and 2 have the same pictures, prompts and steps and answer with as many words that say nothing of where (`Placebo`). Both are next tokens
alone, as published: `tiny` has places beside the motions. A model without encoder
has no fusion layer to train in stage 1; the projector moves in its place (what the paper's own such row trained is not said).

`base_vlm` of all variants stands for a public model: a quarter of its samples are metric questions about hands of another split, without the encoder.
So the contrast is of more such questions, of motions and of the encoder, not of such questions against none; that is "never asked", whose
`base_vlm` says names in place of metres and is its own.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from praxia.annotate.hands.made_clips import HandClips
from praxia.data.demonstrations import Demonstrations
from praxia.data.supervision import HandMotion, Placebo, SpatialVQA
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.objectives import NextToken
from praxia.recipes.base_vlm import QUICKSTART_TASKS, from_stage
from praxia.recipes.vipa_vla import ACTS, ENCODER, FUSION, REGISTERS, SEES, from_geometry, tiny
from praxia.stages.claim import Claim, Judged, Variant
from praxia.stages.recipe import Recipe, Source, Stage

FIRST_SEED = 300  # of the demonstrations of training seed 0: apart from those of `tiny`
HANDS = ("spatial_vqa", "hand_motion")
PROJECTOR = ("backbone.model.model.multi_modal_projector.*",)


@dataclass(frozen=True)
class Budget:
    """What the variants are given. base, geometry, vqa, motion, robot: updates of each stage (of 32 samples).

    demonstrations: of the robot, a task (LIBERO's number; one run of "no pretraining, no encoder" with a seed that is not judged has 28 % with them).
    scenes: of `base_vlm`, a task. clips: of hands, a task.
    """

    base: int = 1000
    geometry: int = 400
    vqa: int = 400
    motion: int = 400
    robot: int = 1500
    demonstrations: int = 50
    scenes: int = 200
    clips: int = 60
    tasks: tuple[str, ...] = QUICKSTART_TASKS


@dataclass(frozen=True)
class Way:
    """How a variant is trained. The defaults are the first variant of the primary contrast.

    stages: of hands, that it has. placebo: they say nothing spatial. encoder: the 3-D encoder looks beside the tower; shuffled: at the picture of
    another sample. labels: depth of the metric questions: as recorded, or what the 3-D encoder sees, calibrated with the hands or not.
    more: further updates of the robot. asked: whether `base_vlm` has answered metric questions.
    """

    stages: tuple[str, ...] = HANDS
    placebo: bool = False
    encoder: bool = True
    shuffled: bool = False
    labels: Literal["recorded", "calibrated", "uncalibrated"] = "recorded"
    more: int = 0
    asked: bool = True


def claim(budget: Budget | None = None) -> Claim:
    """The claim at a budget, the planned one if None."""
    budget = budget or Budget()

    def variant(name: str, about: str, way: Way) -> Variant:
        return Variant(name, about, partial(_recipe, budget, way))

    batch = tiny().stages[0].batch
    before, more = round(budget.base * batch * _asked_share()), budget.vqa * batch
    return Claim(
        statement=f"From the same base_vlm, which has answered {before:,} metric questions about hands, {more:,} more and motions, with a 3-D "
        "encoder, make a policy of few demonstrations succeed more often.",
        primary=("full", "no pretraining, no encoder"),
        variants=(
            variant("full", "metric questions, motions, then the robot, with the 3-D encoder", Way()),
            variant(
                "no pretraining, no encoder",
                "placebo in place of both stages of hands (where its projector moves), no encoder",
                Way(placebo=True, encoder=False),
            ),
            variant("no pretraining", "the robot straight away; it trains the fusion layer too", Way(())),
            variant("no pretraining, longer", "the same, as many samples in all", Way((), more=budget.vqa + budget.motion)),
            variant("no encoder", "both stages of hands without the 3-D encoder", Way(encoder=False)),
            variant("placebo", "the encoder, and a placebo in place of both stages of hands", Way(placebo=True)),
            variant("questions alone", "without motions", Way(HANDS[:1])),
            variant("motions alone", "without questions", Way(HANDS[1:])),
            variant("never asked", "as the second, from a base_vlm without metric questions", Way(placebo=True, encoder=False, asked=False)),
            variant("geometry shuffled", "every picture looks at the geometry of another", Way(shuffled=True)),
            variant("labels of a net, calibrated", "questions through the encoder's depth, which hands bring to metres", Way(labels="calibrated")),
            variant("labels of a net, calibration off", "questions through the encoder's depth as it is", Way(labels="uncalibrated")),
        ),
        judged=(Judged(tasks=budget.tasks, seed=5),),
        seeds=3,  # of half an hour a pair on one core
        published=(  # Table 7: LIBERO, one view, mean of four suites
            ("full", "92.4 %"),
            ("- pretraining", "91.2 %"),
            ("- dual encoder", "90.4 %"),
            ("- both", "88.7 %"),
        ),
    )


def _recipe(budget: Budget, way: Way, seed: int) -> Recipe:
    """`tiny` with updates in place of minutes."""
    recipe = tiny()
    base, geometry, *hands, last = recipe.stages
    kept = [_short(replace(base, sources=tuple(_seen(s, budget, way) for s in base.sources)), budget.base)]
    if way.encoder:
        kept.append(_short(geometry, budget.geometry))
    before = kept[0]
    for stage in hands:
        if stage.name in way.stages:
            before = _of_hands(stage, before, budget, way)
            kept.append(before)
    kept.append(_acting(last, before, budget, way, seed))
    (fusion,) = recipe.model.adapters
    assert isinstance(fusion, GeometryFusion)
    model = replace(recipe.model, adapters=(replace(fusion, shuffled=way.shuffled),) if way.encoder else ())
    return replace(recipe, model=model if way.encoder else replace(model, geometry=None), stages=tuple(kept), seed=seed)


def _short(stage: Stage, steps: int, **changes: Any) -> Stage:
    return replace(stage, steps=steps, minutes=0.0, validate_every=steps, **changes)


def _asked_share() -> float:
    """Of the samples of `base_vlm`, metric questions."""
    return sum(source.weight for source in tiny().stages[0].sources if isinstance(source.supervision, SpatialVQA))


def _seen(source: Source, budget: Budget, way: Way) -> Source:
    """Still scenes of `base_vlm` with the claim's tasks; those of hands as they are, or without metres."""
    if isinstance(source.supervision, SpatialVQA) and not way.asked:
        return replace(source, supervision=Placebo(source.supervision))
    of_tabletop = isinstance(source.data, Demonstrations) and source.data.world == "tabletop"
    return replace(source, data=replace(source.data, tasks=budget.tasks, episodes=budget.scenes)) if of_tabletop else source


def _starts(before: Stage, way: Way) -> tuple:
    """From the stage before; the encoder from its own stage where that one had none."""
    if not way.encoder:
        return (from_stage(before.name, ("backbone",)),)
    return (from_stage("base_vlm", ("backbone",)), from_geometry()) if before.name == "base_vlm" else (from_stage(before.name, SEES),)


def _of_hands(stage: Stage, before: Stage, budget: Budget, way: Way) -> Stage:
    def data(source: Source) -> Source:
        assert isinstance(source.data, HandClips)
        says = source.supervision
        says = replace(says, positions=False) if isinstance(says, HandMotion) else says
        says = Placebo(says) if way.placebo else says
        return replace(source, data=replace(source.data, clips=budget.clips), supervision=says)

    def taught(source: Source) -> Source:
        """What is learnt from; what is looked at afterwards keeps its exact labels."""
        source = data(source)
        if way.labels == "recorded" or source.data.asks == "motions":
            return source
        rules = replace(source.data.rules, calibrate=way.labels == "calibrated")
        return replace(source, data=replace(source.data, rules=rules, net=ENCODER, stage="geometry"))

    moves = tuple(pattern for pattern in stage.trainable if pattern not in REGISTERS)
    if not way.encoder:
        moves = tuple(pattern for pattern in moves if pattern not in FUSION) or PROJECTOR
    return _short(
        stage,
        budget.vqa if stage.name == HANDS[0] else budget.motion,
        sources=tuple(map(taught, stage.sources)),
        held_out=tuple(map(data, stage.held_out)),
        objectives=tuple(w for w in stage.objectives if isinstance(w.objective, NextToken)),
        parts=SEES if way.encoder else ("backbone",),
        trainable=moves,
        init_from=_starts(before, way),
        shared=True,
    )


def _acting(stage: Stage, before: Stage, budget: Budget, way: Way, seed: int) -> Stage:
    (source,) = stage.sources
    assert isinstance(source.data, Demonstrations)
    data = replace(source.data, tasks=budget.tasks, episodes=budget.demonstrations, seed=FIRST_SEED + seed)
    untrained = way.encoder and before.name == "base_vlm"  # a frozen random fusion would be noise (spec, open point 8)
    return _short(
        stage,
        budget.robot + way.more,
        sources=(replace(source, data=data),),
        parts=tuple(part for part in (*ACTS, "readouts") if way.encoder or part != "adapters"),
        trainable=(*stage.trainable, *(FUSION if untrained else ())),
        init_from=(*_starts(before, way), from_stage("base_vlm", ("readouts",))),
    )
