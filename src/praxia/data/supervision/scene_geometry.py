"""scene_geometry: depth and calibration of every view; nothing is asked, a geometry net learns from them."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, posed_slots
from praxia.registry import register


@register("supervision/scene_geometry")
@dataclass(frozen=True)
class SceneGeometry:
    """The views themselves; the truth is their depth and cameras (`data.true_geometry`). roles: views that are shown, in this order; all if empty."""

    roles: tuple[str, ...] = ()
    name: str = "scene_geometry"
    asks: ClassVar[bool] = False

    @property
    def needs(self) -> Needs:
        """Depth."""
        return Needs(depth=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if a view is missing, or has no depth or no calibration."""
        views = sample.views
        if self.roles:
            by_role = {view.role: view for view in views}
            views = tuple(by_role[role] for role in self.roles if role in by_role)
        known = len(posed_slots(replace(sample, views=views))) == len(views) and all(v.valid and v.depth is not None for v in views)
        if not views or not known or len(views) < len(self.roles):
            return None
        return Example(replace(sample, views=views), None)
