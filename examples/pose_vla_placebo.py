"""Pose-VLA's `tiny` whose pose stages say names in place of numbers: is it poses that help the robot, or looking at as many pictures?

praxia train examples/pose_vla_placebo.py:my_recipe --name placebo
"""

from dataclasses import replace

from praxia.data.supervision import ObjectPoses, Placebo, Waypoints
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Recipe, Source


def my_recipe() -> Recipe:
    """Pictures, prompts, token counts and what registers learn of places are as in `tiny`: nothing but what is said differs."""

    def said(source: Source) -> Source:
        poses = isinstance(source.supervision, ObjectPoses | Waypoints)
        return replace(source, supervision=Placebo(source.supervision, dense=True)) if poses else source

    recipe = tiny()
    stages = tuple(replace(stage, sources=tuple(map(said, stage.sources))) for stage in recipe.stages)
    return replace(recipe, name="pose_vla_placebo", stages=stages)
