"""VIPA-VLA's recipe as data: which tasks of hands its stages look at, and through which camera."""

import pytest

from praxia.annotate.hands.made_clips import TASKS, HandClips
from praxia.data.demonstrations import Demonstrations
from praxia.data.hand_clips import CommonCamera, HandMotions, HandQuestions
from praxia.recipes.load import load_claim
from praxia.recipes.vipa_vla import SEEN, UNSEEN, paper, tiny

RECIPES = {"tiny": tiny()} | {v.name: v.recipe(0) for v in load_claim("vipa_vla").variants if v.name in ("full", "no pretraining, no encoder")}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_no_stage_is_trained_on_the_task_that_is_held_out(recipe):
    assert set(SEEN) | set(UNSEEN) == set(TASKS) and UNSEEN and not set(SEEN) & set(UNSEEN)
    data = [source.data for stage in recipe.stages for source in stage.sources]
    clips = [d.tasks for d in data if isinstance(d, Demonstrations) and d.world == "hands"]
    assert clips and all(tasks == SEEN for tasks in clips)
    asked = [d for d in data if isinstance(d, HandClips)]
    assert len(asked) == 3 and all(d.rules.held_tasks == UNSEEN and d.split == "train" for d in asked)


def test_stages_1_and_2_of_the_paper_look_through_one_camera_of_the_models_size():
    recipe = paper()
    sources = [source.data for stage in recipe.stages[:2] for source in (*stage.sources, *stage.held_out)]
    assert len(sources) == 4 and all(isinstance(s, HandQuestions | HandMotions) for s in sources)
    assert {s.camera for s in sources} == {CommonCamera(recipe.model.backbone.image_size)}
    assert min(s.size for s in sources) * 9 / 16 >= 448, "a wide picture keeps at least as many rows as the camera has"
