"""Shapes of one body of a MuJoCo model."""

from typing import Any

import mujoco
import numpy as np

_CORNERS = np.array(np.meshgrid((-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0))).reshape(3, 8).T


def shapes(model: Any, body: int) -> dict[str, Any]:
    """Shapes of one body in its own axes: `solid`, points [N, 3] of what collides (corners of boxes and bounding boxes, vertices of hulls), with
    the run of each shape in `runs`; `seen`, the box [2, 3] around what is drawn."""
    solid, seen = [], []
    for geom in np.flatnonzero(model.geom_bodyid == body):
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        mesh = model.geom_dataid[geom]
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            first = model.mesh_vertadr[mesh]
            points = model.mesh_vert[first : first + model.mesh_vertnum[mesh]].astype(np.float64)
        else:
            points = model.geom_aabb[geom, :3] + _CORNERS * model.geom_aabb[geom, 3:]
        points = points @ turn.reshape(3, 3).T + model.geom_pos[geom]
        if model.geom_contype[geom] or model.geom_conaffinity[geom]:
            solid.append(points)
        if model.geom_group[geom] == 1 and model.geom_rgba[geom, 3] > 0:
            seen.append(points)
    everything = np.concatenate(seen or solid or [np.zeros((0, 3))])
    box = np.stack((everything.min(0), everything.max(0))) if len(everything) else np.zeros((2, 3))
    return {
        "solid": np.concatenate(solid or [np.zeros((0, 3))]),
        "runs": np.array([len(p) for p in solid], np.int32),
        "seen": box,
        "drawn": bool(seen),
    }
