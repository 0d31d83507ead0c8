"""action_chunk: the next H actions from views, instruction and state (post-training of every recipe)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, picture_size, posed_slots
from praxia.errors import ConfigError
from praxia.geometry.camera import picture_frame, project
from praxia.geometry.se3 import apply, invert
from praxia.registry import register


@register("supervision/action_chunk")
@dataclass(frozen=True)
class ActionChunk:
    """The prompt is the instruction, the target is the chunk itself (sample.future).

    positions: an auxiliary target for worlds that know the truth, in the frames of the first `views` cameras whose pose is known, those on a wrist
    last. Three places a view: the tool, the target object's centre, the goal. With n = 3 * views: dense["positions"] float32 [n, 3]: metres in the
    picture frame; ["positions_valid"] bool [n]; ["positions_pixel"] float32 [n, 2]: (u, v) in the transformed picture, NaN behind the camera;
    ["positions_slot"] int64 [n]: the view's slot, -1 where there is none.
    In the wrist's frame a place is where the hand still has to go. Picture frame (`geometry.camera.picture_frame`): a shifted picture shifts its
    positions with it, or the shift would be unexplainable noise.

    beside: supervision that asks nothing (`SceneGrounding`), whose dense targets are taught on the same pictures in the same forward.
    """

    horizon: int = 16
    history: int = 0
    positions: bool = False
    views: int = 1
    beside: Any = None
    name: str = "action_chunk"

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ConfigError(f"ActionChunk.views is {self.views}; expected at least 1 (positions=False teaches no positions)")

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
        """All views' places."""
        places, posed = _places(sample), sorted(posed_slots(sample), key=lambda slot: sample.views[slot].role.startswith("wrist"))
        parts = [_seen_from(places, sample, posed[i] if i < len(posed) else -1) for i in range(self.views)]
        names = ("positions", "positions_valid", "positions_pixel", "positions_slot")
        return {name: np.concatenate(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)}


def _places(sample: Sample) -> np.ndarray:
    """Tool, target and goal in the base frame, float64 [3, 3]; NaN where the world does not say."""
    places = np.full((3, 3), np.nan)
    if (tool := next(iter(sample.tool_path.values()), None)) is not None:
        places[0] = tool[0, :3, 3]
    if (target := next((o for o in sample.objects if o.name == sample.target), None)) is not None:
        places[1] = target.T_base_object[:3, 3]
    if sample.goal is not None:
        places[2] = sample.goal
    return places


def _seen_from(places: np.ndarray, sample: Sample, slot: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, validity, pixels and slot of the places in the view of a slot; nothing is valid where it is -1."""
    count = len(places)
    points, pixels, known = np.zeros((count, 3), np.float32), np.full((count, 2), np.nan, np.float32), np.zeros(count, bool)
    if slot >= 0:
        view, known = sample.views[slot], np.asarray(np.isfinite(places).all(axis=1))
        assert view.camera is not None and view.camera.T_base_cam is not None
        seen = apply(invert(view.camera.T_base_cam), places[known])
        pixels[known] = project(view.camera.K, seen)[0]
        points[known] = apply(picture_frame(view.camera.K, picture_size(view)), seen)
    return points, known, pixels, np.full(count, slot)
