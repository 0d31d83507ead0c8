"""target_masks: which pixels of every view show the thing that is to be manipulated; nothing is asked (PokeVLA, goal-aware segmentation)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs
from praxia.geometry import se3
from praxia.geometry.scene import ObjectTruth
from praxia.registry import register

_NEAR = 0.01  # m above or below its box: a floor has no thickness, a stack a gap


@register("supervision/target_masks")
@dataclass(frozen=True)
class TargetMasks:
    """For `ActionChunk.beside`: dense targets of V views, stored pixels (what moves pictures moves them later, in batch, by the views' affines).

    The target is the thing to be manipulated, of a task of several steps the one of the step that is not yet done. receptacle: what it has to get
    into or onto is marked with it (specification, open points: an option; in LIBERO the receptacle is the second object of interest).

    dense["target_mask"] uint8 [V, H, W]: 1 where the target is seen; views of other sizes are filled up with 0 on the right and below.
    dense["target_mask_valid"] bool [V]: whether it is known what the view shows of it. A view that does not show it is known and empty; a view
    without an instance mask, or a sample without a target of a known id, is not known and never scored.
    """

    receptacle: bool = False
    name: str = "target_masks"
    asks: ClassVar[bool] = False

    @property
    def needs(self) -> Needs:
        """Object truths and instance masks."""
        return Needs(objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None of a sample without views."""
        if not sample.views:
            return None
        wanted = [o for o in sample.objects if o.name == sample.target and o.instance]
        if wanted and self.receptacle:
            wanted += [o for o in [receptacle(sample)] if o is not None and o.instance]
        height, width = (max(view.image.shape[axis] for view in sample.views) for axis in (0, 1))
        masks = np.zeros((len(sample.views), height, width), np.uint8)
        known = np.zeros(len(sample.views), bool)
        for slot, view in enumerate(sample.views):
            if wanted and view.valid and view.mask is not None:
                masks[slot, : view.mask.shape[0], : view.mask.shape[1]] = np.isin(view.mask, [o.instance for o in wanted])
                known[slot] = True
        return Example(sample, None, None, {"target_mask": masks, "target_mask_valid": known})


def receptacle(sample: Sample) -> ObjectTruth | None:
    """What the target has to get into or onto: the smallest other thing in whose box, or within a centimetre above or below it, the goal lies. None
    where there is no goal, or it is the target's own place (a touch, a button)."""
    goal = sample.goal
    if goal is None or not np.isfinite(goal).all():
        return None

    def holds(thing: ObjectTruth) -> bool:
        gap = np.abs(se3.apply(se3.invert(thing.T_base_object), goal[None])[0]) - np.asarray(thing.size) / 2
        return bool((gap <= (0.0, 0.0, _NEAR)).all())

    able = [o for o in sample.objects if o.name != sample.target and holds(o)]
    return min(able, key=lambda o: float(np.prod(o.size)), default=None)
