"""How well a model says object poses: every class that a held-out picture shows is asked for, the answer's boxes meet the true ones (Pose-VLA 1a)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from praxia.evaluate.average_precision import AP15, RECALLED, Scene, ap15_release, omni3d_ap, oriented_ap
from praxia.geometry.boxes import Boxes, corners
from praxia.geometry.camera import project
from praxia.geometry.rotations import angle_between, nearest_rotation

_BESIDE = ("ap15", "ap15_release", "ap3d", "translation_cm", "rotation_deg", "size_cm")  # what answers that do not look are scored by, too


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
    mean_pose_ap15, mean_pose_translation_cm and so on: the same of answers that do not look (`mean_poses`).
    """
    blind = _scores(mean_poses(seen))
    return _scores(seen) | {f"mean_pose_{name}": blind[name] for name in _BESIDE}


def _scores(seen: Sequence[Seen]) -> dict[str, float]:
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
        "rotation_deg": float(np.rad2deg(medians[1])),
        "size_cm": float(100 * medians[2]),
    }


def mean_poses(seen: Sequence[Seen]) -> list[Seen]:
    """The same pictures with the answers of who knows how many things of a class there are and does not look: each at the mean place, with the mean
    rotation and sides, of the class in all other pictures. No answer about a class that no other picture has."""
    totals: dict[str, list[np.ndarray]] = {}
    for s in seen:
        totals.setdefault(s.category, []).append(_sums(s.truths))
    found = [_mean(sum(totals[s.category]) - _sums(s.truths), len(s.truths.centre)) for s in seen]
    return [replace(s, found=boxes, scores=np.ones(len(boxes.centre))) for s, boxes in zip(seen, found, strict=True)]


def _sums(boxes: Boxes) -> np.ndarray:
    """[16]: number of boxes, and sums of their centres, sides and rotation matrices."""
    return np.concatenate([[len(boxes.centre)], boxes.centre.sum(0), boxes.size.sum(0), boxes.R.sum(0).ravel()])


def _mean(sums: np.ndarray, copies: int) -> Boxes:
    """The mean box, so many times; none of no boxes."""
    copies = copies if sums[0] > 0 else 0
    mean = sums / max(1.0, sums[0])
    R = nearest_rotation(mean[7:].reshape(3, 3)) if copies else np.eye(3)
    return Boxes(*(np.broadcast_to(part, (copies, *part.shape)) for part in (mean[1:4], R, mean[4:7])))


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
