"""PokeVLA's `tiny` with masks by Segment Anything's modules, two passes, as published: small, and trained from nothing beside the policy.

    praxia train examples/poke_vla_with_sam.py:my_recipe --name sam

Pictures go through SAM's own encoder; the policy folder has neither it nor its decoders.
"""

from dataclasses import replace

from praxia.recipes.poke_vla import tiny, with_sam
from praxia.stages.recipe import Recipe


def my_recipe() -> Recipe:
    """base_vlm -> embodied_vqa -> geometry -> robot."""
    return replace(with_sam(tiny()), name="poke_vla_with_sam")
