"""The four kinds of questions about a clip, with answers from calibrated geometry (VIPA-VLA §3.4; defaults 11, 13, 17, 18, 21)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from praxia.annotate.hands.labels import IN_CONTACT, NOT_IN_CONTACT, displacement_text, distance_text, rotation_text
from praxia.annotate.hands.moments import Moment, nearest_frame
from praxia.annotate.hands.phrases import as_infinitive, ask
from praxia.annotate.hands.settings import HandRules
from praxia.data.hand_clips.clip import Clip
from praxia.data.hand_clips.tables import CATEGORIES
from praxia.geometry import se3
from praxia.geometry.hands import palm
from praxia.geometry.rotations import matrix_to_axis_angle
from praxia.specs.hands import SIDES, TIPS, WRIST

STILL, NO_TURN = "hand hardly moves", "camera hardly turns"
_MOST = 4  # pictures of a question, one a second


@dataclass(frozen=True)
class Asked:
    """What can be asked at a moment. vector [3]: metres in the camera frame of the last frame; of rotations radians in that of the first."""

    category: str
    kind: str
    frames: tuple[int, ...]
    answer: str
    vector: np.ndarray
    hand: str = ""
    object: str = ""


def questions(clip: Clip, moments: list[Moment], rules: HandRules, rng: np.random.Generator, rejections: Counter[str]) -> list[tuple[Asked, str]]:
    """(what is asked, the question in words), at most `rules.questions`, in the shares of `rules.mix` as far as the clip has them."""
    chosen: list[tuple[Asked, str]] = []
    makers = (_tasks, _relations, _movements, _rotations)
    for category, share, make in zip(CATEGORIES, np.array(rules.mix) / sum(rules.mix), makers, strict=True):
        options = [a for a in make(clip, moments, rules, rejections) if a.category == category]
        count = rules.questions * share
        count = int(count) + (rng.random() < count % 1)  # small shares are met over many clips
        for i in rng.permutation(len(options))[:count]:
            asked = options[i]
            chosen.append((asked, ask(asked.kind, rng, asked.hand, asked.object, as_infinitive(clip.instruction))))
    return chosen


def _shown(clip: Clip, moment: Moment) -> list[tuple[int, ...]]:
    """1 to 4 consecutive pictures, one a second, that end at a moment."""
    steps = [nearest_frame(clip, moment.step - k * clip.rate_hz) for k in range(_MOST) if moment.step - k * clip.rate_hz >= -0.5]
    return [tuple(reversed(steps[: n + 1])) for n in range(len(steps))]


def _tips_to(joints: np.ndarray, points: np.ndarray) -> float:
    """Least distance between fingertips of a hand [21, 3] and points [n, 3]."""
    return float(np.linalg.norm(joints[list(TIPS), None] - points[None], axis=-1).min())


def _tasks(clip: Clip, moments: list[Moment], rules: HandRules, rejections: Counter[str]) -> Iterator[Asked]:
    """The wrist's way from now to its first contact with the object, or closest approach (default 17)."""
    if not clip.objects:
        return
    target = clip.objects[0]
    acting = _acting(clip, moments, target, rules)
    for moment in moments:
        if target not in moment.objects:
            continue
        seen = moment.objects[target]
        to_camera = se3.invert(moment.T_base_cam)
        for side in acting:
            if not moment.there[side] or _tips_to(moment.joints[side], seen.points) < rules.contact:
                continue  # not in the picture, or there already
            ahead = se3.apply(to_camera, clip.hands.joints[moment.step :, side].reshape(-1, 3)).reshape(-1, 21, 3)
            known = clip.hands.confidence[moment.step :, side, WRIST] >= rules.joint_confidence
            gaps = np.where(known, np.linalg.norm(ahead[:, list(TIPS), None] - seen.points[None, None], axis=-1).min((1, 2)), np.inf)
            touched = np.flatnonzero(gaps < rules.contact)
            then = int(touched[0]) if len(touched) else int(np.argmin(gaps))
            vector = ahead[then, WRIST] - moment.joints[side, WRIST] if then else seen.point - palm(moment.joints[side])
            if np.linalg.norm(vector) < rules.still:
                rejections[STILL] += 1
                continue
            for frames in _shown(clip, moment):
                yield Asked("task_completion", "task", frames, displacement_text(vector, rules.gamma), vector, SIDES[side], target)


def _acting(clip: Clip, moments: list[Moment], target: str, rules: HandRules) -> list[int]:
    """Hands that the words can be about: those that come to the object, else the one that comes nearest."""
    nearest: dict[int, float] = {}
    for moment in moments:
        if target in moment.objects:
            to_camera, points = se3.invert(moment.T_base_cam), moment.objects[target].points
            for side in range(2):
                known = clip.hands.confidence[:, side, WRIST] >= rules.joint_confidence
                if known.any():
                    tips = se3.apply(to_camera, clip.hands.joints[known, side][:, list(TIPS)].reshape(-1, 3))
                    gap = float(np.linalg.norm(tips[:, None] - points[None], axis=-1).min())
                    nearest[side] = min(nearest.get(side, np.inf), gap)
            break  # where the object is before anybody has moved it
    touching = [side for side, gap in nearest.items() if gap < rules.contact]
    return touching or ([min(nearest, key=lambda s: nearest[s])] if nearest else [])


def _relations(clip: Clip, moments: list[Moment], rules: HandRules, rejections: Counter[str]) -> Iterator[Asked]:
    """Hand and object in the last frame: position, distance or contact."""
    for moment in moments:
        for name, seen in moment.objects.items():
            for side in np.flatnonzero(moment.there):
                vector = seen.point - palm(moment.joints[side])
                touching = _tips_to(moment.joints[side], seen.points) < rules.contact
                answers = {
                    "position": IN_CONTACT if touching else displacement_text(vector, rules.gamma),
                    "distance": IN_CONTACT if touching else distance_text(vector),
                    "contact": IN_CONTACT if touching else NOT_IN_CONTACT,
                }
                for i, frames in enumerate(_shown(clip, moment)):
                    kind = ("position", "position", "distance", "contact")[(i + moment.step) % 4]
                    yield Asked("spatial_relationship", kind, frames, answers[kind], vector, SIDES[side], name)


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
