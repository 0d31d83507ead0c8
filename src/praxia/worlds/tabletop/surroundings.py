"""What varies around the task at each reset: head camera, light, table top."""

import numpy as np

from praxia.geometry.rotations import matrix_to_quaternion
from praxia.worlds.tabletop.scene import Scene


def vary(scene: Scene, rng: np.random.Generator) -> None:
    """Draw head cameras, light and table top from the ranges of the scene's split and write them into its model."""
    head, second = scene.ids.heads
    scene.moved = False
    _head_camera(scene, head, rng)
    _light(scene, rng)
    m = scene.model
    table = m.geom("table").id
    material = int(rng.integers(len(scene.split.tables)))
    m.geom_matid[table] = material
    m.mat_rgba[material] = [*(rng.uniform(0.92, 1.0) * rng.uniform(0.96, 1.0, 3)), 1.0]
    m.geom_pos[table] = [*rng.uniform(-0.3, 0.3, 2), 0.0]  # the texture moves with the plane
    _head_camera(scene, second, rng)


def _head_camera(scene: Scene, camera: int, rng: np.random.Generator) -> None:
    head, m = scene.split.head, scene.model
    azimuth, elevation, distance, fovy = (rng.uniform(*r) for r in (head.azimuth, head.elevation, head.distance, head.fovy))
    target = np.array([rng.uniform(*r) for r in head.target])
    back = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    m.cam_pos[camera] = target + distance * back
    m.cam_quat[camera] = matrix_to_quaternion(np.stack([right, np.cross(back, right), back], axis=1))
    m.cam_fovy[camera] = np.degrees(fovy)


def _light(scene: Scene, rng: np.random.Generator) -> None:
    m = scene.model
    tilt, side = rng.uniform(0.2, 0.6), rng.uniform(0, 2 * np.pi)
    m.light_dir[0] = [np.sin(tilt) * np.cos(side), np.sin(tilt) * np.sin(side), -np.cos(tilt)]
    m.light_diffuse[0] = rng.uniform(0.35, 0.55) * rng.uniform(0.95, 1.0, 3)
    m.vis.headlight.ambient[:] = rng.uniform(0.36, 0.48)
    m.vis.headlight.diffuse[:] = rng.uniform(0.10, 0.20)
