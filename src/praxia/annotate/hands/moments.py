"""Moments of a clip: labelled frames with calibrated hands and objects in the camera frame."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from praxia.annotate.hands.clouds import Depth, DepthSource, cloud
from praxia.annotate.hands.detect import Detector
from praxia.annotate.hands.objects import FEW_POINTS, NO_BOX, Seen, mask_box, object_in
from praxia.annotate.hands.scale import FEW_JOINTS, OFF, FrameScale, clip_scale, frame_scale
from praxia.annotate.hands.settings import HandRules, ScaleRules
from praxia.annotate.hands.visible import hand_pixels, visible
from praxia.data.hand_clips.clip import Clip, ClipSet
from praxia.geometry import se3
from praxia.geometry.scene import View
from praxia.specs.hands import KNUCKLES, WRIST

NOT_IN_VIEW, NO_PALM = "hand not wholly in the picture", "palm not known"


@dataclass(frozen=True)
class Moment:
    """A labelled frame. step: of the clip; joints: float64 [2, 21, 3] in the camera frame, NaN where they are not known; there: bool [2], hands with
    a known palm that the picture holds (`HandRules.in_view`); objects: by name, calibrated; T_base_cam [4, 4]."""

    step: int
    joints: np.ndarray
    there: np.ndarray
    objects: dict[str, Seen]
    T_base_cam: np.ndarray


@dataclass
class Looked:
    """All moments of a clip. scale: s that its clouds were multiplied by, None with the reason; spread: MAD / median of s over the frames;
    rejections: reason -> how many."""

    moments: list[Moment]
    scale: float | None
    spread: float
    reason: str = ""
    rejections: Counter[str] = field(default_factory=Counter)


def label_frames(clip: Clip, label_hz: float) -> list[int]:
    """Steps with pictures, about `label_hz` a second, from the first on."""
    wanted = np.arange(0, len(clip) / clip.rate_hz, 1 / label_hz) * clip.rate_hz
    return sorted({nearest_frame(clip, step) for step in wanted})


def nearest_frame(clip: Clip, step: float) -> int:
    """The step with a picture that is nearest."""
    return int(clip.frames[np.argmin(np.abs(clip.frames - step))])


def look(clips: ClipSet, number: int, clip: Clip, depth: DepthSource, detector: Detector | None, rules: HandRules) -> Looked:
    """Clouds, scales and objects of a clip's labelled frames."""
    steps = label_frames(clip, rules.label_hz)
    views = [clips.view(number, step, depth=clips.depth, masks=clips.masks and detector is None) for step in steps]
    clouds = depth(views)
    rejections: Counter[str] = Counter()
    scales = [_scale(clip, step, view, seen, rules) for step, view, seen in zip(steps, views, clouds, strict=True)]
    s, spread, reason = clip_scale(scales, rules.scale)
    if not rules.calibrate:
        scales, s, reason = [FrameScale(1.0)] * len(steps), 1.0, ""
    # a frame that shows too few joints borrows the clip's scale, if there is one; joints of the others say that their cloud is not the clip's
    rejections.update(f.reason for f in scales if f.reason and (s is None or f.reason != FEW_JOINTS))
    if s is None:
        return Looked([], None, spread, reason, rejections)
    boxes = detector(clip, steps, views) if detector is not None else [_boxes(clip, view) for view in views]
    moments = []
    for step, view, seen, own, found in zip(steps, views, clouds, scales, boxes, strict=True):
        if own.reason and own.reason != FEW_JOINTS:
            continue
        if own.value is not None and abs(own.value / s - 1) > rules.scale.spread:
            rejections[OFF] += 1
        else:
            moments.append(_moment(clip, step, view, s * seen.z, found, rules, rejections))
    return Looked(moments, s, spread, "", rejections)


def in_camera(clip: Clip, step: int, T_base_cam: np.ndarray) -> np.ndarray:
    """Joints float64 [2, 21, 3] of a step in a camera's frame."""
    return se3.apply(se3.invert(T_base_cam), clip.hands.joints[step].reshape(-1, 3)).reshape(2, -1, 3)


def _scale(clip: Clip, step: int, view: View, seen: Depth, rules: HandRules) -> FrameScale:
    assert view.camera is not None and view.camera.T_base_cam is not None
    joints = in_camera(clip, step, view.camera.T_base_cam)
    known = clip.hands.confidence[step] >= rules.joint_confidence
    usable, pixels, skin = visible(joints, known, view.camera.K, seen.z.shape, rules.scale.behind)
    columns, rows = (np.clip(np.rint(np.nan_to_num(pixels[..., i])), 0, n - 1).astype(int) for i, n in ((0, seen.z.shape[1]), (1, seen.z.shape[0])))
    if seen.confidence is not None:
        usable = _surest(usable, seen.confidence[rows, columns], seen.confidence, rules.scale)
    return frame_scale((skin if rules.scale.skin else joints[..., 2]).ravel(), seen.z[rows, columns].ravel(), usable.ravel(), rules.scale)


def _surest(usable: np.ndarray, sure: np.ndarray, everywhere: np.ndarray, rules: ScaleRules) -> np.ndarray:
    """Usable joints where the cloud is sure enough. sure: its confidence at each joint; everywhere: at each pixel."""
    if rules.of_picture:
        return usable & (sure >= np.quantile(everywhere, rules.quantile))
    ranked = np.sort(sure[usable])[::-1]
    if len(ranked) <= rules.least_joints:
        return usable
    return usable & (sure >= min(np.quantile(ranked, rules.quantile), ranked[rules.least_joints - 1]))


def _boxes(clip: Clip, view: View) -> dict[str, tuple[float, float, float, float]]:
    found = {name: mask_box(view.mask, i) for name, i in zip(clip.objects, clip.instances, strict=True)} if view.mask is not None else {}
    return {name: box for name, box in found.items() if box is not None}


def _moment(
    clip: Clip,
    step: int,
    view: View,
    z: np.ndarray,
    boxes: dict[str, tuple[float, float, float, float]],
    rules: HandRules,
    rejections: Counter[str],
) -> Moment:
    assert view.camera is not None and view.camera.T_base_cam is not None
    T, K = view.camera.T_base_cam, view.camera.K
    joints = in_camera(clip, step, T)
    known = clip.hands.confidence[step] >= rules.joint_confidence
    inside, _, _ = visible(joints, known, K, z.shape, np.inf)  # occlusion does not matter here
    there = inside[:, WRIST] & ((inside & known).sum(1) >= rules.in_view * known.sum(1))
    if cut := int((known[:, WRIST] & ~there).sum()):
        rejections[NOT_IN_VIEW] += cut
    palms = known[:, KNUCKLES].all(1)
    if unknown := int((there & ~palms).sum()):
        rejections[NO_PALM] += unknown
    points, hands = cloud(z, K), hand_pixels(joints, known[:, WRIST], K, z.shape)
    objects = {}
    for name in clip.objects:
        if name not in boxes:
            rejections[NO_BOX] += 1
        elif (seen := object_in(boxes[name], points, hands, rules.objects)) is None:
            rejections[FEW_POINTS] += 1
        else:
            objects[name] = seen
    return Moment(step, np.where(known[..., None], joints, np.nan), there & palms, objects, T)
