"""placebo: what a pose supervision asks and shows, answered with names in place of numbers: the control of the claims about Pose-VLA."""

from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.supervision import Example, Needs
from praxia.data.supervision.waypoints import Waypoints
from praxia.registry import register


@register("supervision/placebo")
@dataclass(frozen=True)
class Placebo:
    """The same samples, prompts and sections as `of`, and as many target tokens where a word is a token; every number is a word instead.

    The words are the names of the objects that the views show, in alphabetical order, over and over (the instruction's own words where nothing is
    in sight): what there is, and nothing of where it is. Dense targets of `of` are left out.
    """

    of: ObjectPoses | Waypoints
    name: str = "placebo"

    @property
    def needs(self) -> Needs:
        """What `of` needs, and object truths."""
        return replace(self.of.needs, objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None where `of` has nothing to say."""
        example = self.of(sample, rng)
        if example is None or example.target is None or isinstance(example.target, str):
            return None
        shown = ObjectPoses(negatives=0.0)
        names = {v.truth.name for view in example.sample.views for v in shown.visible(sample.objects, view)}
        words = cycle([word for name in sorted(names) for word in name.split()] or sample.instruction.split())
        said = [part if isinstance(part, str) else "".join(f" {next(words)}" for _ in part.values) for part in example.target]
        return replace(example, target=("".join(said),), dense={})
