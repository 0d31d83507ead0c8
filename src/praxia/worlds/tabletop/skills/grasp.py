"""Pick up and carry: the part that placing and stacking share."""

import numpy as np

from praxia.worlds.tabletop import motion
from praxia.worlds.tabletop.robots.gripper import MAX_OPENING
from praxia.worlds.tabletop.scene import Scene


def bottom(scene: Scene, slot: int) -> float:
    """Height of the object's underside (metres), upright."""
    return float(scene.object_pose(slot)[2, 3] - scene.template(slot).size[2] / 2)


def deliver(scene: Scene, slot: int, spot: np.ndarray, height: float, near: float) -> np.ndarray:
    """Expert action [7]: take the object in `slot` and let it go with its centre at `spot` [2] and its underside at `height`.

    near: how exactly (metres, sideways) it must be above the spot before it is let go.
    """
    T, tool = scene.object_pose(slot), scene.tool
    aside = float(np.linalg.norm(T[:2, 3] - spot))
    low = bottom(scene, slot) < height + 0.012
    width = scene.template(slot).category.grasp_width
    if scene.held(slot):
        if aside < near and low:
            return motion.towards(scene, tool[:3, 3], motion.yaw_of(tool[:3, :3]), motion.OPEN)
        target = np.array([*(tool[:2, 3] + spot - T[:2, 3]), tool[2, 3] + height + 0.004 - bottom(scene, slot)])
        return motion.from_above(scene, target, 0.0, motion.CLOSED, travel=motion.CARRY + height)
    if aside < near + 0.015 and abs(bottom(scene, slot) - height) < 0.012:
        free = scene.opening * MAX_OPENING > width + 0.008
        up = motion.lifted(tool[:3, 3], 0.05 if free else 0.0)
        return motion.towards(scene, up, motion.yaw_of(tool[:3, :3]), motion.OPEN)
    return grasp(scene, slot)


def grasp(scene: Scene, slot: int) -> np.ndarray:
    """Expert action [7]: open fingers over the object, down, close."""
    T, tool, t = scene.object_pose(slot), scene.tool, scene.template(slot)
    target = T[:3, 3] + T[:3, :3] @ t.grasp
    yaw = motion.nearest_turn(motion.yaw_of(T[:3, :3]), t.category.turns)
    gap = target - tool[:3, 3]
    turned = abs(motion.nearest_turn(yaw - motion.yaw_of(tool[:3, :3]), t.category.turns)) if t.category.turns else 0.0
    there = np.linalg.norm(gap[:2]) < 0.008 and abs(gap[2]) < 0.010 and turned < 0.12
    return motion.from_above(scene, target, yaw, motion.CLOSED if there else motion.OPEN)
