"""Scene: one MuJoCo model and its state. Arranges an episode in place (no recompilation) and answers questions about what is where."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from praxia.geometry import se3
from praxia.geometry.scene import ObjectTruth
from praxia.worlds.tabletop import fixtures
from praxia.worlds.tabletop import model as parts
from praxia.worlds.tabletop.arrangement import Arrangement, PlacedCabinet, PlacedMark, PlacedObject
from praxia.worlds.tabletop.objects import Template, template
from praxia.worlds.tabletop.palette import rgba
from praxia.worlds.tabletop.robots import Mount, Robot
from praxia.worlds.tabletop.robots.gripper import MAX_OPENING
from praxia.worlds.tabletop.splits import Split

_AWAY = np.array([-3.0, 0.0, 1.0])  # parked furniture and objects: in the air far behind the robot, touching nothing, out of every view
_HIDDEN = 4  # geom group that no picture shows


@dataclass(frozen=True)
class Hand:
    """The end of one arm in a scene: where it is and what it holds."""

    scene: "Scene"
    mount: Mount
    ids: parts.ArmIds

    @property
    def tool(self) -> np.ndarray:
        """T_base_tool float64 [4, 4]."""
        data = self.scene.data
        return se3.pose(data.site_xmat[self.ids.tool].reshape(3, 3), data.site_xpos[self.ids.tool])

    @property
    def opening(self) -> float:
        """Gripper opening, 0 closed .. 1 = MAX_OPENING."""
        left, right = self.scene.data.qpos[self.ids.finger_qpos]
        return float(left + right) / MAX_OPENING

    @property
    def joints(self) -> np.ndarray:
        """Joint angles float64 [n]."""
        return self.scene.data.qpos[self.ids.qpos]

    def holds(self, slot: int) -> bool:
        """Both fingers touch the object in the slot."""
        return len(self._touching(slot) & set(self.ids.fingers)) == 2

    def touches(self, slot: int) -> bool:
        """A finger or the palm touches the object in the slot."""
        return bool(self._touching(slot))

    def _touching(self, slot: int) -> set[int]:
        """Geoms of the hand in contact with the object."""
        instance, found = self.scene.ids.instance, set()
        for a, b in self.scene.data.contact.geom:
            for part, other in ((int(a), int(b)), (int(b), int(a))):
                if part in self.ids.hand and instance[other] == parts.OBJECT + slot:
                    found.add(part)
        return found


@dataclass
class Scene:
    """The physical side of the world: the model, its data, what was arranged, which buttons have latched."""

    robot: Robot
    split: Split
    size: int
    wider: bool = False  # with more slots for objects, and a backdrop of its own
    arrangement: Arrangement = field(default_factory=Arrangement)
    latched: list[bool] = field(default_factory=lambda: [False] * fixtures.BUTTONS)

    def __post_init__(self) -> None:
        self.model = parts.compile_model(self.robot, self.split, self.size, self.wider)
        self.data = mujoco.MjData(self.model)
        self.ids = parts.find_ids(self.model, self.robot)
        self.hands = tuple(Hand(self, m, ids) for m, ids in zip(self.robot.mounts, self.ids.arms, strict=True))
        self.painted = 0  # how often the backdrop was: tells a renderer that its texture is old
        self.moved = False  # whether the head view is that of the moved camera
        self._spring = self.model.qpos_spring.copy()
        names = ("body_mass", "body_inertia", "body_ipos", "body_iquat")
        self._inertial = {name: getattr(self.model, name).copy() for name in names}
        self.model.body_sameframe[list(self.ids.slot_body)] = 0
        for geoms in self.ids.slot_geoms:
            self.model.geom_sameframe[list(geoms)] = 0
        self.model.geom_sameframe[self.model.geom("table").id] = 0  # its texture moves at reset

    # --- arranging -------------------------------------------------------------------------------------------------

    def arrange(self, arrangement: Arrangement, joints: Sequence[np.ndarray], opening: float, extent: float | None = None) -> None:
        """Put everything in place, every arm at its joint angles [n] and the grippers at `opening` (0..1), at rest.

        extent: size of the scene (m), from which near and far plane of the pictures follow; MuJoCo's own if None.
        """
        m, d, ids = self.model, self.data, self.ids
        self.arrangement = arrangement
        self.latched = [False] * fixtures.BUTTONS
        m.qpos_spring[:] = self._spring
        for i in range(len(ids.slot_body)):
            self._fill_slot(i, arrangement.objects[i] if i < len(arrangement.objects) else None)
        for kind, count in (("button", fixtures.BUTTONS), ("tray", fixtures.TRAYS), ("zone", fixtures.ZONES)):
            placed = getattr(arrangement, f"{kind}s")
            for i in range(count):
                self._place_mark(kind, i, placed[i] if i < len(placed) else None)
        self._place_cabinet(arrangement.cabinet)
        mujoco.mj_setConst(m, d)
        if extent is not None:
            m.stat.extent = extent
        mujoco.mj_resetData(m, d)
        for arm, q in zip(ids.arms, joints, strict=True):
            d.qpos[arm.qpos] = d.ctrl[arm.ctrl] = q
            d.qpos[arm.finger_qpos] = d.ctrl[arm.finger_ctrl] = opening * MAX_OPENING / 2
        for i in range(len(ids.slot_body)):
            adr = ids.slot_qpos[i]
            d.qpos[adr : adr + 3], d.qpos[adr + 3 : adr + 7] = _AWAY + np.array([0.3 * i, 0, 0]), (1, 0, 0, 0)
            if i < len(arrangement.objects):
                o = arrangement.objects[i]
                d.qpos[adr : adr + 3] = o.x, o.y, template(o.category).size[2] / 2
                d.qpos[adr + 3 : adr + 7] = np.cos(o.yaw / 2), 0, 0, np.sin(o.yaw / 2)
        if arrangement.cabinet is not None:
            for adr, opened in zip(ids.drawer_qpos, arrangement.cabinet.opened, strict=True):
                d.qpos[adr] = opened
        mujoco.mj_forward(m, d)

    def _fill_slot(self, i: int, placed: PlacedObject | None) -> None:
        """Write an object's primitives, colours and inertia into slot i; an empty slot floats unseen."""
        m, body, geoms = self.model, self.ids.slot_body[i], self.ids.slot_geoms[i]
        m.body_gravcomp[body] = 1.0 if placed is None else 0.0
        m.geom_group[list(geoms)] = _HIDDEN
        m.geom_contype[list(geoms)] = m.geom_conaffinity[list(geoms)] = 0
        if placed is None:  # nothing of an earlier object may stay: the solver scales by the mean inertia of the whole model
            for name, compiled in self._inertial.items():
                getattr(m, name)[body] = compiled[body]
            return
        t = template(placed.category)
        m.body_mass[body], m.body_inertia[body] = t.mass, t.inertia
        m.body_ipos[body], m.body_iquat[body] = t.ipos, t.iquat
        # The broad phase of collision detection prunes by this hierarchy, in the inertial frame: a cube around everything, whatever the turn.
        tree = slice(m.body_bvhadr[body], m.body_bvhadr[body] + m.body_bvhnum[body])
        m.bvh_aabb[tree] = [0, 0, 0, *[float(np.linalg.norm(t.size) / 2 + np.linalg.norm(t.ipos))] * 3]
        for geom, part in zip(geoms, t.parts, strict=False):
            m.geom_type[geom], m.geom_size[geom] = part.type, part.size
            m.geom_pos[geom], m.geom_quat[geom] = part.pos, part.quat
            half = _local_half(part.type, np.asarray(part.size))
            m.geom_aabb[geom] = [0, 0, 0, *half]
            m.geom_rbound[geom] = np.linalg.norm(half)
            m.geom_rgba[geom] = rgba(placed.colour, part.shade)
            m.geom_group[geom] = 0
            m.geom_contype[geom] = m.geom_conaffinity[geom] = int(part.solid)
            rolls = placed.category == "ball"  # rolling friction, or a touched ball would leave the table
            m.geom_condim[geom] = 6 if rolls else 4
            m.geom_friction[geom] = (0.9, 0.01, 0.003 if rolls else 0.0005)

    def _place_mark(self, kind: str, i: int, placed: PlacedMark | None) -> None:
        m = self.model
        body = m.body(f"{kind}_{i}").id
        m.body_pos[body] = _AWAY + np.array([0.2 * i, 0.3, 0]) if placed is None else (placed.x, placed.y, 0.0)
        if placed is not None:
            if kind == "button":
                m.geom(f"cap_{i}").rgba = rgba(placed.colour)
                m.geom(f"lamp_{i}").rgba = (0.30, 0.30, 0.33, 1.0)
            else:
                m.geom_rgba[m.geom_bodyid == body] = rgba(placed.colour)
                if kind == "tray":  # the floor is lighter than the rim, so that the tray reads as hollow
                    m.geom_rgba[m.body_geomadr[body]] = 0.65 * rgba(placed.colour) + 0.35
                    m.geom_rgba[m.body_geomadr[body], 3] = 1.0

    def _place_cabinet(self, placed: PlacedCabinet | None) -> None:
        m = self.model
        m.body_pos[m.body("cabinet").id] = _AWAY if placed is None else (placed.x, placed.y, 0.0)
        if placed is not None:
            for i, colour in enumerate(placed.colours):
                m.geom_rgba[m.geom_bodyid == m.body(f"drawer_{i}").id] = rgba(colour)
                m.geom(f"handle_{i}").rgba = 0.55 * rgba(colour) + 0.45

    def camera(self, role: str) -> int:
        """Id of the camera that shows a role."""
        return self.ids.moved if self.moved and role == parts.HEAD else self.ids.cameras[role]

    def show_backdrop(self, picture: np.ndarray, everywhere: bool) -> None:
        """A texture uint8 [SIZE, SIZE, 3] on the whole table, or on the mats around where things stand. Only of a wider scene."""
        m, table, backdrop = self.model, self.model.geom("table").id, self.backdrop
        parts.repaint(m, backdrop, picture)
        self.painted += 1
        m.mat_rgba[backdrop] = m.mat_rgba[m.geom_matid[table]]
        if everywhere:
            m.geom_matid[table] = backdrop
        else:
            self._show_mats(True)

    def hide_backdrop(self) -> None:
        """No mats; the table's own texture is the business of `surroundings`."""
        if self.wider:
            self._show_mats(False)

    @property
    def backdrop(self) -> int:
        """Id of the backdrop's texture and material in a wider scene."""
        return len(self.split.tables)

    def _show_mats(self, shown: bool) -> None:
        for name in fixtures.MATS:
            self.model.geom_group[self.model.geom(name).id] = 0 if shown else _HIDDEN

    # --- time ------------------------------------------------------------------------------------------------------

    def advance(self, substeps: int) -> None:
        """Integrate; a button pressed far enough stays down and its lamp turns white."""
        mujoco.mj_step(self.model, self.data, substeps)
        for i in range(len(self.arrangement.buttons)):
            adr = self.ids.button_qpos[i]
            if not self.latched[i] and self.data.qpos[adr] < -fixtures.PRESSED_DEPTH:
                self.latched[i] = True
                self.model.qpos_spring[adr] = -0.06
                self.model.geom(f"lamp_{i}").rgba = (1.0, 1.0, 1.0, 1.0)

    def refresh(self) -> None:
        """Bring all poses up to date with the joint positions: integration leaves them one physics step behind."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    # --- questions -------------------------------------------------------------------------------------------------

    @property
    def tool(self) -> np.ndarray:
        """T_base_tool float64 [4, 4] of the only, or first, arm."""
        return self.hands[0].tool

    @property
    def opening(self) -> float:
        """Gripper opening of the only, or first, arm."""
        return self.hands[0].opening

    def template(self, slot: int) -> Template:
        """What stands in a slot."""
        return template(self.arrangement.objects[slot].category)

    def object_pose(self, slot: int) -> np.ndarray:
        """T_base_object float64 [4, 4], origin at the centre of the object's box."""
        body = self.ids.slot_body[slot]
        return se3.pose(self.data.xmat[body].reshape(3, 3), self.data.xpos[body])

    def object_speed(self, slot: int) -> float:
        """Linear speed in m/s."""
        dof = self.ids.slot_dof[slot]
        return float(np.linalg.norm(self.data.qvel[dof : dof + 3]))

    def drawer_opening(self, i: int) -> float:
        """Metres."""
        return float(self.data.qpos[self.ids.drawer_qpos[i]])

    def touching(self) -> set[tuple[int, int]]:
        """Contacts now, as (instance id, instance id) both ways; the fingers and the palm count as GRIPPER."""
        instance = self.ids.instance
        pairs = {(int(instance[a]), int(instance[b])) for a, b in self.data.contact.geom}
        return pairs | {(b, a) for a, b in pairs}

    def held(self, slot: int) -> bool:
        """Both fingers of the only, or first, arm touch the object in the slot."""
        return self.hands[0].holds(slot)

    def truths(self) -> tuple[ObjectTruth, ...]:
        """Every thing that can be named: objects, then drawers, buttons, trays, zones; each with its exact box."""
        found = [
            ObjectTruth(o.name, o.category, o.colour, self.object_pose(i), self.template(i).size.copy(), parts.OBJECT + i)
            for i, o in enumerate(self.arrangement.objects)
        ]
        if self.arrangement.cabinet is not None:
            found += [self._fixture("drawer", c, i, parts.DRAWER) for i, c in enumerate(self.arrangement.cabinet.colours)]
        for kind, first in (("button", parts.BUTTON), ("tray", parts.TRAY), ("zone", parts.ZONE)):
            found += [self._fixture(kind, p.colour, i, first) for i, p in enumerate(getattr(self.arrangement, f"{kind}s"))]
        return tuple(found)

    def _fixture(self, kind: str, colour: str, i: int, first: int) -> ObjectTruth:
        """Box around all geoms of an axis-aligned fixture (a button's cap included where it is now)."""
        geoms = np.flatnonzero(self.ids.instance == first + i)
        half = np.array([_local_half(int(self.model.geom_type[g]), self.model.geom_size[g]) for g in geoms])
        low, high = (self.data.geom_xpos[geoms] - half).min(0), (self.data.geom_xpos[geoms] + half).max(0)
        return ObjectTruth(f"{colour} {kind}", kind, colour, se3.pose(np.eye(3), (low + high) / 2), high - low, first + i)


def _local_half(kind: int, size: np.ndarray) -> np.ndarray:
    """Half side lengths [3] of a primitive in its own frame."""
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return np.full(3, size[0])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.array([size[0], size[0], size[0] + size[1]])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return np.array([size[0], size[0], size[1]])
    return np.asarray(size, np.float64)
