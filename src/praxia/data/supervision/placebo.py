"""placebo: what a spatial supervision asks and shows, answered with words in place of numbers: the control of the claims about pretraining."""

import re
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.embodied_vqa import EmbodiedVQA
from praxia.data.supervision.hand_motion import HandMotion
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.spatial_vqa import SpatialVQA
from praxia.data.supervision.supervision import Example, Needs
from praxia.data.supervision.waypoints import Waypoints
from praxia.registry import register

_PIECE = re.compile(r"[A-Za-z]+|\d|[^\w\s]")  # what a tokenizer at least makes a token each


@register("supervision/placebo")
@dataclass(frozen=True)
class Placebo:
    """The same samples, prompts and sections as `of`, and as many target tokens where a word is a token; every number is a word instead.

    The words are the names of the objects that the views show, in alphabetical order, over and over (where nothing is in sight or no objects are
    known, the target's name or the instruction's own words): what there is, and nothing of where it is. Answers in plain text (`EmbodiedVQA`,
    `SpatialVQA`, a motion's description) are replaced as a whole. Dense targets and phrases of `of` are left out.
    """

    of: ObjectPoses | Waypoints | EmbodiedVQA | SpatialVQA | HandMotion
    name: str = "placebo"

    @property
    def as_taken(self) -> bool:
        """As of `of`."""
        return getattr(self.of, "as_taken", False)

    @property
    def needs(self) -> Needs:
        """What `of` needs; for poses also object truths."""
        if isinstance(self.of, SpatialVQA | HandMotion):
            return self.of.needs
        return replace(self.of.needs, objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None where `of` has nothing to say, or nothing is known of what there is."""
        example = self.of(sample, rng)
        if example is None or example.target is None:
            return None
        names = self._names(example)
        if not names:
            return None
        words = cycle(names)
        if isinstance(example.target, str):
            return replace(example, target=" ".join(islice(words, len(_PIECE.findall(example.target)))), dense={}, phrases=())
        said = [part if isinstance(part, str) else "".join(f" {next(words)}" for _ in part.values) for part in example.target]
        return replace(example, target=("".join(said),), dense={}, phrases=())

    @staticmethod
    def _names(example: Example) -> list[str]:
        sample, shown = example.sample, ObjectPoses(negatives=0.0)
        names = {v.truth.name for view in sample.views for v in shown.visible(sample.objects, view)} if sample.objects else set()
        return [word for name in sorted(names) for word in name.split()] or (sample.target or sample.instruction or sample.question).split()
