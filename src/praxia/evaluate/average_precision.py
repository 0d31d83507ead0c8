"""Average precision by COCO's greedy rule over any IoU, and what is reported of it for 3-D boxes (data_and_metrics §1.4, Pose-VLA's AP15).

Nothing here knows files: a Scene holds one picture's truths and detections of one category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from praxia.errors import DataError
from praxia.geometry.boxes import Boxes, box_iou_matrix, corners, hull_iou

RECALLS = np.linspace(0, 1, 101)
OMNI3D_THRESHOLDS = np.linspace(0.05, 0.5, 10)
DEPTHS = {"all": (0.0, 1e5), "near": (0.0, 10.0), "medium": (10.0, 35.0), "far": (35.0, 1e5)}  # metres
_MOST = 100  # detections of a category in a picture
RECALLED = (1, 10, 100)
_PROXIMITY = 0.3  # 2-D IoU below which a detection is about something nobody annotated
AP15 = 0.15


@dataclass(frozen=True)
class Scene:
    """One picture and one category, camera frame.

    truths: Boxes [G]; found: Boxes [D]; scores: float [D]. ignored: bool [G], truths that are neither to be found nor missed (default none).
    exhaustive: whether everything of the category is annotated; where not, truth_rectangles [G, 4] and found_rectangles [D, 4] (u0, v0, u1, v1) say
    what a detection is about.
    """

    truths: Boxes
    found: Boxes
    scores: np.ndarray
    ignored: np.ndarray | None = None
    exhaustive: bool = True
    truth_rectangles: np.ndarray | None = None
    found_rectangles: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.found.centre):
            raise DataError(f"{len(self.found.centre)} detections have {len(self.scores)} scores; give one to each")
        if not self.exhaustive and (self.truth_rectangles is None or self.found_rectangles is None):
            raise DataError("where not everything is annotated, rectangles in the picture are compared; give truth_rectangles and found_rectangles")

    @property
    def skip(self) -> np.ndarray:
        """bool [G]."""
        return np.zeros(len(self.truths.centre), bool) if self.ignored is None else np.asarray(self.ignored, bool)


@dataclass(frozen=True)
class Matches:
    """Detections of a scene by falling score: scores [D], hit bool [T, D], skipped bool [T, D] (neither right nor wrong); positives to be found."""

    scores: np.ndarray
    hit: np.ndarray
    skipped: np.ndarray
    positives: int


def match(
    iou: np.ndarray,
    scores: np.ndarray,
    thresholds: np.ndarray,
    ignored: np.ndarray,
    beyond: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
    most: int = _MOST,
) -> Matches:
    """COCO's greedy matching of one scene at every threshold.

    iou: [D, G]. Detections choose in order of falling score (stable); a truth is taken once; a detection prefers a real truth to an ignored one,
    and one that is left with an ignored truth is skipped. beyond: bool [D], skipped if unmatched. allowed: bool [D, G], pairs that may match.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")[:most]
    truths = np.argsort(ignored, kind="stable")
    iou, ignored = iou[np.ix_(order, truths)], ignored[truths]
    may = np.ones(iou.shape, bool) if allowed is None else allowed[np.ix_(order, truths)]
    hit, skipped = np.zeros((2, len(thresholds), len(order)), bool)
    for t, threshold in enumerate(thresholds):
        taken = np.zeros(len(ignored), bool)
        for d in range(len(order)):
            best, chosen = min(threshold, 1 - 1e-10), -1
            for g in range(len(ignored)):
                if taken[g] or not may[d, g]:
                    continue
                if chosen >= 0 and not ignored[chosen] and ignored[g]:
                    break
                if iou[d, g] >= best:
                    best, chosen = iou[d, g], g
            if chosen >= 0:
                taken[chosen], hit[t, d], skipped[t, d] = True, True, ignored[chosen]
        if beyond is not None:
            skipped[t] |= ~hit[t] & beyond[order]
    return Matches(np.asarray(scores)[order], hit, skipped, int((~ignored).sum()))


def average_precision(matches: Sequence[Matches]) -> np.ndarray:
    """Over all pictures of a category: mean of the monotone precision at 101 recalls, float64 [T]; NaN where nothing is to be found."""
    count = len(matches[0].hit) if matches else 0
    positives = sum(m.positives for m in matches)
    if not positives:
        return np.full(count, np.nan)
    order = np.argsort(-np.concatenate([m.scores for m in matches]), kind="stable")
    hit = np.concatenate([m.hit for m in matches], axis=1)[:, order]
    skipped = np.concatenate([m.skipped for m in matches], axis=1)[:, order]
    right, wrong = np.cumsum(hit & ~skipped, axis=1), np.cumsum(~hit & ~skipped, axis=1)
    found = np.zeros(count)
    for t in range(count):
        recall, precision = right[t] / positives, right[t] / np.maximum(right[t] + wrong[t], 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, RECALLS, side="left")
        found[t] = np.append(precision, 0.0)[np.minimum(at, len(precision))].mean()
    return found


