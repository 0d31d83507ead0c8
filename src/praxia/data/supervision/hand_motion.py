"""hand_motion: wrist paths as motion tokens, asked for, continued or told (VIPA-VLA stage 2, arXiv 2512.13080 §3.2.2 and §3.6)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample, WristPaths
from praxia.data.supervision.places import place_targets
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.geometry.paths import resampled
from praxia.geometry.se3 import apply
from praxia.registry import register
from praxia.tokens.motion_vocabulary import CUBE, MOTION, MotionVocabulary
from praxia.tokens.quantity import Parts, quantity

SIDES = ("left", "right")  # the order of a second's two blocks
INSTRUCTIONAL = (
    "{task} : show the next {steps} steps of the {hands}",
    "how is the {hands} to move in {steps} steps to {task} ?",
    "{task} . write the motion of the {hands} , {steps} steps",
    "the task is to {task} . where is the {hands} in the next {steps} steps ?",
    "give the path of the {hands} that is needed to {task} , {steps} steps",
    "{steps} steps of the {hands} , please : {task}",
    "move the {hands} for {steps} steps so as to {task}",
    "what way should the {hands} take in {steps} steps to {task} ?",
    "plan {steps} steps of motion for the {hands} : {task}",
    "someone wants to {task} . which motion of the {hands} follows , in {steps} steps ?",
    "from this picture on , {task} with the {hands} in {steps} steps",
    "{task} . which places does the {hands} go through in {steps} steps ?",
    "say how the {hands} goes on for {steps} steps in order to {task}",
    "the {hands} will {task} . tell its next {steps} steps",
    "to {task} , which {steps} steps come next for the {hands} ?",
    "draw the {hands} forward by {steps} steps : {task}",
    "if the goal is to {task} , how does the {hands} travel over {steps} steps ?",
    "let the {hands} {task} and write down {steps} steps of it",
    "list the {steps} places of the {hands} that come next when it has to {task}",
    "{task} . starting here , guide the {hands} through {steps} steps",
)
CONTEXTUAL = (  # {motion}: what the hands did up to now
    "{task} . so far the {hands} did {motion} , show the next {steps} steps",
    "{task} . the {hands} came this way : {motion} . how does it go on for {steps} steps ?",
    "until now the {hands} went {motion} . continue for {steps} steps to {task}",
    "the past of the {hands} is {motion} . the task is to {task} . give {steps} more steps",
    "after {motion} , what are the next {steps} steps of the {hands} to {task} ?",
    "{motion} is what the {hands} has done to {task} . write the {steps} steps that follow",
    "in order to {task} , the {hands} began with {motion} . finish with {steps} steps",
    "the {hands} is about to {task} and has moved {motion} . predict {steps} steps",
    "{task} : before this picture the {hands} moved {motion} , after it come {steps} steps . which ?",
    "going on from {motion} , where is the {hands} in the following {steps} steps ? {task}",
    "here is the last part of the path of the {hands} : {motion} . add {steps} steps to {task}",
    "with {motion} behind it , how should the {hands} move for {steps} steps to {task} ?",
    "keep on . the {hands} did {motion} , its task is to {task} , {steps} steps are wanted",
    "what follows {motion} if the {hands} is to {task} ? tell {steps} steps",
    "known motion of the {hands} : {motion} . wanted : {steps} steps more to {task}",
    "the {hands} got here by {motion} . which {steps} steps lead on to {task} ?",
    "{task} . first {motion} , then ? name the next {steps} steps of the {hands}",
    "read {motion} as the past of the {hands} , then say its next {steps} steps to {task}",
    "someone has to {task} , the {hands} just did {motion} . what comes in {steps} steps ?",
    "extend {motion} of the {hands} by {steps} steps so that it can {task}",
)
TRANSLATION = (  # {motion}: what the hands do from now on
    "in {steps} steps the {hands} does {motion} , what is it doing ?",
    "{motion} is how the {hands} moves in {steps} steps . what is it for ?",
    "the {hands} goes {motion} in {steps} steps . name the task",
    "which instruction fits {steps} steps of the {hands} that are {motion} ?",
    "describe in words what the {hands} does here in {steps} steps : {motion}",
    "look at the picture and at {steps} steps of the {hands} , {motion} . what happens ?",
    "what is done when the {hands} moves {motion} over {steps} steps ?",
    "put {motion} , {steps} steps of the {hands} , into words",
    "here the {hands} takes {steps} steps : {motion} . what does it want ?",
    "tell the aim of the {hands} that moves {motion} for {steps} steps",
    "the next {steps} steps of the {hands} are {motion} . what is the goal ?",
    "say what somebody does whose {hands} moves {motion} in {steps} steps",
    "if the {hands} follows {motion} for {steps} steps , what is being done ?",
    "given {motion} , {steps} steps of the {hands} , which task was it told ?",
    "explain this motion of the {hands} , {steps} steps long : {motion}",
    "for what purpose does the {hands} go {motion} within {steps} steps ?",
    "a motion of {steps} steps , {motion} , of the {hands} . what was asked for ?",
    "translate {motion} into words . it has {steps} steps of the {hands}",
    "find the task that the {hands} is at with {motion} , {steps} steps in all",
    "what can be said of the {hands} that in {steps} steps does {motion} ?",
)


@dataclass(frozen=True)
class Motion:
    """Whole seconds of a sample at the supervision's rate. past, future: side -> float64 [seconds * steps, 3], metres; steps: of a second."""

    past: Mapping[str, np.ndarray]
    future: Mapping[str, np.ndarray]
    steps: int

    @property
    def present(self) -> list[bool]:
        """For each block of `future`, in order, whether its hand is there."""
        return [side in self.future for _ in range(self.seconds) for side in SIDES]

    @property
    def seconds(self) -> int:
        """Of the future."""
        return len(next(iter(self.future.values()))) // self.steps


