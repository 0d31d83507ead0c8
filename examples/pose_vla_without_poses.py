"""Pose-VLA's `tiny` without its pose stages: what the same policy learns when all the minutes go to the robot.

praxia train examples/pose_vla_without_poses.py:my_recipe --data DATASET --name without --stages.robot.minutes 43
"""

from dataclasses import replace

from praxia.recipes.base_vlm import from_stage
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Recipe


def my_recipe() -> Recipe:
    """base_vlm -> robot; every part is as it is in `tiny`."""
    recipe = tiny()
    first, *poses, robot = recipe.stages
    spent = sum(stage.minutes for stage in poses)
    robot = replace(robot, minutes=robot.minutes + spent, init_from=(from_stage(first.name, first.parts),))
    return replace(recipe, name="pose_vla_without_poses", stages=(first, robot))
