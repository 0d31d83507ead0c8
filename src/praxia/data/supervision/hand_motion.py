"""hand_motion: wrist paths as motion tokens, asked for, continued or told (VIPA-VLA stage 2, arXiv 2512.13080 §3.2.2 and §3.6)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample, WristPaths
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.geometry.paths import resampled
from praxia.registry import register
from praxia.tokens.motion_vocabulary import CUBE, MOTION, MotionVocabulary
from praxia.tokens.quantity import Parts, quantity

SIDES = ("left", "right")  # the order of a second's two blocks
INSTRUCTIONAL = (
    "{task} : show the next {steps} steps of the {hands}",
    "how does the {hands} move in {steps} steps to {task} ?",
    "{task} . write the motion of the {hands} , {steps} steps",
)
CONTEXTUAL = ("{task} . so far the {hands} did ", " , show the next {steps} steps")
TRANSLATION = ("in {steps} steps the {hands} does ", " , what is it doing ?")


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
    """

    rate_hz: float = 15.0
    seconds: int = 4
    past: int = 1
    cube: tuple[tuple[float, float], ...] = CUBE
    most_outside: float = 0.1
    name: str = "hand_motion"
    as_taken: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("rate_hz", "seconds", "past"):
            if getattr(self, name) < 1:
                raise ConfigError(f"HandMotion.{name} is {getattr(self, name)}; expected at least 1")
        if self.rate_hz != round(self.rate_hz):
            raise ConfigError(f"HandMotion.rate_hz is {self.rate_hz}; expected a whole number of waypoints in a second")
        if not 0 <= self.most_outside <= 1:
            raise ConfigError(f"HandMotion.most_outside is {self.most_outside}; expected a share from 0 to 1")

    @property
    def needs(self) -> Needs:
        """The picture alone: paths are labels of the sample."""
        return Needs()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None without picture, hands or a whole second, where too much lies outside the cube, or where a translation has no words."""
        motion = self.motion(sample)
        if motion is None or not sample.views or sample.wrists is None:
            return None
        words = {"task": sample.instruction, "hands": hands(motion), "steps": str(motion.steps * motion.seconds)}
        shown = replace(sample, views=sample.views[:1])
        match sample.wrists.family:
            case "instructional":
                asked = sample.question or str(rng.choice(INSTRUCTIONAL)).format(**words)
                return Example(shown, asked, self._parts(motion.future, motion.steps))
            case "contextual":
                before, behind = (part.format(**words) for part in CONTEXTUAL)
                told = (sample.question + " ",) if sample.question else (before,)
                return Example(shown, (*told, *self._parts(motion.past, motion.steps), behind), self._parts(motion.future, motion.steps))
            case "translation":
                before, behind = (part.format(**words) for part in TRANSLATION)
                answer, asked = description(sample), f" {sample.question}" if sample.question else behind
                return Example(shown, (before, *self._parts(motion.future, motion.steps), asked), answer) if answer else None

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
    def _parts(paths: Mapping[str, np.ndarray], steps: int) -> Parts:
        """Blocks, second by second, left before right; a hand that is not there is NaN. A past of unequal seconds is cut to the shorter one."""
        count = min(len(path) for path in paths.values()) // steps
        gone = np.full((count * steps, 3), np.nan)
        cut = [paths[side][-count * steps :] if side in paths else gone for side in SIDES]
        return tuple(quantity(MOTION, path[k * steps : (k + 1) * steps]) for k in range(count) for path in cut)


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
