"""How well a model says where the gripper will be: errors of the first and the last waypoint beside standing still (Pose-VLA 1b)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from praxia.geometry.rotations import angle_between


@dataclass(frozen=True)
class SaidPath:
    """One arm in one view. truth: poses [K, 4, 4] in the frame that is said; found: the same, or None if the answer does not list the arm whole."""

    role: str
    truth: np.ndarray
    found: np.ndarray | None


def waypoint_scores(paths: Sequence[SaidPath]) -> dict[str, float]:
    """Means over paths. `said`: share listed whole; the errors are of those. first_cm, last_cm, last_deg: of the first and the last waypoint.

    still_cm: error at the last waypoint of an arm that stays where it truly is; last_of_still: last_cm / still_cm, below 1 is better than that.
    """
    listed = [p for p in paths if p.found is not None]
    if not listed:
        return {"said": 0.0 if paths else float("nan")} | dict.fromkeys(
            ("first_cm", "last_cm", "last_deg", "still_cm", "last_of_still"), float("nan")
        )
    truth = np.stack([p.truth for p in listed])
    found = np.stack([p.found for p in listed if p.found is not None])
    gap = np.linalg.norm(found[:, :, :3, 3] - truth[:, :, :3, 3], axis=-1)
    still = np.linalg.norm(truth[:, -1, :3, 3] - truth[:, 0, :3, 3], axis=-1)
    turn = angle_between(found[:, -1, :3, :3], truth[:, -1, :3, :3])
    return {
        "said": len(listed) / len(paths),
        "first_cm": 100 * float(gap[:, 0].mean()),
        "last_cm": 100 * float(gap[:, -1].mean()),
        "last_deg": float(np.rad2deg(turn.mean())),
        "still_cm": 100 * float(still.mean()),
        "last_of_still": float(gap[:, -1].mean() / still.mean()) if still.mean() else float("nan"),
    }
