"""Hands as 21 joints: their names and order, and what the numbers of a recorded pair of hands mean (data_and_metrics §4.4).

Order of joints: the wrist, then thumb to little finger, each from its base to its tip.
"""

from praxia.specs.dims import ActionSpec, Dim, StateSpec

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "little")
JOINTS = ("wrist", *(f"{finger}_{i}" for finger in FINGERS for i in range(1, 5)))
WRIST = 0
KNUCKLES = tuple(1 + 4 * i for i in range(5))  # base of every finger
TIPS = tuple(4 + 4 * i for i in range(5))
BONES = tuple((WRIST if i % 4 == 1 else i - 1, i) for i in range(1, len(JOINTS)))  # (nearer to the wrist, farther)


def hand_state() -> StateSpec:
    """Of each side: 21 joints x y z in the base frame, 21 confidences (0 = not there or not known), whether it touches an object."""
    dims: list[Dim] = []
    for side in SIDES:
        dims += [Dim(f"{side}_{joint}_{axis}", "position", "m", "base") for joint in JOINTS for axis in "xyz"]
        dims += [Dim(f"{side}_{joint}_confidence", "confidence", low=0.0, high=1.0) for joint in JOINTS]
        dims.append(Dim(f"{side}_contact", "contact", low=0.0, high=1.0))
    return StateSpec(tuple(dims))


def hand_action(rate_hz: float) -> ActionSpec:
    """Of each side: where the wrist is to be (position, axis-angle) and how far the tips of thumb and index finger are apart."""
    dims: list[Dim] = []
    for side in SIDES:
        dims += [Dim(f"{side}_wrist_{axis}", "position", "m", "base") for axis in "xyz"]
        dims += [Dim(f"{side}_wrist_r{axis}", "rotation", "rad", "base", rotation="axis_angle") for axis in "xyz"]
        dims.append(Dim(f"{side}_aperture", "gripper", "m", sense="open_positive", low=0.0, high=0.15))
    return ActionSpec(tuple(dims), rate_hz)
