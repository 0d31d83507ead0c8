"""Hands as a ruler: s = median over joints of metric depth / cloud depth (VIPA-VLA §3.2.4), of frames and of clips, with reasons for refusing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from praxia.annotate.hands.settings import ScaleRules

FEW_JOINTS, DISAGREE, RANGE, OFF = "few usable joints", "joints disagree", "scale out of range", "frame's scale is not the clip's"  # of frames
NO_SCALE, REFUSED, UNSTABLE = "no scale", "most frames do not fit", "scale differs between frames"  # of clips


@dataclass(frozen=True)
class FrameScale:
    """s of one frame, None with the reason where it is refused; joints: how many it was taken from."""

    value: float | None
    reason: str = ""
    joints: int = 0


def frame_scale(joint_z: np.ndarray, cloud_z: np.ndarray, usable: np.ndarray, rules: ScaleRules) -> FrameScale:
    """joint_z, cloud_z: float64 [J] metres along the optical axis; usable: bool [J], visible joints over a trusted part of the cloud."""
    usable = usable & (cloud_z > 0) & np.isfinite(cloud_z)
    ratios = joint_z[usable] / cloud_z[usable]
    if len(ratios) < rules.least_joints:
        return FrameScale(None, FEW_JOINTS, len(ratios))
    kept = ratios[np.abs(ratios / np.median(ratios) - 1) <= rules.outlier]
    if len(kept) < rules.agree * len(ratios) or np.median(np.abs(kept / np.median(kept) - 1)) > rules.within:
        return FrameScale(None, DISAGREE, len(kept))
    if len(kept) < rules.least_joints:
        return FrameScale(None, FEW_JOINTS, len(kept))
    s = float(np.median(kept))
    if not rules.low <= s <= rules.high:
        return FrameScale(None, RANGE, len(kept))
    return FrameScale(s, "", len(kept))


def clip_scale(frames: Sequence[FrameScale], rules: ScaleRules) -> tuple[float | None, float, str]:
    """(s of the clip or None, MAD / median of the frames' s, reason)."""
    values = np.array([f.value for f in frames if f.value is not None])
    if len(values) < rules.least_frames:
        return None, float("nan"), NO_SCALE
    s = float(np.median(values))
    spread = float(np.median(np.abs(values - s)) / s)
    if spread > rules.spread:
        return None, spread, UNSTABLE
    fitting = sum(abs(value / s - 1) <= rules.spread for value in values)
    if 2 * fitting <= sum(f.reason != FEW_JOINTS for f in frames):
        return None, spread, REFUSED  # a few that fit by chance do not make a cloud one to measure in
    return s, spread, ""
