"""How well a model says object poses: every class that a held-out picture shows is asked for, the answer's boxes meet the true ones (Pose-VLA 1a)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from praxia.evaluate.average_precision import AP15, RECALLED, Scene, ap15_release, omni3d_ap, oriented_ap
from praxia.geometry.boxes import Boxes, corners
from praxia.geometry.camera import project
from praxia.geometry.rotations import angle_between


@dataclass(frozen=True)
class Seen:
    """One class in one view of one sample. truths, found: camera frame; scores: float [D]; order of found as said.

    ignored: truths of the class that need not be listed (hidden, cut off, too small): who lists one is neither right nor wrong (Omni3D's rule).
    picture: (K, (height, width)) of a view in which not all things of the class are annotated; None where all are.
    """

    category: str
    truths: Boxes
    found: Boxes
    scores: np.ndarray
    ignored: Boxes | None = None
    picture: tuple[np.ndarray, tuple[int, int]] | None = None

    @property
    def scene(self) -> Scene:
        """What average precision is computed of."""
        every = self.truths
        if self.ignored is not None:
            every = Boxes(*(np.concatenate([getattr(b, name) for b in (self.truths, self.ignored)]) for name in ("centre", "R", "size")))
        skipped = np.arange(len(every.centre)) >= len(self.truths.centre)
        if self.picture is None:
            return Scene(every, self.found, self.scores, skipped)
        rectangles = [shown_rectangles(b, *self.picture) for b in (every, self.found)]
        return Scene(every, self.found, self.scores, skipped, False, *rectangles)


def shown_rectangles(boxes: Boxes, K: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Rectangles float64 [N, 4] (u0, v0, u1, v1) around the corners of camera-frame boxes, cut at the picture of `size` (height, width); empty ones
    for boxes that are not wholly before the camera."""
    uv, depth = project(K, corners(boxes))
    edge = np.array([size[1], size[0]]) - 0.5
    rectangles = np.concatenate([np.clip(uv.min(axis=-2), -0.5, edge), np.clip(uv.max(axis=-2), -0.5, edge)], axis=-1)
    return np.where((depth > 0).all(axis=-1, keepdims=True), rectangles, 0.0)


def object_scores(seen: Sequence[Seen]) -> dict[str, float]:
    """AP in percent, `listed` (share of true boxes that have an answer of their class, however far), and medians over pairs.

    ap15: exact oriented IoU, classes averaged, ordered by the answers' own certainty; ap15_release: the released scorer's optimistic rules;
    ap3d, ar1, ar10, ar100: Omni3D's. translation_cm, rotation_deg, size_cm: of pairs, each truth with the nearest answer of its class that no
    nearer truth has.
    mean_pose_cm: what translation_cm is of answers that do not look: the mean place of all other boxes of the class.
    """
    scenes: dict[str, list[Scene]] = {}
    for s in seen:
        scenes.setdefault(s.category, []).append(s.scene)
    pairs = [pair for s in seen for pair in _pairs(s)]
    truths = sum(len(s.truths.centre) for s in seen)
    errors = np.array([[t, r, size] for t, r, size in pairs]).reshape(-1, 3)
    omni3d = omni3d_ap(scenes)
    medians = np.median(errors, axis=0) if len(errors) else np.full(3, np.nan)
    return {
        "ap15": 100 * oriented_ap(scenes, AP15)["mean"],
        "ap15_release": 100 * ap15_release(scenes),
        "ap3d": 100 * omni3d["AP3D"],
        **{f"ar{most}": 100 * omni3d[f"AR{most}"] for most in RECALLED},
        "listed": len(pairs) / truths if truths else float("nan"),
        "translation_cm": float(100 * medians[0]),
        "mean_pose_cm": 100 * _blind_error(scenes),
        "rotation_deg": float(np.rad2deg(medians[1])),
        "size_cm": float(100 * medians[2]),
    }


def _blind_error(scenes: Mapping[str, Sequence[Scene]]) -> float:
    """Median distance in metres of every true box to the mean of the others of its class; NaN where no class has two."""
    distances: list[np.ndarray] = []
    for some in scenes.values():
        centres = np.concatenate([scene.truths.centre[~scene.skip] for scene in some])
        if len(centres) > 1:
            others = (centres.sum(0) - centres) / (len(centres) - 1)
            distances.append(np.linalg.norm(centres - others, axis=1))
    return float(np.median(np.concatenate(distances))) if distances else float("nan")


def _pairs(seen: Seen) -> list[tuple[float, float, float]]:
    """(translation in metres, rotation in radians, largest side difference in metres) of pairs, nearest first; each box once."""
    distance = np.linalg.norm(seen.truths.centre[:, None] - seen.found.centre[None], axis=-1)
    left, found = distance.copy(), []
    for _ in range(min(distance.shape, default=0)):
        g, d = np.unravel_index(np.argmin(left), left.shape)
        angle = float(angle_between(seen.truths.R[g], seen.found.R[d]))
        found.append((float(distance[g, d]), angle, float(np.abs(seen.truths.size[g] - seen.found.size[d]).max())))
        left[g], left[:, d] = np.inf, np.inf
    return found
