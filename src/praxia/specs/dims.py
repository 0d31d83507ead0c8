"""ActionSpec and StateSpec: what each number of an action or a state means."""

from dataclasses import dataclass
from typing import Literal

from praxia.errors import SpecMismatch
from praxia.registry import register

Kind = Literal["position", "rotation", "joint", "gripper", "velocity", "effort", "phase", "confidence", "contact"]
Reference = Literal["absolute", "delta"]
RotationForm = Literal["", "axis_angle", "euler_xyz", "quaternion_wxyz", "rotation_6d"]
GripperSense = Literal["", "open_positive", "close_positive"]


@dataclass(frozen=True)
class Dim:
    """One number of a vector.

    Every field is *identity*: two specs whose dims differ in any of them mean different things.
    """

    name: str
    kind: Kind
    unit: str = ""  # "m", "rad", "" for normalised or dimensionless numbers
    frame: str = ""  # frame the number is expressed in, e.g. "base", "tool", "camera:head"; "" for joint space
    reference: Reference = "absolute"
    rotation: RotationForm = ""
    sense: GripperSense = ""
    low: float | None = None  # hard limits of the command, if any
    high: float | None = None


@register("spec/action")
@dataclass(frozen=True)
class ActionSpec:
    """Ordered dims of one action and the rate at which actions are executed (adaptable)."""

    dims: tuple[Dim, ...]
    rate_hz: float

    @property
    def width(self) -> int:
        """Numbers per action."""
        return len(self.dims)


@register("spec/state")
@dataclass(frozen=True)
class StateSpec:
    """Ordered dims of proprioception."""

    dims: tuple[Dim, ...]

    @property
    def width(self) -> int:
        """Numbers per state."""
        return len(self.dims)


def check_identity(what: str, ours: ActionSpec | StateSpec, our_name: str, theirs: ActionSpec | StateSpec, their_name: str) -> None:
    """Raise SpecMismatch unless both specs give the same meaning to the same positions.

    Limits and rate are adaptable and not compared. The message names both sides, the dim, the field and the fix.
    """
    if ours.width != theirs.width:
        raise SpecMismatch(
            f"{what} mismatch between {our_name} and {their_name}:\n"
            f"  width: {our_name} has {ours.width} ({', '.join(d.name for d in ours.dims)}), "
            f"{their_name} has {theirs.width} ({', '.join(d.name for d in theirs.dims)})\n"
            f"  fix: use a dataset, world and policy of one robot, or add a SlotMap that widens both into shared slots"
        )
    lines = []
    for i, (a, b) in enumerate(zip(ours.dims, theirs.dims, strict=True)):
        for field in ("name", "kind", "unit", "frame", "reference", "rotation", "sense"):
            left, right = getattr(a, field), getattr(b, field)
            if left != right:
                lines.append(f"  dim {i} {a.name!r}: {field} is {left!r} in {our_name}, {right!r} in {their_name}")
    if lines:
        raise SpecMismatch(
            f"{what} mismatch between {our_name} and {their_name}:\n" + "\n".join(lines) + "\n"
            "  fix: correct the wrong side's dataset.yaml, or write the data anew so that both mean the same"
        )
