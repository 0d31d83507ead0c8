"""arm7: seven revolute joints and a parallel gripper, built of primitives; its specs and its numbers.

Base frame: on the table top, x away from the robot, y to its left, z up. Tool frame: between the finger tips, z out of the hand, fingers
open along y. All arm bodies are gravity compensated, so the servos hold any pose without droop.
"""

from math import pi

import numpy as np

from praxia.specs import ActionSpec, Dim, StateSpec

RATE_HZ = 10.0
MAX_OPENING = 0.086  # metres between the finger pads, fully open
MAX_STEP = 0.05  # metres a control step and axis
MAX_TURN = 0.4  # radians a control step and axis
MAX_JOINT_STEP = 0.35  # radians a control step and joint; larger commands are approached at this speed
MAX_FINGER_STEP = 0.018  # metres a control step and finger
LAG = 0.025  # seconds: servo damping over stiffness
JOINTS = tuple(f"joint_{i}" for i in range(1, 8))
LIMITS = np.array([(-2.8, 2.8), (-1.7, 1.9), (-2.8, 2.8), (0.1, 2.9), (-2.8, 2.8), (-0.4, 2.6), (-2.9, 2.9)])
HOME = np.array([0.0, 0.0, 0.0, 2.0, 0.0, 1.1, 0.0])  # elbow up, hand down
DOWN = np.diag([1.0, -1.0, -1.0])  # R_base_tool of the hand pointing down, x away from the robot
FINGER_WIDTH, FINGER_THICKNESS, TIP = 0.022, 0.012, 0.008  # metres; TIP: tool frame to the end of the fingers
_LINK = "0.82 0.83 0.85 1"
_DARK = "0.22 0.23 0.26 1"


def arm_xml() -> str:
    """MJCF of the arm's body tree, rooted at the base frame."""
    seen = 'contype="0" conaffinity="0"'

    def link(i: int, axis: str, pos: str, inside: str, mass: float = 0.6, turn: float = 0.0) -> str:
        low, high = LIMITS[i - 1]
        return (
            f'<body name="link_{i}" pos="{pos}" euler="0 0 {turn}" gravcomp="1">'
            f'<joint name="joint_{i}" axis="{axis}" range="{low} {high}" armature="0.15"/>'
            f'<inertial pos="0 0 0.05" mass="{mass}" diaginertia="0.003 0.003 0.002"/>{inside}</body>'
        )

    def finger(name: str, side: int) -> str:
        y = side * FINGER_THICKNESS / 2
        return (
            f'<body name="{name}" pos="0 0 0.07" gravcomp="1"><joint name="{name}" type="slide" axis="0 {side} 0" range="0 {MAX_OPENING / 2}" '
            f'armature="0.05"/><inertial pos="0 {y} 0.035" mass="0.06" diaginertia="3e-5 3e-5 1e-5"/>'
            f'<geom name="{name}" type="box" size="{FINGER_WIDTH / 2} {FINGER_THICKNESS / 2} 0.0375" pos="0 {y} 0.0375" rgba="{_DARK}" '
            f'friction="1.6 0.02 0.001" condim="4" solimp="0.95 0.99 0.001" solref="0.012 1"/>'
            f'<geom type="box" size="{FINGER_WIDTH / 2 + 0.0008} {FINGER_THICKNESS / 2} 0.009" pos="0 {y * 1.06} 0.0665" rgba="0.95 0.95 0.95 1" '
            f"{seen}/></body>"
        )

    hand = (
        f'<geom type="cylinder" size="0.032 0.02" pos="0 0 0" rgba="{_LINK}" {seen}/>'
        f'<geom name="palm" type="box" size="0.022 0.056 0.025" pos="0 0 0.045" rgba="{_DARK}"/>'
        '<site name="tool" pos="0 0 0.137"/>'
        '<camera name="wrist" pos="0.085 0 0.010" xyaxes="0 -1 0 -0.177 0 -0.055" fovy="72"/>'
        f'<geom type="box" size="0.013 0.018 0.010" pos="0.075 0 -0.004" rgba="{_DARK}" {seen}/>'
        f'<geom type="box" size="0.03 0.008 0.006" pos="0.04 0 -0.004" rgba="{_LINK}" {seen}/>'
        + finger("finger_left", -1)
        + finger("finger_right", 1)
    )
    tree = link(7, "0 0 1", "0 0 0.05", hand, 0.4, turn=pi)  # so that all-zero wrist angles leave tool x pointing away from the robot
    tree = link(6, "0 1 0", "0 0 0.20", f'<geom type="sphere" size="0.046" rgba="{_LINK}" {seen}/>' + tree, 0.3)
    tree = link(5, "0 0 1", "0 0 0.20", f'<geom type="capsule" size="0.038" fromto="0 0 0 0 0 0.19" rgba="{_LINK}" {seen}/>' + tree)
    tree = link(
        4,
        "0 1 0",
        "0 0 0.20",
        f'<geom type="cylinder" size="0.052 0.055" euler="{pi / 2} 0 0" rgba="{_DARK}" {seen}/>'
        f'<geom type="capsule" size="0.042" fromto="0 0 0 0 0 0.18" rgba="{_LINK}" {seen}/>' + tree,
    )
    tree = link(3, "0 0 1", "0 0 0.20", f'<geom type="capsule" size="0.044" fromto="0 0 0 0 0 0.18" rgba="{_LINK}" {seen}/>' + tree)
    tree = link(
        2,
        "0 1 0",
        "0 0 0.16",
        f'<geom type="cylinder" size="0.058 0.062" euler="{pi / 2} 0 0" rgba="{_DARK}" {seen}/>'
        f'<geom type="capsule" size="0.048" fromto="0 0 0 0 0 0.19" rgba="{_LINK}" {seen}/>' + tree,
    )
    tree = link(1, "0 0 1", "0 0 0.17", f'<geom type="capsule" size="0.052" fromto="0 0 0 0 0 0.14" rgba="{_LINK}" {seen}/>' + tree, 1.0)
    return f'<body name="base" gravcomp="1"><geom type="cylinder" size="0.075 0.085" pos="0 0 0.085" rgba="{_DARK}" {seen}/>{tree}</body>'


