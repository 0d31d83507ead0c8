"""action_chunk: the next H actions from views, instruction and state (post-training of every recipe)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, picture_size, posed_view
from praxia.geometry.camera import picture_frame, project
from praxia.geometry.se3 import apply, invert
from praxia.registry import register


@register("supervision/action_chunk")
@dataclass(frozen=True)
class ActionChunk:
    """The prompt is the instruction, the target is the chunk itself (sample.future).

    positions: an auxiliary target for worlds that know the truth, about `view` (the first posed camera if empty). Three places: the tool, the
    target object's centre, the goal. dense["positions"] float32 [3, 3]: metres in the picture frame; ["positions_valid"] bool [3];
    ["positions_pixel"] float32 [3, 2]: (u, v) in the transformed picture; ["positions_slot"] int64: the view's slot, -1 without posed view.
    Picture frame (`geometry.camera.picture_frame`): a shifted picture shifts its positions with it, or the shift would be unexplainable noise.

    beside: supervision that asks nothing (`SceneGrounding`), whose dense targets are taught on the same pictures in the same forward.
    """

    horizon: int = 16
    history: int = 0
    positions: bool = False
    view: str = ""
    beside: Any = None
    name: str = "action_chunk"

    @property
    def needs(self) -> Needs:
        """Chunk, history, and truth if positions are asked for or taught beside."""
        beside = self.beside.needs if self.beside is not None else Needs()
        return replace(
            beside, horizon=self.horizon, history=self.history, objects=self.positions or beside.objects, tool_path=self.positions or beside.tool_path
        )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no step of the chunk is inside the episode, or nothing can be taught beside it."""
        if sample.future is None or not sample.future.valid.any():
            return None
        example = Example(sample, sample.instruction, None, self._positions(sample) if self.positions else {})
        if self.beside is None:
            return example
        taught: Example | None = self.beside(sample, rng)
        return replace(example, dense=example.dense | taught.dense, phrases=taught.phrases) if taught is not None else None

    def _positions(self, sample: Sample) -> dict[str, np.ndarray]:
        points, valid, pixels, slot = np.zeros((3, 3), np.float32), np.zeros(3, bool), np.zeros((3, 2), np.float32), -1
        view = posed_view(sample, self.view)
        if view is not None and (camera := view.camera) is not None and camera.T_base_cam is not None:
            T_cam_base, shear = invert(camera.T_base_cam), picture_frame(camera.K, picture_size(view))
            slot = next(i for i, v in enumerate(sample.views) if v is view)
            tool = next(iter(sample.tool_path.values()), None)
            if tool is not None:
                points[0], valid[0] = apply(T_cam_base, tool[0, :3, 3]), True
            target = next((o for o in sample.objects if o.name == sample.target), None)
            if target is not None:
                points[1], valid[1] = apply(T_cam_base, target.T_base_object[:3, 3]), True
            if sample.goal is not None and np.isfinite(sample.goal).all():
                points[2], valid[2] = apply(T_cam_base, sample.goal), True
            pixels[valid] = project(camera.K, points[valid])[0]
            points[valid] = apply(shear, points[valid])
        return {"positions": points, "positions_valid": valid, "positions_pixel": pixels, "positions_slot": np.array(slot)}
