"""The one MuJoCo model of a split: table, robot, furniture, object slots, cameras, light; and the ids of its parts."""

from dataclasses import dataclass

import mujoco
import numpy as np

from praxia.worlds.tabletop import fixtures
from praxia.worlds.tabletop.objects import MAX_PARTS
from praxia.worlds.tabletop.robots import Mount, Robot
from praxia.worlds.tabletop.robots.gripper import FINGERS
from praxia.worlds.tabletop.splits import Split
from praxia.worlds.tabletop.textures import SIZE, paint

TIMESTEP = 0.005
MORE_SLOTS = 5  # of a wider scene
HEAD = "head"
MOVED_HEAD = "head_moved"  # what shows the head view where a perturbation moves it: light belongs to the place where the head stood
SECOND_HEAD = "head_2"  # role of a second head camera, drawn from the same ranges: no part of a robot, shown where it is asked for

# Instance ids in masks: 0 = table. Composed geoms of one thing share one id.
ARM, GRIPPER, CABINET, DRAWER, BUTTON, TRAY, ZONE, OBJECT = 1, 2, 3, 4, 10, 20, 30, 40


@dataclass(frozen=True)
class ArmIds:
    """Where one arm is in the model."""

    qpos: np.ndarray  # int [n], of the joints
    ctrl: np.ndarray  # int [n]
    hand: frozenset[int]  # geom ids of palm and fingers
    fingers: tuple[int, int]  # geom ids, left and right
    finger_qpos: np.ndarray  # int [2]
    finger_ctrl: np.ndarray  # int [2]
    tool: int  # site


@dataclass(frozen=True)
class Ids:
    """Where things are in the model."""

    instance: np.ndarray  # int32 [ngeom] mask id of each geom
    arms: tuple[ArmIds, ...]
    slot_body: tuple[int, ...]
    slot_qpos: tuple[int, ...]
    slot_dof: tuple[int, ...]
    slot_geoms: tuple[tuple[int, ...], ...]
    drawer_qpos: tuple[int, ...]
    button_qpos: tuple[int, ...]
    heads: tuple[int, ...]  # the usual one first
    moved: int  # camera
    cameras: dict[str, int]  # by role


def compile_model(robot: Robot, split: Split, size: int, wider: bool = False) -> mujoco.MjModel:
    """The model of a robot for one split; pictures up to `size` pixels a side. wider: with MORE_SLOTS, a further texture and mats that show it."""
    tops = (*split.tables, split.tables[0]) if wider else split.tables
    spec = mujoco.MjSpec.from_string(_xml(robot, size, wider))
    for i in range(len(tops)):
        spec.add_texture(
            name=f"table_{i}",
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=SIZE,
            height=SIZE,
        )
        material = spec.add_material(name=f"table_{i}", texrepeat=[1.6, 1.6], texuniform=True, specular=0.0, shininess=0.0)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = f"table_{i}"
    if wider:
        for name in fixtures.MATS:
            spec.geom(name).material = f"table_{len(split.tables)}"
    model = spec.compile()
    for i, top in enumerate(tops):
        repaint(model, i, paint(top))
    return model


def repaint(model: mujoco.MjModel, texture: int, picture: np.ndarray) -> None:
    """Write a picture uint8 [SIZE, SIZE, 3] into a texture; a renderer that is open has to be told."""
    start = model.tex_adr[texture]
    model.tex_data[start : start + picture.size] = picture.ravel()


def _xml(robot: Robot, size: int, wider: bool) -> str:
    arms = "".join(m.arm.body_xml(m.prefix, (0.0, m.y, 0.0)) for m in robot.mounts)
    actuators = "".join(m.arm.actuators_xml(m.prefix) for m in robot.mounts)
    rooms = "".join(
        [fixtures.cabinet_xml()]
        + [fixtures.button_xml(i) for i in range(fixtures.BUTTONS)]
        + [fixtures.tray_xml(i) for i in range(fixtures.TRAYS)]
        + [fixtures.zone_xml(i) for i in range(fixtures.ZONES)]
        + [fixtures.slot_xml(i, MAX_PARTS) for i in range(fixtures.SLOTS + wider * MORE_SLOTS)]
        + [fixtures.mats_xml()] * wider
    )
    return f"""<mujoco model="tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP}" integrator="implicitfast" cone="elliptic" impratio="3" iterations="30" ls_iterations="20" tolerance="1e-6">
    <flag midphase="disable"/>
  </option>
  <size memory="4M"/>
  <statistic extent="1" center="0.5 0 0.1"/>
  <visual>
    <global offwidth="{size}" offheight="{size}"/>
    <quality shadowsize="0" offsamples="0" numslices="24" numstacks="12" numquads="1"/>
    <map znear="0.02" zfar="4"/>
    <headlight ambient="0.42 0.42 0.42" diffuse="0.15 0.15 0.15" specular="0 0 0"/>
  </visual>
  <default><geom friction="0.8 0.01 0.0005" solref="0.012 1"/></default>
  <worldbody>
    <light name="lamp" type="directional" dir="0 0 -1" diffuse="0.5 0.5 0.5" specular="0 0 0" ambient="0 0 0" castshadow="false"/>
    <camera name="{HEAD}" pos="1 0 0.8" fovy="25"/>
    <camera name="{SECOND_HEAD}" pos="1 0 0.8" fovy="25"/>
    <camera name="{MOVED_HEAD}" pos="1 0 0.8" fovy="25"/>
    <geom name="table" type="plane" size="1.6 1.6 0.1" friction="0.7 0.01 0.0005"/>
    {arms}{rooms}
  </worldbody>
  <contact>{fixtures.excludes_xml()}</contact>
  <actuator>{actuators}</actuator>
</mujoco>"""


