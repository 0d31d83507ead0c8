"""What does not fit together in a recipe is said before a stage is trained, not in the first update of the last one."""

from dataclasses import replace

import pytest

from praxia.errors import ConfigError
from praxia.models.readouts import TargetMaskDecoder
from praxia.recipes.poke_vla import tiny
from praxia.workflows.recipe_checks import check_recipe


def test_readouts_that_are_scored_must_be_built_and_read_groups_that_are_there():
    recipe = tiny()
    check_recipe(recipe)
    model, (*before, robot) = recipe.model, recipe.stages
    misspelt = model.readouts | {"target_mask": TargetMaskDecoder(width=64, heads=4, goal="sge")}
    without = {name: spec for name, spec in model.readouts.items() if name != "geometry"}
    blind = replace(robot, parts=tuple(part for part in robot.parts if part != "readouts"))
    for changed, message in (
        (replace(recipe, model=replace(model, readouts=misspelt)), r"TargetMaskDecoder\.goal: .*'sge'.*seg"),
        (replace(recipe, model=replace(model, readouts=without)), r"stage 'robot': GeometryAlignment\.readout: .*'geometry'"),
        (replace(recipe, stages=(*before, blind)), "stage 'robot': .* build part 'readouts'"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_recipe(changed)