def average_recall(matches: Sequence[Matches], most: int) -> np.ndarray:
    """Share of a category's truths that the `most` surest detections of each picture find, float64 [T]; NaN where nothing is to be found."""
    positives = sum(m.positives for m in matches)
    found = [(m.hit & ~m.skipped)[:, :most].sum(axis=1) for m in matches]
    return np.sum(found, axis=0) / positives if positives else np.full(len(found[0]) if found else 0, np.nan)


def oriented_ap(scenes: Mapping[str, Sequence[Scene]], threshold: float = AP15) -> dict[str, float]:
    """AP at one exact oriented 3-D IoU, detections in order of their scores: by category, and their `mean` over those with something to find."""
    by_category = {
        category: float(average_precision([match(_iou(s), s.scores, np.array([threshold]), s.skip) for s in some])[0])
        for category, some in scenes.items()
        if some
    }
    known = [value for value in by_category.values() if not np.isnan(value)]
    return by_category | {"mean": float(np.mean(known)) if known else float("nan")}


def ap15_release(scenes: Mapping[str, Sequence[Scene]]) -> float:
    """AP15 by the rules of Pose-VLA's released scorer: IoU of axis-aligned hulls in camera axes, the best IoU as score, one AP over all categories.

    The order by IoU is an oracle's: this number is optimistic and only for comparison with the published ones.
    """
    matches = []
    for some in scenes.values():
        for s in some:
            iou = _iou(s, hull=True)
            matches.append(match(iou, iou.max(axis=1, initial=0.0), np.array([AP15]), s.skip))
    return float(average_precision(matches)[0]) if matches else float("nan")


def omni3d_ap(scenes: Mapping[str, Sequence[Scene]]) -> dict[str, float]:
    """Omni3D's numbers: AP3D (mean over thresholds 0.05 .. 0.5 and categories), AP15, AP25, AP50, APn, APm, APf by depth, and AR1, AR10, AR100
    (recall of so many detections a picture, the same means).

    A truth's depth is its centre's, a detection's the mean of its corners'. Where a scene is not exhaustively annotated (Objectron, SUN RGB-D), only
    pairs with a 2-D IoU above 0.3 may match, and a detection with no such truth is skipped.
    """
    report: dict[str, float] = {}
    for name, (low, high) in DEPTHS.items():
        matches = [[_omni3d_match(s, low, high) for s in some] for some in scenes.values() if some]
        mean = _over_categories([average_precision(some) for some in matches])
        if name == "all":
            report |= {"AP3D": float(mean.mean()), "AP15": float(mean[2]), "AP25": float(mean[4]), "AP50": float(mean[9])}
            report |= {f"AR{most}": float(_over_categories([average_recall(some, most) for some in matches]).mean()) for most in RECALLED}
        else:
            report[f"AP{name[0]}"] = float(mean.mean())
    return report


def _over_categories(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Mean [T] of the categories with something to find; NaN if there is none."""
    known = [table for table in tables if not np.isnan(table).any()]
    return np.mean(known, axis=0) if known else np.full(len(OMNI3D_THRESHOLDS), np.nan)


def _omni3d_match(scene: Scene, low: float, high: float) -> Matches:
    depth = scene.truths.centre[:, 2]
    found = corners(scene.found)[..., 2].mean(axis=-1) if len(scene.scores) else np.zeros(0)
    ignored = scene.skip | (depth < low) | (depth > high)
    beyond, allowed = (found < low) | (found > high), None
    if not scene.exhaustive:
        assert scene.found_rectangles is not None and scene.truth_rectangles is not None
        allowed = rectangle_iou(scene.found_rectangles, scene.truth_rectangles) > _PROXIMITY
        beyond = beyond | ~allowed.any(axis=1)
    return match(_iou(scene), scene.scores, OMNI3D_THRESHOLDS, ignored, beyond, allowed)


def _iou(scene: Scene, hull: bool = False) -> np.ndarray:
    """[D, G]."""
    if not hull:
        return box_iou_matrix(scene.found, scene.truths)
    i, j = np.divmod(np.arange(len(scene.scores) * len(scene.truths.centre)), max(1, len(scene.truths.centre)))
    return hull_iou(scene.found[i], scene.truths[j]).reshape(len(scene.scores), len(scene.truths.centre))


def rectangle_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [N, M] of rectangles (u0, v0, u1, v1)."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
