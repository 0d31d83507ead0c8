"""Places that register tokens learn to say: tool, target and goal in the frames of posed cameras (auxiliary, where the truth is known)."""

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import picture_size, posed_slots
from praxia.geometry.camera import picture_frame, project
from praxia.geometry.scene import ObjectTruth
from praxia.geometry.se3 import apply, invert


def task_places(sample: Sample) -> np.ndarray:
    """Tool, target and goal in the base frame, float64 [3, 3]; NaN where the world does not say."""
    tool = next(iter(sample.tool_path.values()), None)
    target = next((o for o in sample.objects if o.name == sample.target), None)
    return places(None if tool is None else tool[0, :3, 3], target, sample.goal)


def places(tool: np.ndarray | None, target: ObjectTruth | None, goal: np.ndarray | None) -> np.ndarray:
    """The three as float64 [3, 3]; NaN for None."""
    found = (tool, None if target is None else target.T_base_object[:3, 3], goal)
    return np.stack([np.full(3, np.nan) if place is None else place for place in found]).astype(np.float64)


def place_targets(sample: Sample, where: np.ndarray, views: int) -> dict[str, np.ndarray]:
    """Dense targets of places [k, 3] in the frames of the first `views` cameras whose pose is known, those on a wrist last.

    With n = k * views: "positions" float32 [n, 3]: metres in the picture frame; "positions_valid" bool [n]; "positions_pixel" float32 [n, 2]:
    (u, v) in the transformed picture, NaN behind the camera; "positions_slot" int64 [n]: the view's slot, -1 where there is none.
    In the wrist's frame a place is where the hand still has to go. Picture frame (`geometry.camera.picture_frame`): a shifted picture shifts its
    positions with it, or the shift would be unexplainable noise.
    """
    posed = sorted(posed_slots(sample), key=lambda slot: sample.views[slot].role.startswith("wrist"))
    parts = [_seen_from(where, sample, posed[i] if i < len(posed) else -1) for i in range(views)]
    names = ("positions", "positions_valid", "positions_pixel", "positions_slot")
    return {name: np.concatenate(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)}


def _seen_from(where: np.ndarray, sample: Sample, slot: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, validity, pixels and slot of the places in the view of a slot; nothing is valid where it is -1."""
    count = len(where)
    points, pixels, known = np.zeros((count, 3), np.float32), np.full((count, 2), np.nan, np.float32), np.zeros(count, bool)
    if slot >= 0:
        view, known = sample.views[slot], np.asarray(np.isfinite(where).all(axis=1))
        assert view.camera is not None and view.camera.T_base_cam is not None
        seen = apply(invert(view.camera.T_base_cam), where[known])
        pixels[known] = project(view.camera.K, seen)[0]
        points[known] = apply(picture_frame(view.camera.K, picture_size(view)), seen)
    return points, known, pixels, np.full(count, slot)