@register("supervision/hand_motion")
@dataclass(frozen=True)
class HandMotion:
    """One picture, the camera frame of the paths; three families (`WristPaths.family`).

    instructional: instruction -> motion; contextual: instruction and the past -> motion; translation: motion -> what is done.
    rate_hz: waypoints a second (published: 15; paths of another rate are resampled). seconds: of a target, at most; past: seconds told of the past,
    at most. Each second is a left block, then a right one. most_outside: share of waypoints beyond `cube` from which a sample is left out: those
    below are written at the cube's wall (open points 24 to 26). Questions that a sample brings with it are used in place of ours.
    positions: register tokens also learn where each hand begins, is halfway and ends (`supervision.places`, six places, left before right); ours.
    """

    rate_hz: float = 15.0
    seconds: int = 4
    past: int = 1
    cube: tuple[tuple[float, float], ...] = CUBE
    most_outside: float = 0.1
    positions: bool = False
    name: str = "hand_motion"
    as_taken: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, what in (("rate_hz", "waypoints in a second"), ("seconds", "seconds"), ("past", "seconds")):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 1 and value == round(value)):
                raise ConfigError(f"HandMotion.{name} is {value}; expected a whole number of {what}, at least 1")
        MotionVocabulary(cube=self.cube)  # refuses an impossible one
        if not 0 <= self.most_outside <= 1:
            raise ConfigError(f"HandMotion.most_outside is {self.most_outside}; expected a share from 0 to 1")

    @property
    def needs(self) -> Needs:
        """The picture alone: paths are labels of the sample."""
        return Needs()

    def usual_tokens(self, views: int) -> int:
        """Of two hands over all seconds: 376 as published."""
        return self.seconds * len(SIDES) * (3 * int(self.rate_hz) + 2)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None without picture, hands or a whole second, where too much lies outside the cube, or where a translation has no words."""
        motion = self.motion(sample)
        if motion is None or not sample.views or sample.wrists is None:
            return None
        words = {"task": sample.instruction, "hands": hands(motion), "steps": str(motion.steps * motion.seconds)}
        shown = replace(sample, views=sample.views[:1])
        dense = self._places(shown, motion) if self.positions else {}
        match sample.wrists.family:
            case "instructional":
                asked = sample.question or str(rng.choice(INSTRUCTIONAL)).format(**words)
                return Example(shown, asked, self._parts(motion.future, motion.steps), dense)
            case "contextual":
                before, behind = (sample.question + " ", "") if sample.question else _around(CONTEXTUAL, rng, words)
                told = _joined(before, self._parts(motion.past, motion.steps), behind)
                return Example(shown, told, self._parts(motion.future, motion.steps), dense)
            case "translation":
                before, behind = ("", " " + sample.question) if sample.question else _around(TRANSLATION, rng, words)
                answer = description(sample)
                told = _joined(before, self._parts(motion.future, motion.steps), behind)
                return Example(shown, told, answer, dense) if answer else None

    def motion(self, sample: Sample) -> Motion | None:
        """What the sample's hands do; None as in `__call__`. A hand with a gap (NaN) in its path is not there."""
        if sample.wrists is None:
            return None
        wrists = _whole(sample.wrists)
        if not wrists.future:
            return None
        future, past = dict(self._future(wrists)), dict(self._past(wrists))
        lengths = {len(path) for path in future.values()}
        if min(lengths) == 0 or (wrists.family == "contextual" and set(past) != set(future)):
            return None
        future = {side: path[: min(lengths)] for side, path in future.items()}
        told = (*future.values(), *(past.values() if wrists.family == "contextual" else ()))
        if MotionVocabulary(cube=self.cube).outside(np.concatenate(told)) > self.most_outside:
            return None
        return Motion(past, future, round(self.rate_hz))

    def _future(self, wrists: WristPaths) -> Iterator[tuple[str, np.ndarray]]:
        """Whole seconds, the first waypoint a step after now."""
        steps = round(self.rate_hz)
        for side, path in wrists.future.items():
            known = wrists.past.get(side, np.zeros((0, 3)))[-1:]
            path = resampled(np.concatenate([known, path]), wrists.rate_hz, self.rate_hz, first=1 - len(known))
            yield side, path[: min(self.seconds, len(path) // steps) * steps]

    def _past(self, wrists: WristPaths) -> Iterator[tuple[str, np.ndarray]]:
        """Whole seconds, the last waypoint now; sides with less are left out."""
        steps = round(self.rate_hz)
        for side, path in wrists.past.items():
            if len(path):
                path = resampled(path[::-1], wrists.rate_hz, self.rate_hz, first=0, include=True)[::-1]
                if whole := min(self.past, len(path) // steps) * steps:
                    yield side, path[-whole:]

    @staticmethod
    def _places(shown: Sample, motion: Motion) -> dict[str, np.ndarray]:
        """Of the first, middle and last waypoint of each hand; nothing of a hand that is not there, or from a camera whose pose is not known."""
        gone = np.full((3, 3), np.nan)
        three = [motion.future[side][[0, len(motion.future[side]) // 2, -1]] if side in motion.future else gone for side in SIDES]
        camera = shown.views[0].camera
        T_base_cam = np.eye(4) if camera is None or camera.T_base_cam is None else camera.T_base_cam
        return place_targets(shown, apply(T_base_cam, np.concatenate(three)), views=1)

    @staticmethod
    def _parts(paths: Mapping[str, np.ndarray], steps: int) -> Parts:
        """Blocks, second by second, left before right; a hand that is not there is NaN. A past of unequal seconds is cut to the shorter one."""
        count = min(len(path) for path in paths.values()) // steps
        gone = np.full((count * steps, 3), np.nan)
        cut = [paths[side][-count * steps :] if side in paths else gone for side in SIDES]
        return tuple(quantity(MOTION, path[k * steps : (k + 1) * steps]) for k in range(count) for path in cut)


def _around(ways: tuple[str, ...], rng: np.random.Generator, words: Mapping[str, str]) -> tuple[str, str]:
    """What stands before a motion and behind it in one of the ways to ask, drawn."""
    before, _, behind = str(rng.choice(ways)).partition("{motion}")
    return before.format(**words), behind.format(**words)


def _joined(before: str, motion: Parts, behind: str) -> Parts:
    """A motion between texts; an empty one is no part."""
    return (*((before,) if before else ()), *motion, *((behind,) if behind else ()))


def description(sample: Sample) -> str:
    """What a motion is said to be, "" if nobody said."""
    return sample.answer or sample.instruction


def _whole(wrists: WristPaths) -> WristPaths:
    """Without the hands that have a gap."""
    gone = {side for paths in (wrists.past, wrists.future) for side, path in paths.items() if np.isnan(path).any()}
    past, future = ({side: path for side, path in paths.items() if side not in gone} for paths in (wrists.past, wrists.future))
    return replace(wrists, past=past, future=future)


def hands(motion: Motion) -> str:
    """The hands that move, as a question names them."""
    return "both hands" if len(motion.future) == 2 else f"{next(iter(motion.future))} hand"
