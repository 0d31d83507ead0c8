"""Does learning to say poses save demonstrations? Pose-VLA's central comparison on tabletop, at the size of `tiny`.

The pose stages are next-token prediction alone, as published (but for the bell around the right bin that `tiny` has). Their placebo sees the same
pictures and prompts for the same number of steps and answers with as many tokens, names in place of numbers. Every seed draws its own demonstrations.

What makes a difference hard to see: `base_vlm` of all variants learns where named things are, and so does their robot stage beside the actions
(`tiny`'s positions and grounding). "flow alone" leaves the latter out of both. Waypoints are learnt from another split of the world, on a fifth as
many whole demonstrations as there are scenes: few demonstrations means few of the world that is judged.
"""

from dataclasses import replace
from functools import partial

from praxia.data.demonstrations import Demonstrations
from praxia.data.supervision import Placebo
from praxia.recipes.pose_vla import QUICKSTART_TASKS, from_stage, tiny
from praxia.stages.claim import Claim, Variant
from praxia.stages.recipe import Recipe, Stage

FIRST_SEED = 100  # of the demonstrations of training seed 0: apart from those of the quickstart


def claim(base: int = 250, objects: int = 600, waypoints: int = 300, robot: int = 700, demonstrations: int = 10, scenes: int = 300) -> Claim:
    """base, objects, waypoints, robot: steps of each stage (batches of 32, 16, 16, 16). demonstrations: a task. scenes: a task, before the robot."""
    arms = partial(_recipe, base, objects, waypoints, robot, demonstrations, scenes)
    pretrained = ("object_poses", "waypoints")

    def fewer_or_more(count: int) -> tuple[Variant, Variant]:
        some = partial(_recipe, base, objects, waypoints, robot, count, scenes)
        return (
            Variant(f"poses, {count} demonstrations", "the first of the primary contrast", partial(some, pretrained)),
            Variant(f"placebo, {count} demonstrations", "the second of the primary contrast", partial(some, pretrained, placebo=True)),
        )

    return Claim(
        statement="From the same base_vlm, learning to say object poses and waypoints makes a policy of few demonstrations succeed more often.",
        primary=("poses", "placebo"),
        variants=(
            Variant("poses", "object poses, then waypoints, as tokens; then the robot", partial(arms, pretrained)),
            Variant("placebo", "the same pictures, prompts and steps, names for numbers; then the robot", partial(arms, pretrained, placebo=True)),
            Variant("none", "the robot straight away: as many steps of the robot", partial(arms, ())),
            Variant("none, longer", "the robot straight away: as many samples in all", partial(arms, (), more=objects + waypoints)),
            Variant("object poses alone", "without waypoints", partial(arms, pretrained[:1])),
            Variant("waypoints alone", "without object poses", partial(arms, pretrained[1:])),
            Variant("poses and places", "registers also learn where things are, as in `tiny` (ours)", partial(arms, pretrained, places=True)),
            Variant("poses, flow alone", "as the first, and the robot stage learns actions alone", partial(arms, pretrained, alone=True)),
            Variant("placebo, flow alone", "as the second, likewise", partial(arms, pretrained, placebo=True, alone=True)),
            *(variant for count in (5, 20, 50) for variant in fewer_or_more(count)),
        ),
        tasks=QUICKSTART_TASKS,
        test_seed=3,
        published=(  # RoboTwin 2.0, 50 tasks, Easy / Hard, end of the pretraining ablation
            ("no pose pretraining, joint actions", "35.4 / 33.4 %"),
            ("+ object poses", "70.2 / 69.1 %"),
            ("+ waypoints", "72.9 / 72.0 %"),
            ("+ end-effector actions (the whole system)", "79.9 / 79.1 %"),
        ),
    )


def _recipe(
    base: int,
    objects: int,
    waypoints: int,
    robot: int,
    demonstrations: int,
    scenes: int,
    stages: tuple[str, ...],
    seed: int,
    placebo: bool = False,
    places: bool = False,
    alone: bool = False,
    more: int = 0,
) -> Recipe:
    """`tiny` with steps in place of minutes. stages: pose stages it has; alone: the robot learns actions and nothing beside; more: further steps."""
    recipe = tiny()
    first, *poses, last = recipe.stages
    steps = {"object_poses": objects, "waypoints": waypoints}
    seen = tuple(replace(source, data=replace(source.data, episodes=scenes)) for source in first.sources)
    kept = [replace(first, sources=seen, steps=base, minutes=0.0)]
    for stage in poses:
        if stage.name in stages:
            kept.append(_pretraining(stage, steps[stage.name], scenes, kept[-1], placebo, places))
    (source,) = last.sources
    assert isinstance(source.data, Demonstrations)
    shown = replace(source.data, episodes=demonstrations, seed=FIRST_SEED + seed)
    start = from_stage(kept[-1].name, kept[-1].parts)
    taught = replace(source.supervision, positions=False, beside=None) if alone else source.supervision
    acting = replace(
        last,
        sources=(replace(source, data=shown, supervision=taught),),
        objectives=last.objectives[:1] if alone else last.objectives,
        init_from=(start,),
        steps=robot + more,
        minutes=0.0,
        validate_every=robot + more,
    )
    return replace(recipe, stages=(*kept, acting), seed=seed)


def _pretraining(stage: Stage, steps: int, scenes: int, before: Stage, placebo: bool, places: bool) -> Stage:
    (source,) = stage.sources
    says = source.supervision
    if not places:
        says = replace(says, positions=0)
    if placebo:
        says = Placebo(says)
    episodes = scenes if stage.name == "object_poses" else max(1, scenes // 5)
    return replace(
        stage,
        sources=(replace(source, data=replace(source.data, episodes=episodes), supervision=says),),
        objectives=stage.objectives if places else stage.objectives[:1],
        init_from=(from_stage(before.name, before.parts),),
        steps=steps,
        minutes=0.0,
        validate_every=steps,
        shared=True,
    )
