"""A tiny VLM that answers embodied questions about tabletop scenes: base_vlm, then the question stage. No robot acts.

praxia train examples/embodied_vqa.py:my_recipe --name vqa
"""

from dataclasses import replace

from praxia.recipes.base_vlm import base_vlm
from praxia.recipes.embodied_vqa import stage, vqa_words
from praxia.recipes.pose_vla import tiny_model
from praxia.stages.recipe import Recipe
from praxia.tokens.local_tokenizer import LocalTokenizer

SEES = ("backbone", "adapters", "readouts")


def my_recipe() -> Recipe:
    """Pose-VLA's tiny PaliGemma with its registers, without number tokens and without a head."""
    model = replace(tiny_model(), vocabulary=None, head=None)
    return Recipe("embodied_vqa", model, (base_vlm(SEES), stage((*SEES, "tokens"), minutes=2.0, positions=2)), tokenizer=LocalTokenizer(vqa_words()))
