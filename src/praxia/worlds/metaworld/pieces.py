"""The rigid pieces of a Meta-World scene: what a person would call an object, its pixels' instance id, its pose and box."""

from dataclasses import dataclass

import mujoco
import numpy as np

from praxia.geometry import se3
from praxia.geometry.scene import ObjectTruth

ROBOT = 1  # instance id of the arm in every scene
_FIRST_OBJECT = 2
_ROBOT_ROOT = "base"
_CORNERS = np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1))).reshape(3, 8).T.astype(np.float64)


@dataclass(frozen=True)
class Piece:
    """Bodies that cannot move against each other and have a name in the task table."""

    body: str  # the table's name
    words: str  # "red puck"
    root: int  # body whose axes are the object's axes
    centre: np.ndarray  # float64 [3] of the box, in root axes
    size: np.ndarray  # float64 [3] of the box, along root axes
    instance: int

    def truth(self, data: mujoco.MjData) -> ObjectTruth:
        """Where the piece is now."""
        T_base_root = se3.pose(data.xmat[self.root].reshape(3, 3), data.xpos[self.root])
        return _object(self.words, T_base_root @ se3.pose(np.eye(3), self.centre), self.size, self.instance)


@dataclass(frozen=True)
class Marker:
    """A goal shown as a ball in the air or on the table: nothing physical, but part of the task."""

    site: int
    colour: str
    instance: int

    def truth(self, model: mujoco.MjModel, data: mujoco.MjData) -> ObjectTruth:
        """The ball, in world axes."""
        words = f"{self.colour} ball"
        return _object(words, se3.pose(np.eye(3), data.site_xpos[self.site]), np.full(3, 2 * model.site_size[self.site, 0]), self.instance)


def _object(words: str, T_base_object: np.ndarray, size: np.ndarray, instance: int) -> ObjectTruth:
    colour, category = words.split(" ", 1)
    return ObjectTruth(words, category, colour, T_base_object, size, instance)


def pieces_of(model: mujoco.MjModel, names: dict[str, str]) -> tuple[Piece, ...]:
    """Named pieces in the order of `names` (body -> "colour noun"); boxes enclose what is drawn."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    points: dict[int, list[np.ndarray]] = {}
    for geom in range(model.ngeom):
        root = _rigid_root(model, int(model.geom_bodyid[geom]))
        if model.geom_group[geom] <= 2 and model.geom_rgba[geom, 3] > 0:  # groups above 2 and clear geoms are not drawn
            world = _outline(model, geom) @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            points.setdefault(root, []).append((world - data.xpos[root]) @ data.xmat[root].reshape(3, 3))
    roots = {_named(model, root): root for root in points}
    pieces = []
    for i, (body, words) in enumerate(names.items()):
        found = np.concatenate(points[roots[body]])
        low, high = found.min(0), found.max(0)
        pieces.append(Piece(body, words, roots[body], (low + high) / 2, high - low, _FIRST_OBJECT + i))
    return tuple(pieces)


def _outline(model: mujoco.MjModel, geom: int) -> np.ndarray:
    """Points [N, 3] in geom axes with the geom inside their hull: the mesh's vertices, or the corners of its bounding box."""
    mesh = model.geom_dataid[geom]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        first = model.mesh_vertadr[mesh]
        return model.mesh_vert[first : first + model.mesh_vertnum[mesh]].astype(np.float64)
    return model.geom_aabb[geom, :3] + _CORNERS * model.geom_aabb[geom, 3:]


def instance_tables(model: mujoco.MjModel, pieces: tuple[Piece, ...], marker: Marker | None) -> tuple[np.ndarray, np.ndarray]:
    """Instance id by geom id and by site id, int32; one more entry at the end (index -1) is background."""
    of_body = np.zeros(model.nbody, np.int32)
    by_root = {piece.root: piece.instance for piece in pieces}
    for body in range(1, model.nbody):
        robot = model.body(int(model.body_rootid[body])).name == _ROBOT_ROOT
        of_body[body] = ROBOT if robot else by_root.get(_rigid_root(model, body), 0)
    geoms = np.append(of_body[model.geom_bodyid], 0).astype(np.int32)
    sites = np.append(of_body[model.site_bodyid], 0).astype(np.int32)
    if marker:
        sites[marker.site] = marker.instance
    return geoms, sites


def _rigid_root(model: mujoco.MjModel, body: int) -> int:
    """Topmost body rigidly joined to `body`; for what is fixed in the world, its topmost body below the world."""
    weld = int(model.body_weldid[body])
    return weld or int(model.body_rootid[body])


def _named(model: mujoco.MjModel, body: int) -> str:
    """Name of the body, or of the nearest ancestor that has one."""
    while body and not model.body(body).name:
        body = int(model.body_parentid[body])
    return model.body(body).name
