"""scene_grounding: where every named thing is in every posed view; nothing is asked, the vision tower alone learns (stage 0, `base_vlm`)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.scene_questions import visible_objects
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.scene import ObjectTruth
from praxia.geometry.se3 import apply, invert
from praxia.registry import register


@register("supervision/scene_grounding")
@dataclass(frozen=True)
class SceneGrounding:
    """Names of the things as phrases, and dense targets of V views and `things` slots (a scene with more is cut, nearest first).

    dense["things_pixel"] float32 [V, things, 2]: (u, v) of the centre in the transformed picture; ["things_depth"] float32 [V, things]:
    metres along the optical axis; ["things_valid"] bool [V, things]: centre in the picture and something of the thing to be seen.

    tools: (arm of `Sample.tool_path`, name, id in the masks) of tools that are named too, e.g. ("left", "left hand", 1): their place is the tool's.
    """

    things: int = 12
    tools: tuple[tuple[str, str, int], ...] = ()
    name: str = "scene_grounding"
    asks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.things < 1:
            raise ConfigError(f"SceneGrounding.things is {self.things}; expected at least 1")

    @property
    def needs(self) -> Needs:
        """Object truths, and masks where they were recorded."""
        return Needs(objects=True, masks=True, tool_path=bool(self.tools))

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no thing is in any posed view."""
        posed = [v for v in sample.views if v.camera is not None and v.camera.T_base_cam is not None]
        there = (*sample.objects, *self._tools(sample))
        if not posed or not there:
            return None
        centres = np.stack([o.T_base_object[:3, 3] for o in there])
        assert posed[0].camera is not None and posed[0].camera.T_base_cam is not None
        _, depth = project(posed[0].camera.K, apply(invert(posed[0].camera.T_base_cam), centres))
        chosen = [there[i] for i in np.argsort(depth, kind="stable")[: self.things]]
        slot = {o.name: i for i, o in enumerate(chosen)}
        shape = (len(sample.views), self.things)
        pixel, far, valid = np.zeros((*shape, 2), np.float32), np.ones(shape, np.float32), np.zeros(shape, bool)
        for v, view in enumerate(sample.views):
            if view.camera is None or view.camera.T_base_cam is None:
                continue
            for seen in visible_objects(there, view):
                if (i := slot.get(seen.truth.name)) is not None:
                    pixel[v, i], far[v, i], valid[v, i] = seen.pixel, seen.depth, True
        if not valid.any():
            return None
        phrases = tuple(o.name for o in chosen) + ("",) * (self.things - len(chosen))
        return Example(sample, None, None, {"things_pixel": pixel, "things_depth": far, "things_valid": valid}, phrases)

    def _tools(self, sample: Sample) -> list[ObjectTruth]:
        """Tools as things without a size."""
        paths = sample.tool_path
        return [ObjectTruth(name, name, "", paths[arm][0], np.zeros(3), instance) for arm, name, instance in self.tools if len(paths.get(arm, ()))]
