"""A recipe of your own: what the policy is made of, what it learns from, and how.

praxia train examples/my_recipe.py:my_recipe                    two tabletop tasks
praxia train examples/my_recipe.py:my_recipe --data FOLDER      a recorded LeRobotDataset with its dataset.yaml
"""

from praxia.data.demonstrations import Demonstrations
from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ActionChunk
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
from praxia.objectives import FlowMatching
from praxia.recipes.words import world_words
from praxia.stages.recipe import Recipe, Source, Stage, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer
from praxia.train.optimiser import AdamW


def my_recipe() -> Recipe:
    """A small vision-language model and a flow expert, trained on action chunks from scratch. Widths of 0 are taken from the data."""
    model = ModelSpec(
        backbone=PaliGemma(
            image_size=64, patch_size=8, stem="conv", merge=2, attention="plain", vision_width=96, vision_layers=2, vision_heads=4, vision_mlp=192,
            text_width=128, text_layers=2, text_heads=4, text_kv_heads=1, text_head_dim=32, text_mlp=256, vocabulary=0,
        ),
        head=JointFlow(horizon=16, action_width=0, state_width=0, width=96, mlp=192, draws=4, steps=5, attention="plain"),
    )  # fmt: skip
    demonstrations = Demonstrations("tabletop", ("reach", "press"), episodes=40, world_args={"split": "benchmark"})
    return Recipe(
        name="my_recipe",
        model=model,
        tokenizer=LocalTokenizer(world_words()),
        numbers=Numbers(action=(Normalise("quantile"),), state=(Normalise("mean_std"),)),
        replan=8,
        stages=(
            Stage(
                name="robot",
                sources=(Source(demonstrations, ActionChunk(horizon=16), (RandomShift(),)),),
                objectives=(Weighted(FlowMatching()),),
                steps=2000,
                batch=64,
                optimiser=AdamW(lr=1e-3, warmup=100),
                validate_every=500,
            ),
        ),
    )
