"""Robot: arms on the table with the meaning of their numbers.

Base frame: on the table top between the arms, x away from the robot, y to its left, z up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from praxia.specs import ActionSpec, Dim, StateSpec
from praxia.specs.dims import GripperSense
from praxia.worlds.tabletop.robots.arm import ARM6, ARM7, Arm

ActionForm = Literal["end_effector", "joint"]
StatePart = Literal["tool", "gripper", "joints"]
MAX_STEP = 0.05  # metres a control step and axis
MAX_TURN = 0.4  # radians a control step and axis
MAX_JOINT_STEP = 0.35  # radians a control step and joint; larger commands are approached at this speed


@dataclass(frozen=True)
class Mount:
    """An arm on the table. name: in the world's truth; prefix: of its parts, dims and camera. y: of its foot, start_y: of its tool at reset (m)."""

    arm: Arm
    name: str = "arm"
    prefix: str = ""
    y: float = 0.0
    start_y: float = 0.0

    @property
    def camera(self) -> str:
        """Role of the camera in its hand."""
        return f"{self.prefix}wrist"


@dataclass(frozen=True)
class Robot:
    """Arms, control rate, what an action and a state hold. usual: the action form where none is asked for.

    state_parts: of each arm, in order: tool pose (position, first two columns of the rotation), gripper opening, joint angles.
    """

    name: str
    mounts: tuple[Mount, ...]
    rate_hz: float
    usual: ActionForm = "end_effector"
    state_parts: tuple[StatePart, ...] = ("tool", "gripper", "joints")
    gripper: GripperSense = "open_positive"

    @property
    def cameras(self) -> tuple[str, ...]:
        """Roles: the head's, then the hands'."""
        return ("head", *(m.camera for m in self.mounts))

    def action_spec(self, form: ActionForm) -> ActionSpec:
        """Of each arm: delta of the tool in the base frame or absolute joint angles, then the gripper (0 to 1)."""
        motion = {"end_effector": _deltas, "joint": _angles}[form]
        return ActionSpec(tuple(dim for m in self.mounts for dim in (*motion(m), self._gripper(m))), self.rate_hz)

    @property
    def state_spec(self) -> StateSpec:
        """`state_parts` of each arm."""
        parts: dict[StatePart, Callable[[Mount], tuple[Dim, ...]]] = {
            "tool": _tool,
            "gripper": lambda m: (self._gripper(m),),
            "joints": lambda m: tuple(Dim(f"{m.prefix}{name}", "joint", "rad") for name in m.arm.names),
        }
        return StateSpec(tuple(dim for m in self.mounts for part in self.state_parts for dim in parts[part](m)))

    def _gripper(self, mount: Mount) -> Dim:
        return Dim(f"{mount.prefix}gripper", "gripper", sense=self.gripper, low=0.0, high=1.0)


def _deltas(mount: Mount) -> tuple[Dim, ...]:
    shifts = tuple(Dim(f"{mount.prefix}d{a}", "position", "m", "base", "delta", low=-MAX_STEP, high=MAX_STEP) for a in "xyz")
    turns = tuple(Dim(f"{mount.prefix}r{a}", "rotation", "rad", "base", "delta", "axis_angle", low=-MAX_TURN, high=MAX_TURN) for a in "xyz")
    return shifts + turns


def _angles(mount: Mount) -> tuple[Dim, ...]:
    return tuple(Dim(f"{mount.prefix}{n}", "joint", "rad", low=j.low, high=j.high) for n, j in zip(mount.arm.names, mount.arm.joints, strict=True))


def _tool(mount: Mount) -> tuple[Dim, ...]:
    place = tuple(Dim(f"{mount.prefix}tool_{a}", "position", "m", "base") for a in "xyz")
    return place + tuple(Dim(f"{mount.prefix}tool_r{i}", "rotation", "", "base", rotation="rotation_6d") for i in range(6))


ROBOTS: dict[str, Robot] = {
    robot.name: robot
    for robot in (
        Robot("arm7", (Mount(ARM7),), 10.0),
        Robot("arm6", (Mount(ARM6),), 5.0, gripper="close_positive"),
        Robot(
            "bimanual",
            (Mount(ARM7, "left", "left_", 0.26, 0.16), Mount(ARM7, "right", "right_", -0.26, -0.16)),
            10.0,
            usual="joint",
            state_parts=("joints", "gripper"),
        ),
    )
}
