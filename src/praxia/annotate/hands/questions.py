"""The four kinds of questions about a clip, with answers from calibrated geometry (VIPA-VLA §3.4; defaults 11, 13, 17, 18, 21)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from praxia.annotate.hands.labels import IN_CONTACT, NOT_IN_CONTACT, rotation_text
from praxia.annotate.hands.moments import Moment, nearest_frame
from praxia.annotate.hands.phrases import as_infinitive, ask
from praxia.annotate.hands.settings import HandRules
from praxia.annotate.hands.visible import FINGER
from praxia.data.hand_clips.clip import Clip
from praxia.geometry import se3
from praxia.geometry.directions import displacement_text, distance_text
from praxia.geometry.hands import palm
from praxia.geometry.rotations import matrix_to_axis_angle
from praxia.specs.hands import SIDES, TIPS, WRIST

STILL, NO_TURN = "hand hardly moves", "camera hardly turns"
NO_WORDS, NOT_NAMED, NO_OBJECT = "no instruction", "no object is named in the instruction", "no object is known"  # what tasks are asked with
_MOST = 4  # pictures of a question, one a second


@dataclass(frozen=True)
class Asked:
    """What can be asked at a moment. vector [3]: metres in the camera frame of the last frame; of rotations radians in that of the first.

    box: of the object in the last frame (u0, v0, u1, v1), () without one.
    """

    category: str
    kind: str
    frames: tuple[int, ...]
    answer: str
    vector: np.ndarray
    hand: str = ""
    object: str = ""
    box: tuple[float, ...] = ()

    @property
    def label(self) -> tuple[Any, ...]:
        """What was measured, whatever number of pictures leads to it."""
        return self.category, self.hand, self.object, *self.vector


def questions(clip: Clip, moments: list[Moment], rules: HandRules, rng: np.random.Generator, rejections: Counter[str]) -> list[tuple[Asked, str]]:
    """(what is asked, the question in words), at most `rules.questions`, in the shares of `rules.mix` as far as the clip has them."""
    chosen: list[tuple[Asked, str]] = []
    makers = (_tasks, _relations, _movements, _rotations)  # as in CATEGORIES
    for count, make in zip(counts(rules.questions, rules.mix, rng), makers, strict=True):
        for asked in drawn(list(make(clip, moments, rules, rejections)), count, rng):
            chosen.append((asked, ask(asked.kind, rng, asked.hand, asked.object, as_infinitive(clip.instruction))))
    return chosen


def drawn(options: Sequence[Asked], count: int, rng: np.random.Generator) -> list[Asked]:
    """At most `count`: every label once, with any of its pictures, before one is asked about again with others."""
    shuffled = [options[i] for i in rng.permutation(len(options))]
    before: Counter[tuple[Any, ...]] = Counter()  # how often a label has come already
    turns = []
    for asked in shuffled:
        turns.append(before[asked.label])
        before[asked.label] += 1
    return [shuffled[i] for i in np.argsort(turns, kind="stable")[:count]]


def counts(total: int, shares: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Whole numbers in these shares that add up to `total`: each is its exact number rounded up or down, on average that number.

    One draw shifts all borders between the shares at once (systematic sampling), so that small shares are met over many clips.
    """
    borders = np.concatenate([[0], np.cumsum(shares) / sum(shares) * total])
    borders[-1] = total
    return np.diff(np.floor(borders + rng.random())).astype(int).tolist()


def _shown(clip: Clip, moment: Moment) -> list[tuple[int, ...]]:
    """1 to 4 consecutive pictures, one a second, that end at a moment."""
    steps = [nearest_frame(clip, moment.step - k * clip.rate_hz) for k in range(_MOST) if moment.step - k * clip.rate_hz >= -0.5]
    return [tuple(reversed(steps[: n + 1])) for n in range(len(steps))]


