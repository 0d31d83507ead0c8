"""Does learning to say poses save demonstrations? Pose-VLA's central comparison on tabletop, at the size of `tiny`.

The pose stages are next-token prediction alone, as published (but for what `tiny` has: a bell around the right bin, number tokens that begin alike).
Their placebo sees the same pictures and prompts for the same number of steps and answers with as many tokens, names in place of numbers. Every seed
draws its own demonstrations.

What makes a difference hard to see: `base_vlm` of all variants learns where named things are, and so does their robot stage beside the actions
(`tiny`'s positions and grounding). "flow alone" leaves the latter out of both. Waypoints are learnt from another split of the world, on a fifth as
many whole demonstrations as there are scenes: few demonstrations means few of the world that is judged.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from praxia.data.demonstrations import Demonstrations
from praxia.data.number_transforms import RelativeToState
from praxia.data.numbers import Numbers
from praxia.data.supervision import Placebo
from praxia.models.vision.ray_depth import RayDepth
from praxia.objectives import GuidedAttention, NextToken, PositionRegression
from praxia.recipes.base_vlm import QUICKSTART_TASKS, from_stage
from praxia.recipes.pose_vla import tiny
from praxia.stages.claim import Claim, Judged, Variant
from praxia.stages.recipe import Recipe, Source, Stage

FIRST_SEED = 100  # of the demonstrations of training seed 0: apart from those of the quickstart
POSES = ("object_poses", "waypoints")
MOVED = {"head_azimuth": (12.0, 16.0)}  # degrees; the robot's demonstrations have -4 to 4, the pose stages 5 to 12, `base_vlm` -12 to -5
JOINT = {"action": "joint"}
JOINTS_OF_STATE = tuple((joint, 10 + joint) for joint in range(7))  # (action dim, state dim) of arm7


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


@dataclass(frozen=True)
class Way:
    """How a variant is trained. The defaults are the first variant of the primary contrast.

    stages: pose stages it has. placebo: they say names in place of numbers. places: registers learn where things are beside them.
    alone: the robot learns actions and nothing beside. more: further steps of the robot. action: of the robot. frame: of waypoints.
    rays, depth: whether any stage, and the policy, sees them.
    """

    stages: tuple[str, ...] = POSES
    placebo: bool = False
    places: bool = False
    alone: bool = False
    more: int = 0
    action: Literal["end_effector", "joint"] = "end_effector"
    frame: Literal["camera", "base"] = "camera"
    rays: bool = True
    depth: bool = True


def claim(budget: Budget | None = None) -> Claim:
    """The claim at a budget, the planned one if None."""
    budget = budget or Budget()

    def variant(name: str, about: str, way: Way, demonstrations: int = budget.demonstrations, **options: Any) -> Variant:
        return Variant(name, about, partial(_recipe, replace(budget, demonstrations=demonstrations), way), **options)

    longer = budget.objects + budget.waypoints
    return Claim(
        statement="From the same base_vlm, learning to say object poses and waypoints makes a policy of few demonstrations succeed more often.",
        primary=("poses", "placebo"),
        variants=(
            variant("poses", "object poses, then waypoints, as tokens; then the robot", Way()),
            variant("placebo", "the same pictures, prompts and steps, names for numbers; then the robot", Way(placebo=True)),
            variant("none", "the robot straight away: as many steps of the robot", Way(())),
            variant("none, longer", "the robot straight away: as many samples in all", Way((), more=longer)),
            variant("object poses alone", "without waypoints", Way(POSES[:1])),
            variant("waypoints alone", "without object poses", Way(POSES[1:])),
            variant("poses and places", "registers also learn where things are (ours)", Way(places=True)),
            variant("poses, flow alone", "as the first, and the robot stage learns actions alone", Way(alone=True)),
            variant("placebo, flow alone", "as the second, likewise", Way(placebo=True, alone=True)),
            variant("joint actions", "as the first, and the robot's actions are offsets of joint angles", Way(action="joint"), world=JOINT),
            variant("none, joint actions", "as `none`, likewise", Way((), action="joint"), world=JOINT),
            variant(
                "waypoints in the base frame", "every view says the robot's frame; number tokens fitted anew", Way(frame="base"), own_tokens=True
            ),
            variant("poses, moved camera", "the first, judged with the head camera where it never stood", Way(), world=MOVED, of="poses"),
            variant("placebo, moved camera", "the second, likewise", Way(placebo=True), world=MOVED, of="placebo"),
            variant("base frame, moved camera", "likewise", Way(frame="base"), own_tokens=True, world=MOVED, of="waypoints in the base frame"),
            variant("pictures alone", "as the first, without rays and depth in any stage and in the policy", Way(rays=False, depth=False)),
            variant("none, pictures alone", "as `none`, likewise", Way((), rays=False, depth=False)),
            variant("pictures and rays", "as the first, without depth in any stage and in the policy", Way(depth=False)),
            variant("pictures and depth", "as the first, without rays in any stage and in the policy", Way(rays=False)),
            *(
                variant(f"{name}, {count} demonstrations", f"the {place} of the primary contrast", Way(placebo=name == "placebo"), count)
                for count in (5, 20, 50)
                for name, place in (("poses", "first"), ("placebo", "second"))
            ),
        ),
        judged=(Judged(tasks=budget.tasks, seed=3),),
        published=(  # RoboTwin 2.0, 50 tasks, Easy / Hard, end of the pretraining ablation
            ("no pose pretraining, joint actions", "35.4 / 33.4 %"),
            ("+ object poses", "70.2 / 69.1 %"),
            ("+ waypoints", "72.9 / 72.0 %"),
            ("+ end-effector actions (the whole system)", "79.9 / 79.1 %"),
        ),
    )


def _recipe(budget: Budget, way: Way, seed: int) -> Recipe:
    """`tiny` with steps in place of minutes."""
    recipe = tiny()
    first, *poses, last = recipe.stages
    seen = tuple(_source(source, budget, way, budget.scenes) for source in first.sources)
    kept = [replace(first, sources=seen, steps=budget.base, minutes=0.0)]
    for stage in poses:
        if stage.name in way.stages:
            kept.append(_pretraining(stage, budget, way, kept[-1]))
    source = _source(last.sources[0], budget, way, budget.demonstrations)
    source = replace(source, data=replace(source.data, seed=FIRST_SEED + seed))
    if way.alone:
        source = replace(source, supervision=replace(source.supervision, positions=False, beside=None))
    steps = budget.robot + way.more
    acting = replace(
        last,
        sources=(source,),
        objectives=last.objectives[:1] if way.alone else last.objectives,
        init_from=(from_stage(kept[-1].name, kept[-1].parts),),
        steps=steps,
        batch=poses[0].batch,  # an update counts alike in all stages, also where one stands in for another ("none, longer")
        minutes=0.0,
        validate_every=steps,
    )
    (adapter,) = recipe.model.adapters
    assert isinstance(adapter, RayDepth)
    adapter = replace(adapter, drop_rays=float(not way.rays), drop_depth=float(not way.depth))
    numbers = recipe.numbers or Numbers()
    if way.action == "joint":  # absolute targets would differ from end-effector deltas in more than the joints
        numbers = replace(numbers, action=(RelativeToState(JOINTS_OF_STATE), *numbers.action))
    return replace(recipe, model=replace(recipe.model, adapters=(adapter,)), numbers=numbers, stages=(*kept, acting), seed=seed)


def _source(source: Source, budget: Budget, way: Way, episodes: int) -> Source:
    """Its data with the claim's tasks and the variant's robot."""
    assert isinstance(source.data, Demonstrations)
    world = source.data.world_args | (JOINT if way.action == "joint" else {})
    return replace(source, data=replace(source.data, tasks=budget.tasks, episodes=episodes, world_args=world))


def _pretraining(stage: Stage, budget: Budget, way: Way, before: Stage) -> Stage:
    objects = stage.name == "object_poses"
    steps, episodes = (budget.objects, budget.scenes) if objects else (budget.waypoints, max(1, budget.scenes // 5))
    source = _source(stage.sources[0], budget, way, episodes)
    says = source.supervision if objects else replace(source.supervision, frame=way.frame)
    says = says if way.places else replace(says, positions=0)
    taught = (NextToken, PositionRegression, GuidedAttention) if way.places else NextToken
    return replace(
        stage,
        sources=(replace(source, supervision=Placebo(says) if way.placebo else says),),
        objectives=tuple(w for w in stage.objectives if isinstance(w.objective, taught)),
        cycle=1,
        init_from=(from_stage(before.name, before.parts),),
        steps=steps,
        minutes=0.0,
        validate_every=steps,
        shared=True,
    )
