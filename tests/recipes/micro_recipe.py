"""A recipe of micro size in two stages, as a user would write one; tests give its data with --data."""

from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.data.recorded import Recorded
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ActionChunk, SceneQuestions
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
from praxia.objectives import FlowMatching, NextToken
from praxia.recipes.words import world_words
from praxia.stages.recipe import Constant, InitFrom, Recipe, Source, Stage, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer
from praxia.train.optimiser import AdamW

MICRO = f"{__file__}:micro"  # as the command line names it


def micro(data: str = "") -> Recipe:
    """data: a tabletop dataset."""
    recorded, shift = Recorded(data), (RandomShift(),)
    backbone = PaliGemma(
        image_size=32, patch_size=8, vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=48, text_width=48, text_layers=1, text_heads=2,
        text_kv_heads=1, text_head_dim=24, text_mlp=64, vocabulary=0, attention="plain",
    )  # fmt: skip
    head = JointFlow(horizon=12, action_width=0, state_width=0, width=24, mlp=40, draws=2, steps=3, attention="plain")
    return Recipe(
        name="micro",
        model=ModelSpec(backbone=backbone, head=head, order=("views", "prompt", "target")),
        tokenizer=LocalTokenizer(world_words()),
        numbers=Numbers(action=(Normalise("quantile"),), state=(Normalise("mean_std"),)),
        replan=12,
        precision="fp32",
        stages=(
            Stage(
                "warm", (Source(recorded, ActionChunk(12), shift),), (Weighted(FlowMatching()),), steps=2, batch=4, optimiser=AdamW(lr=1e-3, warmup=1)
            ),
            Stage(
                "robot",
                (Source(recorded, ActionChunk(12), shift, weight=0.75), Source(recorded, SceneQuestions(), shift, weight=0.25)),
                (Weighted(FlowMatching()), Weighted(NextToken(), Constant(0.1))),
                init_from=(InitFrom(stage="warm", parts=(("backbone", "backbone"), ("head", "head"))),),
                steps=4,
                batch=8,
                optimiser=AdamW(lr=1e-3, warmup=1),
                validate_every=2,
                validation_batches=1,
            ),
        ),
    )


def not_a_recipe() -> int:
    return 3
