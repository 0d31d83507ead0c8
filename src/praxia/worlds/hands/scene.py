"""What is seen of hands: table, objects, two hands and a head camera in one MuJoCo model whose parts are placed, never simulated.

Hands are capsules along the bones. Objects, table tops, colours and the renderer are tabletop's.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import mujoco
import numpy as np

from praxia.geometry import se3
from praxia.geometry.rotations import matrix_to_quaternion
from praxia.geometry.scene import ObjectTruth
from praxia.specs.hands import BONES, KNUCKLES, SIDES, TIPS, WRIST
from praxia.worlds.hands.skeleton import PALM_RADIUS, RADIUS
from praxia.worlds.tabletop.model import OBJECT, repaint
from praxia.worlds.tabletop.objects import MAX_PARTS, Template, template
from praxia.worlds.tabletop.palette import rgba
from praxia.worlds.tabletop.splits import Split
from praxia.worlds.tabletop.textures import SIZE, paint

SLOTS = 4
HEAD = "head"
LEFT, RIGHT = 1, 2  # instance ids of the hands in masks, forearms included; objects are OBJECT + slot
_WEB = tuple(pairwise(KNUCKLES[1:]))  # between the knuckles
_CAPSULES = (*BONES, *_WEB)
_FOREARM, _FOREARM_RADIUS = 0.24, 0.030
_AWAY = np.array((-5.0, 0.0, -5.0))  # below the table, behind the camera
_TOUCH = 0.003  # metres between a fingertip's flesh and a surface that count as a touch


@dataclass
class HandScene:
    """One split's table with SLOTS objects; pictures have `size` pixels a side. What `Renderer` reads of a scene is here too."""

    split: Split
    size: int
    arrangement: object = None  # another one at every reset
    painted: int = 0  # nothing is painted anew
    slots: list[tuple[str, str]] = field(default_factory=list)  # (category, colour)
    poses: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))  # T_base_object of the slots

    def __post_init__(self) -> None:
        self.model = _compile(self.split, self.size)
        self.data = mujoco.MjData(self.model)
        m = self.model
        m.geom_sameframe[:] = m.body_sameframe[:] = 0  # what was compiled in place moves
        geom = lambda name: m.geom(name).id  # noqa: E731
        self._bones = {s: [geom(f"{s}_{i}") for i in range(len(_CAPSULES))] for s in SIDES}
        self._forearm = {s: geom(f"{s}_forearm") for s in SIDES}
        self._tips = {s: [self._bones[s][tip - 1] for tip in TIPS] for s in SIDES}
        self._body = [m.body(f"slot_{i}").id for i in range(SLOTS)]
        self._parts = [[geom(f"slot_{i}_{k}") for k in range(MAX_PARTS)] for i in range(SLOTS)]
        instance = np.zeros(m.ngeom, np.int32)
        for side, number in zip(SIDES, (LEFT, RIGHT), strict=True):
            instance[[*self._bones[side], self._forearm[side]]] = number
        for i, parts in enumerate(self._parts):
            instance[parts] = OBJECT + i
        self._camera = m.camera(HEAD).id
        self.ids = SimpleNamespace(heads=(self._camera,), instance=instance)

    def camera(self, role: str) -> int:
        """Id of the camera that shows a role."""
        return self._camera

    def arrange(self, things: list[tuple[str, str]], table: int, skin: np.ndarray, sleeve: np.ndarray, light: np.random.Generator) -> None:
        """Other things (category, colour), table top (by number), colours [3] of skin and sleeves, and light; all is placed afterwards."""
        m = self.model
        self.arrangement, self.slots = object(), list(things)
        self.poses = np.tile(np.eye(4), (len(things), 1, 1))
        m.geom_matid[m.geom("table").id] = table
        for i, parts in enumerate(self._parts):
            shown = template(things[i][0]).parts if i < len(things) else ()
            m.geom_rgba[parts] = 0.0  # nothing that is fully transparent is drawn
            m.body_pos[self._body[i]] = _AWAY
            for geom, part in zip(parts, shown, strict=False):
                m.geom_type[geom], m.geom_size[geom] = part.type, part.size
                m.geom_pos[geom], m.geom_quat[geom] = part.pos, part.quat
                m.geom_rbound[geom] = float(np.linalg.norm(part.size)) + 1e-3
                m.geom_rgba[geom] = rgba(things[i][1], part.shade)
        for side in SIDES:
            m.geom_rgba[self._bones[side]] = [*skin, 1.0]
            m.geom_rgba[self._forearm[side]] = [*sleeve, 1.0]
            self.hide_hand(side)
        tilt, turn = light.uniform(0.1, 0.5), light.uniform(0, 2 * np.pi)
        m.light_dir[0] = [np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), -np.cos(tilt)]
        m.light_diffuse[0] = light.uniform(0.35, 0.55) * light.uniform(0.95, 1.0, 3)

    def template(self, slot: int) -> Template:
        """What is in a slot."""
        return template(self.slots[slot][0])

    def place_object(self, slot: int, T_base_object: np.ndarray) -> None:
        """Put an object somewhere."""
        self.poses[slot] = T_base_object
        self.model.body_pos[self._body[slot]] = T_base_object[:3, 3]
        self.model.body_quat[self._body[slot]] = matrix_to_quaternion(T_base_object[:3, :3])

    def hide_hand(self, side: str) -> None:
        """No such hand in the picture."""
        self.model.geom_pos[[*self._bones[side], self._forearm[side]]] = _AWAY

    def place_hand(self, side: str, joints: np.ndarray, elbow: np.ndarray) -> None:
        """Put the bones of a hand along joints [21, 3]; its forearm points at the elbow [3]."""
        for geom, (a, b) in zip(self._bones[side], _CAPSULES, strict=True):
            self._capsule(geom, joints[a], joints[b], PALM_RADIUS if a == WRIST or (a, b) in _WEB else RADIUS)
        wrist = joints[0]
        back = (elbow - wrist) / np.linalg.norm(elbow - wrist)
        self._capsule(self._forearm[side], wrist + 0.032 * back, wrist + _FOREARM * back, _FOREARM_RADIUS)

    def place_camera(self, position: np.ndarray, target: np.ndarray, fovy: float) -> None:
        """The head camera looks from a place to a place, upright; fovy in degrees."""
        back = (position - target) / np.linalg.norm(position - target)
        right = np.cross((0.0, 0.0, 1.0), back)
        right /= np.linalg.norm(right)
        m = self.model
        m.cam_pos[self._camera] = position
        m.cam_quat[self._camera] = matrix_to_quaternion(np.stack([right, np.cross(back, right), back], axis=1))
        m.cam_fovy[self._camera] = fovy

    def refresh(self) -> None:
        """Bring what is drawn up to date with what was placed."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def touches(self, side: str) -> bool:
        """Whether a fingertip touches an object now."""
        tips = self.data.geom_xpos[self._tips[side]]
        near = [i for i in range(len(self.slots)) if np.linalg.norm(self.poses[i, :3, 3] - tips, axis=1).min() < 0.09]
        solid = [g for i in near for g, part in zip(self._parts[i], self.template(i).parts, strict=False) if part.solid]
        return any(mujoco.mj_geomDistance(self.model, self.data, t, g, 2 * _TOUCH, None) < _TOUCH for t in self._tips[side] for g in solid)

    def objects(self) -> tuple[ObjectTruth, ...]:
        """All objects."""
        return tuple(
            ObjectTruth(f"{colour} {category}", category, colour, self.poses[i].copy(), template(category).size, OBJECT + i)
            for i, (category, colour) in enumerate(self.slots)
        )

    def _capsule(self, geom: int, a: np.ndarray, b: np.ndarray, radius: float) -> None:
        m = self.model
        length = float(np.linalg.norm(b - a))
        mujoco.mju_quatZ2Vec(m.geom_quat[geom], (b - a) / max(length, 1e-9))
        m.geom_pos[geom] = (a + b) / 2
        m.geom_size[geom] = (radius, length / 2, 0.0)
        m.geom_rbound[geom] = radius + length / 2


def object_pose(category: str, x: float, y: float, yaw: float, z: float = 0.0) -> np.ndarray:
    """T_base_object of an upright object standing at height z."""
    c, s = np.cos(yaw), np.sin(yaw)
    return se3.pose(np.array(((c, -s, 0), (s, c, 0), (0, 0, 1))), np.array((x, y, z + template(category).size[2] / 2)))


def _compile(split: Split, size: int) -> mujoco.MjModel:
    capsule = 'type="capsule" size="0.01 0.01" contype="0" conaffinity="0"'
    hands = "".join(f'<geom name="{s}_{i}" {capsule}/>' for s in SIDES for i in (*range(len(_CAPSULES)), "forearm"))
    slots = "".join(
        f'<body name="slot_{i}">'
        + "".join(f'<geom name="slot_{i}_{k}" type="box" size="0.01 0.01 0.01" contype="0" conaffinity="0"/>' for k in range(MAX_PARTS))
        + "</body>"
        for i in range(SLOTS)
    )
    spec = mujoco.MjSpec.from_string(f"""<mujoco model="hands">
  <compiler angle="radian"/>
  <statistic extent="1" center="0.4 0 0.1"/>
  <visual>
    <global offwidth="{size}" offheight="{size}"/>
    <quality shadowsize="0" offsamples="0" numslices="20" numstacks="10" numquads="1"/>
    <map znear="0.02" zfar="4"/>
    <headlight ambient="0.42 0.42 0.42" diffuse="0.18 0.18 0.18" specular="0 0 0"/>
  </visual>
  <worldbody>
    <light name="lamp" type="directional" dir="0 0 -1" diffuse="0.5 0.5 0.5" specular="0 0 0" ambient="0 0 0" castshadow="false"/>
    <camera name="{HEAD}" pos="0 0 0.6" fovy="52"/>
    <geom name="table" type="plane" size="1.6 1.6 0.1"/>
    {hands}{slots}
  </worldbody>
</mujoco>""")
    for i in range(len(split.tables)):
        spec.add_texture(
            name=f"table_{i}", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT, width=SIZE, height=SIZE
        )  # fmt: skip
        material = spec.add_material(name=f"table_{i}", texrepeat=[1.6, 1.6], texuniform=True, specular=0.0, shininess=0.0)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = f"table_{i}"
    spec.geom("table").material = "table_0"
    model = spec.compile()
    for i, top in enumerate(split.tables):
        repaint(model, i, paint(top))
    return model
