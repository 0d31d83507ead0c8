"""The parallel gripper that every arm carries: its numbers and its MJCF.

Tool frame: between the finger tips, z out of the hand, fingers open along y.
"""

MAX_OPENING = 0.086  # metres between the finger pads, fully open
MAX_FINGER_STEP = 0.018  # metres a control step and finger
FINGER_WIDTH, FINGER_THICKNESS, TIP = 0.022, 0.012, 0.008  # metres; TIP: tool frame to the end of the fingers
FINGERS = ("finger_left", "finger_right")
DARK = "0.22 0.23 0.26 1"
UNTOUCHED = 'contype="0" conaffinity="0"'  # seen, never in contact


def gripper_xml(prefix: str, colour: str) -> str:
    """MJCF of palm, fingers, tool site and wrist camera. prefix: of all names; colour: of the arm's links."""

    def finger(name: str, side: int) -> str:
        y = side * FINGER_THICKNESS / 2
        return (
            f'<body name="{prefix}{name}" pos="0 0 0.07" gravcomp="1"><joint name="{prefix}{name}" type="slide" axis="0 {side} 0" '
            f'range="0 {MAX_OPENING / 2}" armature="0.05"/><inertial pos="0 {y} 0.035" mass="0.06" diaginertia="3e-5 3e-5 1e-5"/>'
            f'<geom name="{prefix}{name}" type="box" size="{FINGER_WIDTH / 2} {FINGER_THICKNESS / 2} 0.0375" pos="0 {y} 0.0375" rgba="{DARK}" '
            f'friction="1.6 0.02 0.001" condim="4" solimp="0.95 0.99 0.001" solref="0.012 1"/>'
            f'<geom type="box" size="{FINGER_WIDTH / 2 + 0.0008} {FINGER_THICKNESS / 2} 0.009" pos="0 {y * 1.06} 0.0665" rgba="0.95 0.95 0.95 1" '
            f"{UNTOUCHED}/></body>"
        )

    return (
        f'<geom type="cylinder" size="0.032 0.02" pos="0 0 0" rgba="{colour}" {UNTOUCHED}/>'
        f'<geom name="{prefix}palm" type="box" size="0.022 0.056 0.025" pos="0 0 0.045" rgba="{DARK}"/>'
        f'<site name="{prefix}tool" pos="0 0 0.137"/>'
        f'<camera name="{prefix}wrist" pos="0.085 0 0.010" xyaxes="0 -1 0 -0.177 0 -0.055" fovy="72"/>'
        f'<geom type="box" size="0.013 0.018 0.010" pos="0.075 0 -0.004" rgba="{DARK}" {UNTOUCHED}/>'
        f'<geom type="box" size="0.03 0.008 0.006" pos="0.04 0 -0.004" rgba="{colour}" {UNTOUCHED}/>' + finger(FINGERS[0], -1) + finger(FINGERS[1], 1)
    )


def gripper_actuators_xml(prefix: str) -> str:
    """Position servos of the two fingers (metres each)."""
    return "".join(f'<position joint="{prefix}{f}" kp="800" kv="40"/>' for f in FINGERS)
