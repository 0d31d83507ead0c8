"""Serial arms with revolute joints, built of primitives: seven joints (arm7) and six (arm6).

All bodies are gravity compensated, so the servos hold any pose without droop.
"""

from dataclasses import dataclass
from math import pi
from typing import Literal

import numpy as np

from praxia.worlds.tabletop.robots.gripper import DARK, UNTOUCHED, gripper_actuators_xml, gripper_xml

LAG = 0.025  # seconds: servo damping over stiffness
DOWN = np.diag([1.0, -1.0, -1.0])  # R_base_tool of the hand pointing down, x away from the robot


@dataclass(frozen=True)
class Joint:
    """A revolute joint and the link it moves. rise: metres above the joint before it, at zero angles. shape: MJCF geoms of the link."""

    axis: Literal["y", "z"]
    rise: float
    low: float
    high: float
    home: float
    stiffness: float
    shape: str = ""
    mass: float = 0.6
    turn: float = 0.0  # radians about z of the link's frame in the frame before it


@dataclass(frozen=True)
class Arm:
    """Joints from the base to the hand, and the colour of the links."""

    joints: tuple[Joint, ...]
    colour: str

    @property
    def limits(self) -> np.ndarray:
        """float64 [n, 2] radians."""
        return np.array([(j.low, j.high) for j in self.joints])

    @property
    def home(self) -> np.ndarray:
        """float64 [n] radians: elbow up, hand down."""
        return np.array([j.home for j in self.joints])

    @property
    def names(self) -> tuple[str, ...]:
        """joint_1 ... joint_n."""
        return tuple(f"joint_{i}" for i in range(1, len(self.joints) + 1))

    def body_xml(self, prefix: str = "", base: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> str:
        """MJCF of the body tree, rooted at the arm's foot. prefix: of all names."""
        tree = gripper_xml(prefix, self.colour)
        axes = {"y": "0 1 0", "z": "0 0 1"}
        for i, joint in reversed(list(enumerate(self.joints, start=1))):
            tree = (
                f'<body name="{prefix}link_{i}" pos="0 0 {joint.rise}" euler="0 0 {joint.turn}" gravcomp="1">'
                f'<joint name="{prefix}joint_{i}" axis="{axes[joint.axis]}" range="{joint.low} {joint.high}" armature="0.15"/>'
                f'<inertial pos="0 0 0.05" mass="{joint.mass}" diaginertia="0.003 0.003 0.002"/>{joint.shape}{tree}</body>'
            )
        x, y, z = base
        foot = f'<geom type="cylinder" size="0.075 0.085" pos="0 0 0.085" rgba="{DARK}" {UNTOUCHED}/>'
        return f'<body name="{prefix}base" pos="{x} {y} {z}" gravcomp="1">{foot}{tree}</body>'

    def actuators_xml(self, prefix: str = "") -> str:
        """Position servos: the joints, then the two fingers."""
        joints = zip(self.names, self.joints, strict=True)
        return "".join(
            f'<position joint="{prefix}{name}" kp="{joint.stiffness:g}" kv="{LAG * joint.stiffness:g}"/>' for name, joint in joints
        ) + gripper_actuators_xml(prefix)


def _bone(radius: float, length: float, colour: str) -> str:
    return f'<geom type="capsule" size="{radius}" fromto="0 0 0 0 0 {length}" rgba="{colour}" {UNTOUCHED}/>'


def _hub(radius: float, half: float) -> str:
    return f'<geom type="cylinder" size="{radius} {half}" euler="{pi / 2} 0 0" rgba="{DARK}" {UNTOUCHED}/>'


def _ball(radius: float, colour: str) -> str:
    return f'<geom type="sphere" size="{radius}" rgba="{colour}" {UNTOUCHED}/>'


_LIGHT, _STEEL = "0.82 0.83 0.85 1", "0.40 0.47 0.58 1"
# The last link is turned by half a circle, so that all-zero wrist angles leave tool x pointing away from the robot.
ARM7 = Arm(
    (
        Joint("z", 0.17, -2.8, 2.8, 0.0, 4000, _bone(0.052, 0.14, _LIGHT), mass=1.0),
        Joint("y", 0.16, -1.7, 1.9, 0.0, 4000, _hub(0.058, 0.062) + _bone(0.048, 0.19, _LIGHT)),
        Joint("z", 0.20, -2.8, 2.8, 0.0, 2500, _bone(0.044, 0.18, _LIGHT)),
        Joint("y", 0.20, 0.1, 2.9, 2.0, 2500, _hub(0.052, 0.055) + _bone(0.042, 0.18, _LIGHT)),
        Joint("z", 0.20, -2.8, 2.8, 0.0, 1000, _bone(0.038, 0.19, _LIGHT)),
        Joint("y", 0.20, -0.4, 2.6, 1.1, 1000, _ball(0.046, _LIGHT), mass=0.3),
        Joint("z", 0.05, -2.9, 2.9, 0.0, 600, mass=0.4, turn=pi),
    ),
    _LIGHT,
)
ARM6 = Arm(
    (
        Joint("z", 0.15, -2.8, 2.8, 0.0, 4000, _hub(0.070, 0.070), mass=1.0),
        Joint("y", 0.14, -1.7, 1.9, 0.0, 4000, _hub(0.062, 0.070) + _bone(0.050, 0.36, _STEEL)),
        Joint("y", 0.38, 0.1, 2.9, 2.0, 2500, _hub(0.056, 0.062) + _bone(0.044, 0.20, _STEEL)),
        Joint("z", 0.22, -2.8, 2.8, 0.0, 1000, _bone(0.036, 0.20, _STEEL)),
        Joint("y", 0.22, -0.4, 2.6, 1.1, 1000, _ball(0.044, _STEEL), mass=0.3),
        Joint("z", 0.06, -2.9, 2.9, 0.0, 600, mass=0.4, turn=pi),
    ),
    _STEEL,
)