def actuator_xml() -> str:
    """Position servos: seven joints, then the two fingers (metres each)."""
    stiffness = (4000, 4000, 2500, 2500, 1000, 1000, 600)
    arm = "".join(f'<position joint="{j}" kp="{kp}" kv="{LAG * kp}"/>' for j, kp in zip(JOINTS, stiffness, strict=True))
    return arm + "".join(f'<position joint="{f}" kp="800" kv="40"/>' for f in ("finger_left", "finger_right"))


def _gripper() -> Dim:
    return Dim("gripper", "gripper", reference="absolute", sense="open_positive", low=0.0, high=1.0)


END_EFFECTOR = ActionSpec(
    tuple(Dim(f"d{a}", "position", "m", "base", "delta", low=-MAX_STEP, high=MAX_STEP) for a in "xyz")
    + tuple(Dim(f"r{a}", "rotation", "rad", "base", "delta", "axis_angle", low=-MAX_TURN, high=MAX_TURN) for a in "xyz")
    + (_gripper(),),
    RATE_HZ,
)
JOINT = ActionSpec(
    (*(Dim(j, "joint", "rad", low=float(lo), high=float(hi)) for j, (lo, hi) in zip(JOINTS, LIMITS, strict=True)), _gripper()),
    RATE_HZ,
)
STATE = StateSpec(
    tuple(Dim(f"tool_{a}", "position", "m", "base") for a in "xyz")
    + tuple(Dim(f"tool_r{i}", "rotation", "", "base", rotation="rotation_6d") for i in range(6))
    + (_gripper(),)
    + tuple(Dim(j, "joint", "rad") for j in JOINTS)
)
"""Tool position, first two columns of R_base_tool, gripper opening (0 closed .. 1 = MAX_OPENING), joint angles."""
ACTION_SPECS = {"end_effector": END_EFFECTOR, "joint": JOINT}