def _gaps(joints: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Least distance [...] between the skin of known fingertips of hands [..., 21, 3] (NaN: not known) and points [n, 3]; the tips of a skeleton are
    inside the fingers."""
    tips = joints[..., TIPS, None, :]
    return np.nan_to_num(np.linalg.norm(tips - points, axis=-1), nan=np.inf).min((-2, -1)) - FINGER


def _tasks(clip: Clip, moments: list[Moment], rules: HandRules, rejections: Counter[str]) -> Iterator[Asked]:
    """The wrist's way from now to its first contact with the object, or closest approach (default 17); nothing is asked after that."""
    seen = [m for m in moments if clip.objects and clip.objects[0] in m.objects]
    if missing := NO_WORDS if not clip.instruction.strip() else NO_OBJECT if not clip.objects else "" if clip.named else NOT_NAMED:
        rejections[missing] += 1
        return
    if not seen:
        return
    target = clip.objects[0]
    arrivals = {side: _arrival(clip, seen[0], 0, side, rules) for side in range(2)}
    touching = [side for side, (_, gap) in arrivals.items() if gap < rules.contact]
    acting = touching or [min(arrivals, key=lambda side: arrivals[side][1])]  # the words are about hands that touch it, else about the nearest
    for moment in seen:
        thing = moment.objects[target]
        for side in acting:
            if not moment.there[side] or moment.step >= arrivals[side][0] or _gaps(moment.joints[side], thing.points) < rules.contact:
                continue  # not in the picture, or there already
            then, _ = _arrival(clip, moment, moment.step, side, rules)
            wrist = se3.apply(se3.invert(moment.T_base_cam), clip.hands.joints[then, side, WRIST])
            vector = wrist - moment.joints[side, WRIST] if then > moment.step else thing.point - palm(moment.joints[side])
            if np.linalg.norm(vector) < rules.still:
                rejections[STILL] += 1
                continue
            for frames in _shown(clip, moment):
                yield Asked("task_completion", "task", frames, displacement_text(vector, rules.gamma), vector, SIDES[side], target, thing.box)


def _arrival(clip: Clip, moment: Moment, start: int, side: int, rules: HandRules) -> tuple[int, float]:
    """(step, gap in m): from `start` on, when a hand first touches the object where the moment sees it, or else is nearest."""
    joints = se3.apply(se3.invert(moment.T_base_cam), clip.hands.joints[start:, side].reshape(-1, 3)).reshape(-1, 21, 3)
    known = clip.hands.confidence[start:, side] >= rules.joint_confidence
    gaps = _gaps(np.where(known[..., None], joints, np.nan), moment.objects[clip.objects[0]].points)
    gaps = np.where(known[:, WRIST], gaps, np.inf)
    touched = np.flatnonzero(gaps < rules.contact)
    at = int(touched[0]) if len(touched) else int(np.argmin(gaps))
    return start + at, float(gaps[at])


def _relations(clip: Clip, moments: list[Moment], rules: HandRules, rejections: Counter[str]) -> Iterator[Asked]:
    """Hand and object in the last frame: position, distance or contact."""
    for moment in moments:
        for name, seen in moment.objects.items():
            for side in np.flatnonzero(moment.there):
                vector = seen.point - palm(moment.joints[side])
                touching = bool(_gaps(moment.joints[side], seen.points) < rules.contact)
                answers = {
                    "position": IN_CONTACT if touching else displacement_text(vector, rules.gamma),
                    "distance": IN_CONTACT if touching else distance_text(vector),
                    "contact": IN_CONTACT if touching else NOT_IN_CONTACT,
                }
                for i, frames in enumerate(_shown(clip, moment)):
                    kind = ("position", "position", "distance", "contact")[(i + moment.step) % 4]
                    yield Asked("spatial_relationship", kind, frames, answers[kind], vector, SIDES[side], name, seen.box)


def _movements(clip: Clip, moments: list[Moment], rules: HandRules, rejections: Counter[str]) -> Iterator[Asked]:
    """A wrist's displacement between two frames, in the camera frame of the second."""
    for i, first in enumerate(moments):
        for last in moments[i + 1 :]:
            before = se3.apply(se3.compose(se3.invert(last.T_base_cam), first.T_base_cam), first.joints[:, WRIST])
            for side in np.flatnonzero(first.there & last.there):
                vector = last.joints[side, WRIST] - before[side]
                if np.linalg.norm(vector) < rules.still:
                    rejections[STILL] += 1
                    continue
                text = displacement_text(vector, rules.gamma)
                yield Asked("hand_movement", "movement", (first.step, last.step), text, vector, SIDES[side])


def _rotations(clip: Clip, moments: list[Moment], rules: HandRules, rejections: Counter[str]) -> Iterator[Asked]:
    """The camera's rotation between two frames, in the frame of the first."""
    for i, first in enumerate(moments):
        for last in moments[i + 1 :]:
            rotvec = matrix_to_axis_angle(first.T_base_cam[:3, :3].T @ last.T_base_cam[:3, :3])
            if np.degrees(np.linalg.norm(rotvec)) < rules.least_turn:
                rejections[NO_TURN] += 1
                continue
            yield Asked("camera_movement", "rotation", (first.step, last.step), rotation_text(rotvec), rotvec)
