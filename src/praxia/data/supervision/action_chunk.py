"""action_chunk: the next H actions from views, instruction and state (post-training of every recipe)."""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, posed_view
from praxia.geometry.se3 import apply, invert
from praxia.registry import register


@register("supervision/action_chunk")
@dataclass(frozen=True)
class ActionChunk:
    """The prompt is the instruction, the target is the chunk itself (sample.future).

    positions: adds dense["positions"] float32 [3, 3]: the tool, the target object's centre and the goal, in metres in the camera frame of
    `view` (the first posed camera if empty), and dense["positions_valid"] bool [3]; an auxiliary target for worlds that know the truth.
    """

    horizon: int = 16
    history: int = 0
    positions: bool = False
    view: str = ""
    name: str = "action_chunk"

    @property
    def needs(self) -> Needs:
        """Chunk, history, and truth if positions are asked for."""
        return Needs(horizon=self.horizon, history=self.history, objects=self.positions, tool_path=self.positions)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no step of the chunk is inside the episode."""
        if sample.future is None or not sample.future.valid.any():
            return None
        return Example(sample, sample.instruction, None, self._positions(sample) if self.positions else {})

    def _positions(self, sample: Sample) -> dict[str, np.ndarray]:
        points, valid = np.zeros((3, 3), np.float32), np.zeros(3, bool)
        view = posed_view(sample, self.view)
        if view is not None and (camera := view.camera) is not None and camera.T_base_cam is not None:
            T_cam_base = invert(camera.T_base_cam)
            tool = next(iter(sample.tool_path.values()), None)
            if tool is not None:
                points[0], valid[0] = apply(T_cam_base, tool[0, :3, 3]), True
            target = next((o for o in sample.objects if o.name == sample.target), None)
            if target is not None:
                points[1], valid[1] = apply(T_cam_base, target.T_base_object[:3, 3]), True
            if sample.goal is not None and np.isfinite(sample.goal).all():
                points[2], valid[2] = apply(T_cam_base, sample.goal), True
        return {"positions": points, "positions_valid": valid}
