"""All numbers of the annotation engine, with VIPA-VLA's where the paper states them and our defaults (specification §9) where it does not."""

import math
from dataclasses import dataclass, field
from typing import Any

from praxia.data.hand_clips.tables import CATEGORIES, FAMILIES
from praxia.errors import ConfigError
from praxia.registry import register


@register("annotate/scale_rules")
@dataclass(frozen=True)
class ScaleRules:
    """How s is taken from joint depths and cloud depths (defaults 14 and 15).

    outlier: joints whose ratio is farther from the frame's median than this share are dropped. least_joints: that must be left in a frame; agree:
    least share of the frame's usable joints that must be left; within: most MAD / median of what is left (both ours). low, high: s of a frame must
    lie between. spread: most MAD / median of the frames' scales; frames whose own s is farther from the clip's are not labelled, nor those that
    `low`, `high`, `agree` or `within` refuse (ours); those with too few joints take the clip's. least_frames: that give a scale; of the frames with
    enough joints more than half must fit the clip's (ours).
    behind: a joint is visible within so many metres behind the front-most surface of the hands. quantile: this share of a frame's visible joints is
    not used, those where the cloud is least sure, as long as `least_joints` are left (ours). of_picture: those where the cloud is less sure than of
    this share of the whole picture are not used, as default 15 has it: a small net is least sure of just the hands, and few are left.
    skin: the cloud is compared with the skin before a joint, which is what it shows (ours: a joint is about a centimetre behind it);
    off: with the joint itself, the paper's formula.
    """

    outlier: float = 0.30
    least_joints: int = 5
    agree: float = 0.5
    within: float = 0.10
    low: float = 0.5
    high: float = 2.0
    spread: float = 0.15
    least_frames: int = 2
    behind: float = 0.02
    quantile: float = 0.30
    of_picture: bool = False
    skin: bool = True

    def __post_init__(self) -> None:
        _whole(self, 1, "least_joints", "least_frames")
        _above_zero(self, "outlier", "within", "low", "high", "spread")
        _shares(self, "agree", "quantile")
        _refuse(self, "quantile", self.quantile < 1, "a share below 1, so that a joint is left")
        _at_least_zero(self, "behind")
        if self.low > self.high:
            raise ConfigError(f"ScaleRules.low is {self.low}, high is {self.high}; expected low <= high, or every frame is refused")


@register("annotate/object_rules")
@dataclass(frozen=True)
class ObjectRules:
    """How an object's point is taken from the cloud in its box (default 12).

    central: share of each side of the box that counts. least_points: in it, hands removed, for a picture of 448 px (fewer for smaller pictures).
    mads: points farther than so many MADs in depth are left out.
    """

    central: float = 0.5
    least_points: int = 50
    mads: float = 3.0

    def __post_init__(self) -> None:
        _whole(self, 1, "least_points")
        _above_zero(self, "central", "mads")
        _shares(self, "central")


@register("annotate/hands")
@dataclass(frozen=True)
class HandRules:
    """The engine's settings.

    calibrate: multiply the cloud by s (off: what the cloud says is taken for metres). gamma: a direction is named from this share of a vector on
    (default 9). label_hz: moments a second that are labelled. contact: metres between a fingertip's skin and the nearest point of an object
    (default 13).
    in_view: a hand is asked about in a frame that holds its wrist and at least this share of its known joints (1: all, as in §3.2). Of motions the
    wrist must be in the conditioning picture.
    still: shorter displacements (m) are not asked about (default 18); least_turn: likewise rotations of the camera in degrees.
    questions: at most so many a clip (the paper has about 75); 0: motions alone, which need no depth, masks, net and detector. mix: shares of the
    four categories; the paper's are (0.687, 0.249, 0.063, 0.001), its 205 camera pairs teach nothing (default 21).
    motions: at most so many a clip. families: shares of the three families (paper, §3.6). past_s: seconds of a continued motion that are given;
    seconds: lengths of a target. extent: a wrist must range over so many metres (default 28). outside: most share of points off the 1 m cube
    (default 26).
    held_out: share of each task's clips; held_tasks: tasks that are held out whole; if none is named, one is drawn where there are three or more.
    """

    scale: ScaleRules = field(default_factory=ScaleRules)
    objects: ObjectRules = field(default_factory=ObjectRules)
    calibrate: bool = True
    gamma: float = 0.3
    label_hz: float = 2.0
    contact: float = 0.02
    still: float = 0.02
    least_turn: float = 2.0
    joint_confidence: float = 0.5
    in_view: float = 1.0
    questions: int = 24
    mix: tuple[float, ...] = (0.65, 0.24, 0.06, 0.05)
    motions: int = 12
    families: tuple[float, ...] = (0.592, 0.272, 0.136)
    past_s: float = 1.0
    seconds: tuple[int, ...] = (1, 2, 3, 4)
    extent: float = 0.05
    outside: float = 0.10
    held_out: float = 0.05
    held_tasks: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.gamma < 3**-0.5:
            raise ConfigError(f"HandRules.gamma is {self.gamma}; expected between 0 and 0.577, so that every vector has a direction")
        for name, value, kinds in (("mix", self.mix, CATEGORIES), ("families", self.families, FAMILIES)):
            if len(value) != len(kinds) or not all(0 <= share < math.inf for share in value) or sum(value) <= 0:
                raise ConfigError(f"HandRules.{name} is {value}; expected {len(kinds)} shares, of {', '.join(kinds)}")
        _whole(self, 0, "questions", "motions", "seed")
        _above_zero(self, "label_hz", "contact", "past_s")
        _refuse(self, "contact", self.contact <= 0.2, "metres, at most 0.2")
        _at_least_zero(self, "still", "least_turn", "extent")
        _shares(self, "joint_confidence", "in_view", "outside")
        if not 0 <= self.held_out < 1:
            raise ConfigError(f"HandRules.held_out is {self.held_out}; expected from 0 to below 1, so that something is learnt from")
        if not self.seconds or not all(0 < seconds < math.inf for seconds in self.seconds):
            raise ConfigError(f"HandRules.seconds is {self.seconds}; expected at least one length, all above 0")


def _whole(rules: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(rules, name)
        _refuse(rules, name, isinstance(value, int) and value >= least, f"a whole number of at least {least}")


def _above_zero(rules: Any, *names: str) -> None:
    for name in names:
        _refuse(rules, name, 0 < getattr(rules, name) < math.inf, "a number above 0")


def _at_least_zero(rules: Any, *names: str) -> None:
    for name in names:
        _refuse(rules, name, 0 <= getattr(rules, name) < math.inf, "a number of at least 0")


def _shares(rules: Any, *names: str) -> None:
    for name in names:
        _refuse(rules, name, 0 <= getattr(rules, name) <= 1, "a share from 0 to 1")


def _refuse(rules: Any, name: str, good: bool, expected: str) -> None:
    if not good:
        raise ConfigError(f"{type(rules).__name__}.{name} is {getattr(rules, name)!r}; expected {expected}")
