"""Does learning to say poses save demonstrations? Pose-VLA's central comparison on tabletop, at the size of `tiny`.

The pose stages are next-token prediction alone, as published (but for the bell around the right bin that `tiny` has). Their placebo sees the same
pictures and prompts for the same number of steps and answers with as many tokens, names in place of numbers. Every seed draws its own demonstrations.

What makes a difference hard to see: `base_vlm` of all variants learns where named things are, and so does their robot stage beside the actions
(`tiny`'s positions and grounding). "flow alone" leaves the latter out of both. Waypoints are learnt from another split of the world, on a fifth as
many whole demonstrations as there are scenes: few demonstrations means few of the world that is judged.
"""

from dataclasses import dataclass, replace
from functools import partial

from praxia.data.demonstrations import Demonstrations
from praxia.data.supervision import Placebo
from praxia.recipes.pose_vla import QUICKSTART_TASKS, from_stage, tiny
from praxia.stages.claim import Claim, Variant
from praxia.stages.recipe import Recipe, Stage

FIRST_SEED = 100  # of the demonstrations of training seed 0: apart from those of the quickstart


@dataclass(frozen=True)
class Budget:
    """What the variants are given. base, objects, waypoints, robot: steps of each stage (of 32, 16, 16 and 16 samples).

    demonstrations: of the robot, a task. scenes: in every stage before it, a task; a fifth as many demonstrations for waypoints.
    """

    base: int = 250
    objects: int = 600
    waypoints: int = 300
    robot: int = 700
    demonstrations: int = 10
    scenes: int = 300
    tasks: tuple[str, ...] = QUICKSTART_TASKS


def claim(budget: Budget | None = None) -> Claim:
    """The claim at a budget, the planned one if None."""
    budget = budget or Budget()
    given, poses, longer = partial(_recipe, budget), ("object_poses", "waypoints"), budget.objects + budget.waypoints

    def with_demonstrations(count: int) -> tuple[Variant, Variant]:
        some = partial(_recipe, replace(budget, demonstrations=count))
        return (
            Variant(f"poses, {count} demonstrations", "the first of the primary contrast", partial(some, poses)),
            Variant(f"placebo, {count} demonstrations", "the second of the primary contrast", partial(some, poses, placebo=True)),
        )

    return Claim(
        statement="From the same base_vlm, learning to say object poses and waypoints makes a policy of few demonstrations succeed more often.",
        primary=("poses", "placebo"),
        variants=(
            Variant("poses", "object poses, then waypoints, as tokens; then the robot", partial(given, poses)),
            Variant("placebo", "the same pictures, prompts and steps, names for numbers; then the robot", partial(given, poses, placebo=True)),
            Variant("none", "the robot straight away: as many steps of the robot", partial(given, ())),
            Variant("none, longer", "the robot straight away: as many samples in all", partial(given, (), more=longer)),
            Variant("object poses alone", "without waypoints", partial(given, poses[:1])),
            Variant("waypoints alone", "without object poses", partial(given, poses[1:])),
            Variant("poses and places", "registers also learn where things are, as in `tiny` (ours)", partial(given, poses, places=True)),
            Variant("poses, flow alone", "as the first, and the robot stage learns actions alone", partial(given, poses, alone=True)),
            Variant("placebo, flow alone", "as the second, likewise", partial(given, poses, placebo=True, alone=True)),
            *(variant for count in (5, 20, 50) for variant in with_demonstrations(count)),
        ),
        tasks=budget.tasks,
        test_seed=3,
        published=(  # RoboTwin 2.0, 50 tasks, Easy / Hard, end of the pretraining ablation
            ("no pose pretraining, joint actions", "35.4 / 33.4 %"),
            ("+ object poses", "70.2 / 69.1 %"),
            ("+ waypoints", "72.9 / 72.0 %"),
            ("+ end-effector actions (the whole system)", "79.9 / 79.1 %"),
        ),
    )


def _recipe(
    budget: Budget, stages: tuple[str, ...], seed: int, placebo: bool = False, places: bool = False, alone: bool = False, more: int = 0
) -> Recipe:
    """`tiny` with steps in place of minutes. stages: pose stages it has; alone: the robot learns actions and nothing beside; more: further steps."""
    recipe = tiny()
    first, *poses, last = recipe.stages
    tasks = budget.tasks
    seen = tuple(replace(source, data=replace(source.data, tasks=tasks, episodes=budget.scenes)) for source in first.sources)
    kept = [replace(first, sources=seen, steps=budget.base, minutes=0.0)]
    for stage in poses:
        if stage.name in stages:
            kept.append(_pretraining(stage, budget, kept[-1], placebo, places))
    (source,) = last.sources
    assert isinstance(source.data, Demonstrations)
    shown = replace(source.data, tasks=tasks, episodes=budget.demonstrations, seed=FIRST_SEED + seed)
    start = from_stage(kept[-1].name, kept[-1].parts)
    taught = replace(source.supervision, positions=False, beside=None) if alone else source.supervision
    acting = replace(
        last,
        sources=(replace(source, data=shown, supervision=taught),),
        objectives=last.objectives[:1] if alone else last.objectives,
        init_from=(start,),
        steps=budget.robot + more,
        minutes=0.0,
        validate_every=budget.robot + more,
    )
    return replace(recipe, stages=(*kept, acting), seed=seed)


def _pretraining(stage: Stage, budget: Budget, before: Stage, placebo: bool, places: bool) -> Stage:
    (source,) = stage.sources
    says, objects = source.supervision, stage.name == "object_poses"
    steps, episodes = (budget.objects, budget.scenes) if objects else (budget.waypoints, max(1, budget.scenes // 5))
    if not places:
        says = replace(says, positions=0)
    if placebo:
        says = Placebo(says)
    return replace(
        stage,
        sources=(replace(source, data=replace(source.data, tasks=budget.tasks, episodes=episodes), supervision=says),),
        objectives=stage.objectives if places else stage.objectives[:1],
        init_from=(from_stage(before.name, before.parts),),
        steps=steps,
        minutes=0.0,
        validate_every=steps,
        shared=True,
    )