def find_ids(model: mujoco.MjModel, robot: Robot) -> Ids:
    """Read the ids of all parts out of a compiled model."""
    body = lambda name: int(model.body(name).id)  # noqa: E731
    root = np.asarray(model.body_rootid)
    slots = sum(model.body(i).name.startswith("slot_") for i in range(model.nbody))
    instance = np.zeros(model.ngeom, np.int32)
    by_body = {body("cabinet"): CABINET}
    for m in robot.mounts:
        by_body |= {int(root[body(f"{m.prefix}base")]): ARM}
        by_body |= {body(f"{m.prefix}{b}"): GRIPPER for b in (f"link_{len(m.arm.joints)}", *FINGERS)}
    for prefix, first, count in (
        ("drawer", DRAWER, fixtures.DRAWERS),
        ("button", BUTTON, fixtures.BUTTONS),
        ("cap", BUTTON, fixtures.BUTTONS),
        ("tray", TRAY, fixtures.TRAYS),
        ("zone", ZONE, fixtures.ZONES),
        ("slot", OBJECT, slots),
    ):
        by_body |= {body(f"{prefix}_{i}"): first + i for i in range(count)}
    for g, b in enumerate(model.geom_bodyid):
        instance[g] = 0 if b == 0 else by_body.get(int(b), by_body.get(int(root[b]), 0))
    geoms = tuple(tuple(model.geom(f"slot_{i}_{k}").id for k in range(MAX_PARTS)) for i in range(slots))
    qpos = lambda name: int(model.joint(name).qposadr[0])  # noqa: E731
    return Ids(
        instance=instance,
        arms=tuple(_arm_ids(model, m) for m in robot.mounts),
        slot_body=tuple(body(f"slot_{i}") for i in range(slots)),
        slot_qpos=tuple(qpos(f"slot_{i}") for i in range(slots)),
        slot_dof=tuple(int(model.joint(f"slot_{i}").dofadr[0]) for i in range(slots)),
        slot_geoms=geoms,
        drawer_qpos=tuple(qpos(f"drawer_{i}") for i in range(fixtures.DRAWERS)),
        button_qpos=tuple(qpos(f"button_{i}") for i in range(fixtures.BUTTONS)),
        heads=tuple(model.camera(name).id for name in (HEAD, SECOND_HEAD)),
        moved=model.camera(MOVED_HEAD).id,
        cameras={role: model.camera(role).id for role in (*robot.cameras, SECOND_HEAD)},
    )


def _arm_ids(model: mujoco.MjModel, mount: Mount) -> ArmIds:
    of_joint = {int(joint): actuator for actuator, (joint, _) in enumerate(model.actuator_trnid)}
    joints = [model.joint(f"{mount.prefix}{name}") for name in mount.arm.names]
    slides = [model.joint(f"{mount.prefix}{name}") for name in FINGERS]
    left, right = (model.geom(f"{mount.prefix}{name}").id for name in FINGERS)
    return ArmIds(
        qpos=np.array([int(j.qposadr[0]) for j in joints]),
        ctrl=np.array([of_joint[j.id] for j in joints]),
        hand=frozenset((left, right, model.geom(f"{mount.prefix}palm").id)),
        fingers=(left, right),
        finger_qpos=np.array([int(j.qposadr[0]) for j in slides]),
        finger_ctrl=np.array([of_joint[j.id] for j in slides]),
        tool=model.site(f"{mount.prefix}tool").id,
    )
