"""object_names: what every view shows, and not where: the placebo of the pose stages in the claims about Pose-VLA."""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.pose_text import Sections
from praxia.data.supervision.supervision import Example, Needs
from praxia.registry import register

QUESTION = "describe the picture"


@register("supervision/object_names")
@dataclass(frozen=True)
class ObjectNames:
    """Prompt `describe the picture`, target one section a view with the full names of its visible objects in alphabetical order.

    The pictures, the sections, the choice of visible objects and about the number of target tokens are those of `ObjectPoses` and `Waypoints`;
    the answer holds no place, no order in space and no number. roles, least_area, least_side: as in `ObjectPoses`.
    """

    roles: tuple[str, ...] = ()
    least_area: float = 150 / 224**2
    least_side: float = 0.0
    name: str = "object_names"

    @property
    def needs(self) -> Needs:
        """Object truths, and masks where they were recorded."""
        return Needs(objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no object is visible in any calibrated view."""
        poses = ObjectPoses(self.roles, negatives=0.0, least_area=self.least_area, least_side=self.least_side)
        sample = poses.shown(sample)
        seen = [sorted(v.truth.name for v in poses.visible(sample.objects, view)) for view in sample.views]
        if not any(seen):
            return None
        sections = Sections(delimiters=True)
        for names in seen:
            sections.add([f" {name};" for name in names])
        return Example(sample, QUESTION, sections.parts())
