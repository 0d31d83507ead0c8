"""An hour of Pose-VLA's pose stages, and its placebo: as many pictures, prompts, updates and target tokens, with names for numbers.

praxia train benchmarks/placebo_hour.py:poses --name poses_hour --stage STAGE --threads 1 --loaders 0
praxia train benchmarks/placebo_hour.py:placebo --name placebo_hour --stage STAGE --threads 1 --loaders 0

What registers learn of places and the dense grounding stay in the placebo: nothing but what is said differs. Both have the number tokens of the
first, said or not, so that both can start from the same `base_vlm`.
"""

from dataclasses import replace
from functools import partial

from praxia.data.supervision import ObjectPoses, Placebo, Waypoints
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Recipe, Source, Stage
from praxia.workflows.assemble import assemble

MINUTES = {"base_vlm": 3.0, "object_poses": 60.0, "waypoints": 12.0}
EPISODES = {"object_poses": 1200, "waypoints": 150}


def poses() -> Recipe:
    """`tiny` with more scenes and minutes for what comes before the robot."""
    return _with_sources(tiny(), _more_scenes)


def placebo() -> Recipe:
    """The same; its pose stages say the names of what is in sight."""
    recipe = poses()
    said = _with_sources(recipe, _names_for_numbers)
    return replace(said, name="pose_vla_placebo", model=replace(said.model, vocabulary=assemble(recipe).model.vocabulary))


def _with_sources(recipe: Recipe, change) -> Recipe:
    stages = tuple(replace(stage, sources=tuple(map(partial(change, stage), stage.sources))) for stage in recipe.stages)
    return replace(recipe, stages=tuple(replace(stage, minutes=MINUTES.get(stage.name, stage.minutes)) for stage in stages))


def _more_scenes(stage: Stage, source: Source) -> Source:
    return replace(source, data=replace(source.data, episodes=EPISODES[stage.name])) if stage.name in EPISODES else source


def _names_for_numbers(stage: Stage, source: Source) -> Source:
    poses = isinstance(source.supervision, ObjectPoses | Waypoints)
    return replace(source, supervision=Placebo(source.supervision, dense=True)) if poses else source
