"""Does a motion prior learnt before any pixel help? Action Priors' central comparison, at the size of `tiny`.

Every variant starts from the same `base_vlm` and has the same model; without the prior the head starts as it ordinarily does (last layer at zero),
which is better than the random output layer behind a language model's blocks that the paper compares with ("language model's blocks": beside it).
The primary contrast is at a quarter of the full budget of the last stage, where the paper's difference is largest (its 5k of 30k steps).
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from praxia.data.demonstrations import Demonstrations
from praxia.objectives import LatentAlignment
from praxia.recipes.action_priors import PRIOR, RECONSTRUCTION, SEES, tiny
from praxia.recipes.action_priors_history import with_history
from praxia.recipes.base_vlm import from_stage
from praxia.stages.claim import Aside, Claim, Judged, Variant
from praxia.stages.recipe import InitFrom, LinearDecay, Recipe, Source, Stage, Weighted

FIRST_SEED = 200  # of the demonstrations of training seed 0: apart from those of `tiny`
FURTHER_SEED = 1000 + FIRST_SEED  # of what only the prior learns from, where it learns from more
TASKS = {
    "arm7": ("reach", "press", "drawer"),
    "arm6": ("reach", "press", "drawer"),
    "bimanual": ("lift_tray",),
    "sawyer": ("drawer-close", "button-press-topdown"),
}
BENCHMARKS = {"arm7": "tabletop", "arm6": "tabletop-arm6", "bimanual": "tabletop-bimanual", "sawyer": "metaworld-8"}


@dataclass(frozen=True)
class Budget:
    """What the variants are given. base, prior, robot: updates of each stage.

    scenes: of `base_vlm`, a task. demonstrations: a task; `more` times as many for the prior alone in the variant with more data.
    """

    base: int = 250
    prior: int = 1500
    robot: int = 1600
    scenes: int = 200
    demonstrations: int = 40
    more: int = 4
    episodes: int = 20


@dataclass(frozen=True)
class Way:
    """How a variant is trained. The defaults are the first variant of the primary contrast.

    prior: stage 1 is trained; encoder: handed on as the teacher and distilled; decoder: handed on as the head. states: the encoder sees them.
    history: what makes the history token. share: of the full budget of the robot. decay: updates over which distillation fades out, in warm-ups of
    the learning rate. more: further data for the prior.
    kept: encoder and decoder stay as the prior left them, and the model learns to say the latent.
    blocks: the head starts with the language model's blocks and a random last layer. extra: updates of the robot beside.
    """

    prior: bool = True
    encoder: bool = True
    decoder: bool = True
    states: bool = True
    history: Literal["", "encoder", "mlp"] = ""
    share: float = 0.25
    decay: float = 1.0
    more: bool = False
    kept: bool = False
    blocks: bool = False
    extra: float = 0.0


def claim(budget: Budget | None = None) -> Claim:
    """The claim at a budget, the planned one if None."""
    budget = budget or Budget()

    def variant(name: str, about: str, way: Way) -> Variant:
        return Variant(name, about, partial(_recipe, budget, way))

    bare = Way(prior=False, encoder=False, decoder=False)
    return Claim(
        statement="From the same base_vlm, an action prior of several robots makes a policy succeed more often at a quarter of the budget.",
        primary=("prior", "no prior"),
        variants=(
            variant("prior", "stage 1, then the robots with its decoder and its latent", Way()),
            variant("no prior", "the same model, the robots straight away", bare),
            variant("no prior, longer", "the same, as much longer as stage 1 takes", replace(bare, extra=1.0)),
            variant(
                "language model's blocks",
                "no prior; the head's blocks from base_vlm, a random last layer (the paper's baseline)",
                replace(bare, blocks=True),
            ),
            variant("prior, full budget", "the first, four times as long", Way(share=1.0)),
            variant("no prior, full budget", "the second, four times as long", replace(bare, share=1.0)),
            variant("actions alone", "the encoder sees no states", Way(states=False)),
            variant("history", "the first with a history token", Way(history="encoder")),
            variant("history as raw numbers", "the history token made by an MLP", Way(history="mlp")),
            variant("decoder alone", "its decoder, no distillation", Way(encoder=False)),
            variant("distillation alone", "its encoder as teacher, a fresh decoder", Way(decoder=False)),
            variant("shorter distillation", "fades out over 0.6 of the warm-up", Way(decay=0.6)),
            variant("longer distillation", "fades out over twice the warm-up", Way(decay=2.0)),
            variant("distillation to the end", "fades out over the whole stage", Way(decay=float("inf"))),
            variant("prior kept as it is", "the first, its encoder and decoder frozen in the last stage", Way(kept=True)),
            variant("prior kept as it is, distillation to the end", "the same, fades out over the whole stage", Way(kept=True, decay=float("inf"))),
            variant("more data for the prior", "stage 1 on four times the demonstrations", Way(more=True)),
        ),
        # another test set for arm6, which would else act in the very scenes of arm7
        judged=tuple(Judged(BENCHMARKS[robot], tasks, budget.episodes, seed=int(robot == "arm6")) for robot, tasks in TASKS.items()),
        asides=(
            Aside(
                "What is it that helps: the decoder, or the latent?",
                "The paper has no such ablation. `decoder alone` starts from the prior's decoder and is never told what the latent should be; "
                "`distillation alone` is told by the prior's encoder and starts with a decoder that knows nothing.",
                ("prior", "decoder alone", "distillation alone", "no prior"),
            ),
            Aside(
                "For how long must the latent be taught?",
                "Updates over which distillation fades out, in warm-ups of the learning rate. The paper's best is one (5k of 30k steps); 0.6, or the "
                "whole stage, are little or no better than none.",
                ("decoder alone", "shorter distillation", "prior", "longer distillation", "distillation to the end"),
            ),
            Aside(
                "Must the prior learn on?",
                "In the paper all of the model learns in the last stage. `prior kept as it is` moves neither encoder nor decoder: chunks can only be "
                "such as stage 1 knew, and all that is learnt is which.",
                ("prior", "prior kept as it is", "prior kept as it is, distillation to the end", "no prior"),
            ),
        ),
        published=(
            ("success at 5k of 30k steps, without / with the prior / with more data (9 simulated tasks)", "21.2 / 32.2 / 35.4 %"),
            ("success at 30k steps, the same", "64.6 / 68.3 / 68.8 %"),
            ("actions alone / actions and states / + history", "65.4 / 68.3 / 71.5 %"),
            ("history as raw numbers", "68.4 %"),
            ("distillation over 0 / 3k / 5k / all of 30k steps", "64.6 / 65.1 / 68.3 / 63.1 %"),
            ("flow loss at step 0, without / with", "7.1 / 0.9"),
            ("gradient norm at step 0, without / with", "1405 / 89"),
            ("steps to a validation error of 0.1, without / with", "2,100 / 700"),
        ),
    )


def _recipe(budget: Budget, way: Way, seed: int) -> Recipe:
    """`tiny` with updates in place of minutes."""
    recipe = tiny()
    base, prior, robot = recipe.stages
    seen = tuple(replace(source, data=replace(source.data, episodes=budget.scenes)) for source in base.sources)
    stages = [replace(base, sources=seen, steps=budget.base, minutes=0.0, validate_every=0)]
    if way.prior:
        stages.append(
            replace(
                prior,
                sources=_sources(prior, budget, seed, budget.more if way.more else 1),
                steps=budget.prior,
                minutes=0.0,
                validate_every=budget.prior,
                shared=True,
            )
        )
    steps = round(budget.robot * way.share) + round(way.extra * budget.prior / 2)  # two updates of stage 1 take as long as one of the robot
    acting = replace(
        robot,
        sources=_sources(robot, budget, seed, 1),
        objectives=_objectives(robot, way, steps),
        parts=("backbone", "tokens", "conditioner", "head", "readouts", *(("encoder",) if way.encoder or way.history else ())),
        init_from=_starts(way),
        frozen=tuple(f"{part}*" for part in PRIOR) if way.kept else (),
        steps=steps,
        minutes=0.0,
        validate_every=max(1, steps // 20),
    )
    made = replace(recipe, model=_model(recipe, way), stages=(*stages, acting), seed=seed)
    return with_history(made, way.history) if way.history else made


def _model(recipe: Recipe, way: Way) -> Any:
    model = recipe.model
    text = model.backbone  # so that the language model's blocks fit
    core = replace(
        model.head.core, width=text.text_width, heads=text.text_heads, kv_heads=text.text_kv_heads, head_dim=text.text_head_dim, mlp=text.text_mlp
    )
    model = replace(
        model,
        encoder=replace(model.encoder, core=core, states=way.states),
        head=replace(model.head, core=core, latent_width=core.width),
        conditioner=replace(model.conditioner, width=core.width),
    )
    if way.blocks:
        model = replace(model, head=replace(model.head, output="random"))
    return model


def _sources(stage: Stage, budget: Budget, seed: int, times: int) -> tuple[Source, ...]:
    """The stage's robots with the claim's tasks and a seed's own demonstrations; `times` as many, the further ones apart, so that every stage holds
    out the same episodes of the first."""
    found = []
    for source, tasks in zip(stage.sources, TASKS.values(), strict=True):
        assert isinstance(source.data, Demonstrations)
        own = replace(source.data, tasks=tasks, episodes=budget.demonstrations, seed=FIRST_SEED + seed)
        found.append(replace(source, data=own))
        if times > 1:
            found.append(replace(source, data=replace(own, episodes=(times - 1) * budget.demonstrations, seed=FURTHER_SEED + seed)))
    return tuple(found)


def _objectives(robot: Stage, way: Way, steps: int) -> tuple[Weighted, ...]:
    """Those of the stage; what distils only where there is a teacher."""
    distils = [w for w in robot.objectives if isinstance(w.objective, LatentAlignment) or w.objective == RECONSTRUCTION]
    kept = tuple(w for w in robot.objectives if w not in distils)
    if not way.encoder:
        return kept
    warmup = min(robot.optimiser.warmup, steps // 4)
    fading = LinearDecay(max(1, round(min(way.decay * warmup, steps))))
    return kept + tuple(replace(w, weight=fading) for w in distils)


def _starts(way: Way) -> tuple[InitFrom, ...]:
    starts = [from_stage("base_vlm", SEES)]
    handed = tuple(part for part, on in zip(PRIOR, (way.encoder or bool(way.history), way.decoder), strict=True) if on)
    if way.prior and handed:
        starts.append(from_stage("action_prior", handed))
    if way.blocks:
        language = InitFrom("base_vlm", parts=(("backbone.model.model.language_model", "head.stack"),), missing=("*modulation*",), unexpected=("*",))
        starts.append(language)
    return tuple(starts)
