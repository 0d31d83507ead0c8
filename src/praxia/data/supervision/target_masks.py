"""target_masks: which pixels of every view show the thing that is to be manipulated; nothing is asked (PokeVLA, goal-aware segmentation)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs
from praxia.registry import register


@register("supervision/target_masks")
@dataclass(frozen=True)
class TargetMasks:
    """For `ActionChunk.beside`: dense targets of V views, stored pixels (what moves pictures moves them later, in batch, by the views' affines).

    dense["target_mask"] uint8 [V, H, W]: 1 where the target is seen; views of other sizes are filled up with 0 on the right and below.
    dense["target_mask_valid"] bool [V]: whether it is known what the view shows of it. A view that does not show it is known and empty; a view
    without an instance mask, or a sample without a target of a known id, is not known and never scored.
    """

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
        instance = next((o.instance for o in sample.objects if o.name == sample.target), 0)
        height, width = (max(view.image.shape[axis] for view in sample.views) for axis in (0, 1))
        masks = np.zeros((len(sample.views), height, width), np.uint8)
        known = np.zeros(len(sample.views), bool)
        for slot, view in enumerate(sample.views):
            if instance and view.valid and view.mask is not None:
                masks[slot, : view.mask.shape[0], : view.mask.shape[1]] = view.mask == instance
                known[slot] = True
        return Example(sample, None, None, {"target_mask": masks, "target_mask_valid": known})
