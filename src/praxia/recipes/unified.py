"""What three of the systems add, on one backbone: rays and depth (Pose-VLA), a goal token that is a mask in every view and nearness to a 3-D net
(PokeVLA), and a prior of actions that the head starts from (Action Priors). No paper's system: a composition of their parts."""

from dataclasses import replace

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import ColourJitter, RandomCrop, RandomShift
from praxia.data.supervision import ActionChunk, SceneGrounding, TargetMasks, Together
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.geometry_nets.vggt import VGGT
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.qwen3_core import Qwen3Size
from praxia.models.readouts import GeometryProjector, TargetMaskDecoder
from praxia.models.spec import LearnedTokens, ModelSpec, SpecialToken
from praxia.models.vision.ray_depth import RayDepth
from praxia.objectives import (
    GeometryAlignment,
    Grounding,
    GuidedAttention,
    LatentAlignment,
    PositionRegression,
    TargetMask,
)
from praxia.recipes import action_priors, pose_vla, tabletop_geometry
from praxia.recipes.action_priors import FLOW, HORIZON, PRIOR, RECONSTRUCTION
from praxia.recipes.base_vlm import QUICKSTART_TASKS, base_vlm, from_stage
from praxia.recipes.poke_vla import TEACHER
from praxia.recipes.words import world_words
from praxia.stages.recipe import Constant, LinearDecay, Recipe, Source, Stage, Teacher, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer, PublicTokenizer
from praxia.train.optimiser import AdamW

SEES = ("backbone", "adapters", "readouts")
ACTS = (*SEES, "tokens", "encoder", "conditioner", "head")
PUBLIC = "google/paligemma-3b-pt-224"


def _tokens(registers: int) -> tuple[LearnedTokens | SpecialToken, ...]:
    """Registers see what the prompt sees; the goal token looks at them, the query of the latent at the goal."""
    group = (LearnedTokens("registers", registers, block=0),) if registers else ()
    return (*group, SpecialToken("seg", "<SEG>", block=1), LearnedTokens("q", 1, block=2))


def losses(distilled: int) -> tuple[Weighted, ...]:
    """Actions, their latent for the first `distilled` steps, the target's mask and nearness to the teacher; weights as where they are from."""
    decay = LinearDecay(distilled)
    return (
        FLOW,
        Weighted(LatentAlignment(), decay),
        Weighted(RECONSTRUCTION, decay),
        Weighted(TargetMask(), Constant(0.2)),
        Weighted(GeometryAlignment(), Constant(0.4)),
    )


def tiny_model() -> ModelSpec:
    """3.1 M parameters at 64 px: the PaliGemma, rays and depth of Pose-VLA's `tiny`, encoder and decoder of 2 x 96 of Action Priors'."""
    seen, acted = pose_vla.tiny_model(), action_priors.tiny_model()
    return ModelSpec(
        backbone=seen.backbone,
        adapters=seen.adapters,
        tokens=_tokens(6),
        order=("views", "prompt", "registers", "seg", "q", "target"),
        encoder=acted.encoder,
        conditioner=acted.conditioner,
        head=acted.head,
        readouts=seen.readouts
        | {"target_mask": TargetMaskDecoder(width=64, heads=4, attention="plain"), "geometry": GeometryProjector(width=TEACHER.width)},
        geometry=TEACHER,
    )


def tiny() -> Recipe:
    """Trains in minutes on two CPU cores: words and places, a prior of four robots' actions, a small geometry net, then five tasks of the benchmark
    split."""
    look = {"split": "benchmark", "size": 64}
    robot = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=250, seed=2, world_args=look, picture_every=3, depth=True, masks=True)
    says = ActionChunk(HORIZON, still=True, positions=True, views=2, beside=Together((SceneGrounding(), TargetMasks())))
    return Recipe(
        name="unified",
        model=tiny_model(),
        tokenizer=LocalTokenizer(world_words()),
        numbers=replace(action_priors.SPACE, robots=tuple(replace(robot, clip=1.2) for robot in action_priors.SPACE.robots)),
        replan=5,
        stages=(
            base_vlm(SEES),
            action_priors.prior(minutes=1.5),
            tabletop_geometry.stage(minutes=1.0, roles=("head", "wrist")),
            Stage(
                name="robot",
                sources=(Source(robot, says, (RandomShift(),)),),
                objectives=(
                    *losses(distilled=3000),
                    Weighted(PositionRegression(beta=0.05), Constant(5.0)),
                    Weighted(GuidedAttention(), Constant(0.2)),
                    Weighted(Grounding(), Constant(0.1)),
                ),
                parts=ACTS,
                init_from=(from_stage("base_vlm", SEES), from_stage("action_prior", PRIOR)),
                teachers=(Teacher("geometry", TEACHER, stage="geometry", cached=False),),
                steps=20_000,
                minutes=5.25,
                batch=32,
                optimiser=AdamW(lr=1.5e-3, warmup=100, muon=0.02),
                validate_every=1000,
            ),
        ),
    )


def paper() -> Recipe:
    """The published shapes of each part (PaliGemma-3B, encoder and decoder of Qwen3-0.6B, VGGT) with Action Priors' settings; nobody has trained it.

    Both stages learn from --data; the last one also its masks, where the dataset has them.
    """
    core = Qwen3Size(checkpoint="Qwen/Qwen3-0.6B")
    return Recipe(
        name="unified",
        preset="paper",
        model=ModelSpec(
            backbone=PaliGemma(checkpoint=PUBLIC),
            adapters=(RayDepth(),),
            tokens=_tokens(0),
            order=("views", "prompt", "seg", "q", "target"),
            encoder=ActionEncoder(state_width=0, action_width=0, core=core),
            conditioner=LatentQuery("q", width=core.width),
            head=PriorDecoder(HORIZON, action_width=0, latent_width=core.width, core=core),
            readouts={"target_mask": TargetMaskDecoder(), "geometry": GeometryProjector()},
        ),
        tokenizer=PublicTokenizer(PUBLIC),
        numbers=action_priors.PUBLISHED,
        replan=5,
        stages=(
            action_priors.paper().stages[0],
            Stage(
                name="robot",
                sources=(Source(None, ActionChunk(HORIZON, still=True, beside=TargetMasks()), (ColourJitter(), RandomCrop()), weight=0.0),),
                objectives=losses(distilled=5000),
                parts=ACTS,
                init_from=(from_stage("action_prior", PRIOR),),
                teachers=(Teacher("geometry", replace(VGGT.public(), heads_built=False), cached=False),),
                steps=50_000,
                batch=256,
                optimiser=AdamW(lr=2.5e-5, final=2.5e-8, warmup=5000, weight_decay=1e-8),
                validate_every=2000,
            ),
        ),
        licences=((PUBLIC, "Gemma terms of use"), ("Qwen/Qwen3-0.6B", "Apache-2.0")),
    )
