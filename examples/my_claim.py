"""A claim of your own: two ways of training, compared over training seeds on the same test episodes.

praxia claims examples/my_claim.py:my_claim --seeds 2
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from praxia.recipes.load import load_recipe
from praxia.stages.claim import Claim, Judged, Variant
from praxia.stages.recipe import Recipe

RECIPE = f"{Path(__file__).with_name('my_recipe.py')}:my_recipe"


def my_claim() -> Claim:
    """Does moving the pictures a little while training help?"""
    return Claim(
        statement="Pictures that are shifted at random in training make the policy succeed more often.",
        primary=("shifted", "still"),
        variants=(
            Variant("shifted", "RandomShift on every picture", partial(trained, shift=True)),
            Variant("still", "pictures as recorded", partial(trained, shift=False)),
        ),
        judged=(Judged("tabletop", ("reach", "press")),),
        seeds=5,
    )


def trained(seed: int, shift: bool) -> Recipe:
    """The recipe with a training seed, with or without the transform."""
    recipe = load_recipe(RECIPE)
    (stage,) = recipe.stages
    (source,) = stage.sources
    source = source if shift else replace(source, transforms=())
    return replace(recipe, seed=seed, stages=(replace(stage, sources=(source,)),))
