"""Unified space: one action vector and one state vector for robots that differ (Action Priors §IV-A, Table I; arXiv 2606.26095).

Every robot writes its own slots, the rest is zero. A robot that the table lacks gets slots of its own behind it: an index never changes its meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from praxia.data.number_transforms import GripperSense, Normalise, Part, RelativeToState, SinCos, SlotMap, Split
from praxia.data.numbers import Numbers
from praxia.errors import ConfigError
from praxia.registry import register
from praxia.specs import ActionSpec, Dim, StateSpec

# The published table: what stands in which slots.
ACTION_SLOTS = {
    "left arm": range(7),  # joint angles (GR1)
    "right arm": range(7, 14),  # joint angles (GR1); delta pose and gripper (LIBERO)
    "left hand": range(14, 20),  # joints (GR1)
    "right hand": range(20, 26),  # joints (GR1)
    "waist": range(26, 29),  # joint angles (GR1)
    "single arm": range(29, 37),  # joint angles and gripper (Franka)
}
STATE_SLOTS = {
    "end effector": range(8),  # pose and gripper (LIBERO)
    "single arm": range(8, 16),  # joint angles and gripper (Franka)
    "whole body": range(16, 74),  # 29 joints: sines, then cosines, of each part (GR1)
}
ACTION_WIDTH, STATE_WIDTH = 37, 74


@register("number/robot_slots")
@dataclass(frozen=True)
class RobotSlots:
    """Where one robot's numbers stand.

    action: slot of every action dim. angles: groups of state dims that are told as sines, then cosines. state: slot of every number of the state, in
    the order groups of angles (each: all sines, then all cosines), then all other dims. relative: (action dim, state dim) pairs learnt as offsets
    from the state now. acts: what its actions are, in words: `praxia info` shows slots that hold different ones. least: smallest half-width of a
    dim's range, in its unit; clip: largest normalised number of a state (see `Normalise` for both); 0 = none.
    """

    robot: str
    action: tuple[int, ...]
    state: tuple[int, ...]
    angles: tuple[tuple[int, ...], ...] = ()
    relative: tuple[tuple[int, int], ...] = ()
    acts: str = ""
    least: float = 0.0
    clip: float = 0.0

    def __post_init__(self) -> None:
        for name, meant in (("least", "a half-width in the unit of the dims"), ("clip", "a normalised number such as 1.2")):
            if getattr(self, name) < 0:
                raise ConfigError(f"robot {self.robot!r}: RobotSlots.{name} is {getattr(self, name)}; expected {meant}, or 0 for none")
        turned = [dim for group in self.angles for dim in group]
        offset = [dim for dim, _ in self.relative]
        for name, dims in (("angles", turned), ("relative", offset)):
            if len(set(dims)) != len(dims) or any(dim < 0 for dim in dims):
                raise ConfigError(f"robot {self.robot!r}: RobotSlots.{name} is {getattr(self, name)}; expected every dim at most once, none below 0")


@register("number/unified_space")
@dataclass(frozen=True)
class UnifiedSpace:
    """The slots of all robots. A robot that is not named gets as many new slots as it has numbers, in the order in which robots are `joined`.

    Each dim is normalised by its own robot's quantiles (grippers so come to -1 and 1), angles are not; zeros fill the other slots afterwards.
    Grippers all open towards +1, whatever a robot's own sense. past: as in `Numbers`.
    """

    robots: tuple[RobotSlots, ...] = ()
    action_width: int = ACTION_WIDTH
    state_width: int = STATE_WIDTH
    past: Literal["now", "start"] = "now"

    def __post_init__(self) -> None:
        names = [r.robot for r in self.robots]
        if len(set(names)) != len(names):
            raise ConfigError(f"UnifiedSpace names a robot twice: {names}; give each its slots once")
        for robot in self.robots:
            for kind, slots, width in (("action", robot.action, self.action_width), ("state", robot.state, self.state_width)):
                if len(set(slots)) != len(slots) or any(not 0 <= slot < width for slot in slots):
                    raise ConfigError(f"robot {robot.robot!r}: {kind} slots {slots} must be different, at least 0 and below the width {width}")
        for name, width, least in (("action_width", self.action_width, 1), ("state_width", self.state_width, 0)):
            if width < least:
                raise ConfigError(f"UnifiedSpace.{name} is {width}; expected at least {least}")

    def behind(self, robots: Mapping[str, Numbers]) -> "UnifiedSpace":
        """As wide as these robots' numbers are, fitted by an earlier run: who joins later stands behind, so that no index changes its meaning.

        Raises ConfigError where a robot of this table would write what one of the earlier run, that the table lacks, has behind the published slots.
        """
        named = {r.robot for r in self.robots}
        for name, numbers in robots.items():
            if name not in named:
                self._check_apart(name, numbers)
        ends = [numbers.widths for numbers in robots.values()]
        return replace(
            self,
            action_width=max([self.action_width, *(action for action, _ in ends)]),
            state_width=max([self.state_width, *(state for _, state in ends)]),
        )

    def _check_apart(self, name: str, numbers: Numbers) -> None:
        """ConfigError where a robot of the table writes the slots behind the published ones that robot `name` of an earlier run has."""
        for kind, transforms, end in (("action", numbers.action, ACTION_WIDTH), ("state", numbers.state, STATE_WIDTH)):
            last = transforms[-1] if transforms else None
            theirs = set(last.slots or ()) if isinstance(last, SlotMap) else set()
            for robot in self.robots:
                if both := sorted(slot for slot in theirs & set(getattr(robot, kind)) if slot >= end):
                    raise ConfigError(
                        f"{kind} slots {both[0]} to {both[-1]} are those of robot {name!r} in the statistics given, and of {robot.robot!r} in the "
                        f"recipe's table\n  fix: give {robot.robot!r} slots behind those, and name {name!r} in the table with its own"
                    )

    def joined(self, robots: Sequence[tuple[str, ActionSpec, StateSpec]]) -> "UnifiedSpace":
        """With slots of their own, behind all others, for the robots that have none yet: (name, action, state) each."""
        space = self
        for name, action, state in robots:
            if name in (r.robot for r in space.robots):
                continue
            ends = space.action_width, space.state_width
            new = RobotSlots(name, tuple(range(ends[0], ends[0] + action.width)), tuple(range(ends[1], ends[1] + state.width)))
            space = replace(space, robots=(*space.robots, new), action_width=ends[0] + action.width, state_width=ends[1] + state.width)
        return space

    def of(self, embodiment: str, action: ActionSpec, state: StateSpec) -> Numbers:
        """The transforms of one robot, not yet fitted. Raises ConfigError where its slots do not fit its dims."""
        slots = next((r for r in self.robots if r.robot == embodiment), None)
        if slots is None:
            raise ConfigError(f"robot {embodiment!r} has no slots in the unified space; it knows {[r.robot for r in self.robots]}")
        turned = tuple(dim for group in slots.angles for dim in group)
        told = state.width + len(turned)
        beyond = [dim for dim in turned if dim >= state.width]
        if beyond:
            raise ConfigError(f"robot {embodiment!r}: RobotSlots.angles names state dims {beyond}; its state has {state.width}, from 0 on")
        wrong = [pair for pair in slots.relative if pair[0] >= action.width or not 0 <= pair[1] < state.width]
        if wrong:
            raise ConfigError(
                f"robot {embodiment!r}: RobotSlots.relative has pairs (action dim, state dim) {wrong}; it has {action.width} action dims and "
                f"{state.width} state dims, from 0 on"
            )
        if len(slots.action) != action.width or len(slots.state) != told:
            raise ConfigError(
                f"robot {embodiment!r} has {action.width} action dims and {told} numbers of state, its RobotSlots name {len(slots.action)} and "
                f"{len(slots.state)} slots; give each number one slot"
            )
        rest = tuple(i for i in range(state.width) if i not in turned)
        parts = (*(Part(group, (SinCos(),)) for group in slots.angles), Part(rest, (Normalise("quantile", slots.least, slots.clip),)))
        split = (Split(tuple(part for part in parts if part.dims)),) if state.width else ()
        relative = (RelativeToState(slots.relative),) if slots.relative else ()
        return Numbers(
            action=(*relative, *_opening(action.dims), Normalise("quantile", slots.least), SlotMap(slots.action, self.action_width)),
            state=(*_opening(state.dims), *split, SlotMap(slots.state, self.state_width)),
            past=self.past,
        )

    def meanings(self) -> dict[str, list["SlotRun"]]:
        """Of actions and of states: runs of slots, and who writes them; what stands behind the table is "appended". A state slot has one meaning."""
        acts = {r.robot: r.acts or r.robot for r in self.robots}
        return {
            "action": _runs(ACTION_SLOTS, self.action_width, {r.robot: r.action for r in self.robots}, acts),
            "state": _runs(STATE_SLOTS, self.state_width, {r.robot: r.state for r in self.robots}, {}),
        }


@dataclass(frozen=True)
class SlotRun:
    """Slots that stand together. robots: how many of them each writes; meanings: what those mean that hold several things, in words; () if none."""

    name: str
    slots: range
    robots: dict[str, int]
    meanings: tuple[str, ...] = ()


def _runs(table: Mapping[str, range], width: int, robots: dict[str, tuple[int, ...]], words: dict[str, str]) -> list[SlotRun]:
    end = max(run.stop for run in table.values())
    found = []
    for name, run in {**table, **({"appended": range(end, width)} if width > end else {})}.items():
        written = {robot: sum(slot in run for slot in slots) for robot, slots in robots.items()}
        held = [dict.fromkeys(words[robot] for robot, slots in robots.items() if slot in slots and robot in words) for slot in run]
        several = dict.fromkeys(meaning for meanings in held if len(meanings) > 1 for meaning in meanings)
        found.append(SlotRun(name, run, {robot: number for robot, number in written.items() if number}, tuple(several)))
    return found


def _opening(dims: tuple[Dim, ...]) -> tuple[GripperSense, ...]:
    """What turns every gripper number so that more means more open."""
    return tuple(
        GripperSense(i, 0.0 if dim.low is None else dim.low, 1.0 if dim.high is None else dim.high)
        for i, dim in enumerate(dims)
        if dim.sense == "close_positive"
    )


def span(first: int, count: int) -> tuple[int, ...]:
    """`count` slots from `first` on."""
    return tuple(range(first, first + count))
