"""scene_geometry: depth and calibration of every view; nothing is asked, a geometry net learns from them."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, posed_slots
from praxia.errors import ConfigError, DataError, unknown
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

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example:
        """Raises ConfigError for a role that the sample has no view of, DataError for a view without depth or calibration."""
        views = sample.views
        if self.roles:
            by_role = {view.role: view for view in views}
            if missing := [role for role in self.roles if role not in by_role]:
                raise ConfigError(f"SceneGeometry.roles: {unknown('view', missing[0], by_role)}")
            views = tuple(by_role[role] for role in self.roles)
        posed = posed_slots(replace(sample, views=views))
        for i, view in enumerate(views):
            lacks = "picture" if not view.valid else "depth" if view.depth is None else "calibration" if i not in posed else ""
            if lacks:
                raise DataError(f"view {view.role!r} has no {lacks}, which a geometry net learns from; record it, or name other SceneGeometry.roles")
        return Example(replace(sample, views=views, state=None), None)  # pictures of several robots stand in one batch
