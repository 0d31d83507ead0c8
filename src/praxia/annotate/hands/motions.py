"""Motion samples of a clip: wrist paths in the conditioning camera's frame, in three families (VIPA-VLA §3.6; defaults 24, 26, 28)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from praxia.annotate.hands.settings import HandRules
from praxia.annotate.hands.visible import visible
from praxia.data.hand_clips.clip import Clip
from praxia.data.hand_clips.tables import FAMILIES
from praxia.errors import DataError
from praxia.geometry import se3
from praxia.geometry.scene import View
from praxia.specs.hands import SIDES, WRIST
from praxia.tokens.motion_vocabulary import CUBE

SHORT, FAINT, OUTSIDE, UNKNOWN = "clip too short for a motion", "insignificant movement", "path leaves the cube", "wrist not known"
NO_WORDS, NO_PAST = "no instruction for motions", "no past yet to continue"
NO_PICTURE, NOT_SEEN = "picture cannot be read", "wrist not in the picture that a motion starts from"
_LOW, _HIGH = np.array(CUBE).T


@dataclass(frozen=True)
class Motion:
    """frame: step of the conditioning picture; past, future: side -> float64 [T, 3] (`data.sample.WristPaths`)."""

    family: str
    frame: int
    past: dict[str, np.ndarray]
    future: dict[str, np.ndarray]


Look = Callable[[int], View]


def motions(clip: Clip, look: Look, rules: HandRules, rng: np.random.Generator, rejections: Counter[str]) -> list[Motion]:
    """At most `rules.motions`; the family is drawn among those that a moment is late enough for. look: step -> its picture; hands
    whose wrist it does not hold are left out (§3.2), and motions without a picture that can be read."""
    if not clip.instruction.strip():
        rejections[NO_WORDS] += 1
        return []
    found: list[Motion] = []
    starts = [int(f) for f in clip.frames if len(clip) - 1 - f >= min(rules.seconds) * clip.rate_hz]
    if not starts:
        rejections[SHORT] += 1
    for frame in rng.permutation(starts)[: 4 * rules.motions]:
        if len(found) == rules.motions:
            break
        shares = np.array([share * (_first(clip, int(frame), family, rules) >= 0) for family, share in zip(FAMILIES, rules.families, strict=True)])
        if not shares.any():
            rejections[NO_PAST] += 1
            continue
        family = FAMILIES[int(rng.choice(len(FAMILIES), p=shares / shares.sum()))]
        if (motion := _motion(clip, look, int(frame), family, rules, rng, rejections)) is not None:
            found.append(motion)
    return found


def _motion(clip: Clip, look: Look, frame: int, family: str, rules: HandRules, rng: np.random.Generator, rejections: Counter[str]) -> Motion | None:
    steps = lambda seconds: round(seconds * clip.rate_hz)  # noqa: E731
    fitting = [s for s in rules.seconds if frame + steps(s) <= len(clip) - 1]
    first = _first(clip, frame, family, rules)
    before = frame + 1 - first
    until = frame + steps(int(rng.choice(fitting)))
    rows = slice(first, until + 1)
    known = (clip.hands.confidence[rows, :, WRIST] >= rules.joint_confidence).all(0)
    if not known.any():
        rejections[UNKNOWN] += 1
        return None
    try:
        seen = _seen(clip, look(frame), frame, rules)
    except DataError:
        rejections[NO_PICTURE] += 1
        return None
    if (known & ~seen).any():
        rejections[NOT_SEEN] += 1
    known &= seen
    if not known.any():
        return None
    paths = se3.apply(se3.invert(clip.T_base_cam[frame]), clip.hands.joints[rows, :, WRIST].reshape(-1, 3)).reshape(-1, 2, 3)
    future = paths[before:]
    if max(float(np.linalg.norm(np.ptp(future[:, side], axis=0))) for side in np.flatnonzero(known)) < rules.extent:
        rejections[FAINT] += 1
        return None
    if ((future[:, known] < _LOW) | (future[:, known] > _HIGH)).any(-1).mean() > rules.outside:
        rejections[OUTSIDE] += 1
        return None
    sides = [(SIDES[side], side) for side in np.flatnonzero(known)]
    past = {name: paths[:before, side] for name, side in sides} if before else {}
    return Motion(family, frame, past, {name: future[:, side] for name, side in sides})


def _first(clip: Clip, frame: int, family: str, rules: HandRules) -> int:
    """First step of a motion's path, its past with it; below 0 where the clip does not go back so far."""
    return frame + 1 - (round(rules.past_s * clip.rate_hz) if family == "contextual" else 0)


def _seen(clip: Clip, view: View, step: int, rules: HandRules) -> np.ndarray:
    """bool [2]: hands whose wrist is known and in a picture."""
    assert view.camera is not None and view.camera.T_base_cam is not None
    joints = se3.apply(se3.invert(view.camera.T_base_cam), clip.hands.joints[step].reshape(-1, 3)).reshape(2, -1, 3)
    inside, _, _ = visible(joints, clip.hands.confidence[step] >= rules.joint_confidence, view.camera.K, view.image.shape[:2], np.inf)
    return inside[:, WRIST]
