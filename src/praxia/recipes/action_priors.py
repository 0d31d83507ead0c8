"""Action Priors (arXiv 2606.26095): an auto-encoder of action chunks learnt on several robots without a pixel, then reused by a VLA as its head."""

from dataclasses import replace

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ActionChunk, StateActionChunk
from praxia.data.unified_space import RobotSlots, UnifiedSpace, span
from praxia.models.backbones.qwen3_vl import Qwen3VL
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.qwen3_core import Qwen3Size
from praxia.models.readouts import PatchPlaces, PatchWords, Positions, TokenAttention
from praxia.models.spec import LearnedTokens, ModelSpec
from praxia.objectives import FlowMatching, GuidedAttention, LatentAlignment, PositionRegression
from praxia.recipes.base_vlm import base_vlm, from_stage
from praxia.recipes.words import world_words
from praxia.stages.recipe import Constant, LinearDecay, Recipe, Source, Stage, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer, PublicTokenizer
from praxia.train.optimiser import AdamW

HORIZON = 15
ARM_TASKS = ("reach", "press", "drawer", "pick_and_place")
SAWYER_TASKS = ("button-press-topdown", "door-open", "drawer-close", "window-open")

LEAST = 0.02  # half-width of a range, metres or radians: dims that hardly move are not blown up to noise of full size

# State slots behind the published 74: what the embedded robots tell and the table has no place for.
_TOOL_ROTATION = span(74, 6)  # first two columns of the tool's rotation
_SIX_JOINTS = span(80, 6)  # angles of a six-joint arm
_HANDS = span(86, 2)  # openings of a left and a right gripper
SPACE = UnifiedSpace(
    robots=(
        RobotSlots("arm7", span(7, 7), (*span(0, 3), *_TOOL_ROTATION, 7, *span(8, 7)), acts="delta pose", least=LEAST),
        RobotSlots("arm6", span(7, 7), (*span(0, 3), *_TOOL_ROTATION, 7, *_SIX_JOINTS), acts="delta pose", least=LEAST),
        RobotSlots("sawyer", (*span(7, 3), 13), (*span(0, 3), 7), acts="delta position", least=LEAST),
        RobotSlots(
            "bimanual",
            action=(*span(0, 7), 14, *span(7, 7), 20),
            state=(*span(16, 28), *_HANDS),
            angles=(tuple(range(7)), tuple(range(8, 15))),
            relative=tuple((joint, joint) for joint in (*range(7), *range(8, 15))),
            acts="joint offsets",
            least=LEAST,
        ),
    ),
    state_width=88,
)

# The table as published, under the names of the robots in their datasets: LIBERO's Panda, whose delta pose shares the right arm with GR1's joints,
# and the real Franka, which is told joint angles.
PUBLISHED = UnifiedSpace(
    robots=(
        RobotSlots("panda", span(7, 7), span(0, 8), acts="delta pose"),
        RobotSlots("gr1", span(0, 29), span(16, 58), angles=(span(0, 7), span(7, 7), span(14, 6), span(20, 6), span(26, 3)), acts="joint angles"),
        RobotSlots("franka", span(29, 8), span(8, 8), acts="joint angles"),
    ),
)


def robots(episodes: int = 100) -> dict[str, Demonstrations]:
    """Demonstrations of the four embedded robots, `episodes` a task."""
    look = {"split": "benchmark", "size": 64}

    def made(robot: str, tasks: tuple[str, ...], seed: int) -> Demonstrations:
        return Demonstrations("tabletop", tasks, episodes, seed, look | {"robot": robot}, picture_every=3)

    return {
        "arm7": made("arm7", ARM_TASKS, 11),
        "arm6": made("arm6", ARM_TASKS, 12),
        "bimanual": made("bimanual", ("lift_tray", "hand_over"), 13),
        "sawyer": Demonstrations("metaworld", SAWYER_TASKS, episodes // 2, 14, {"size": 64}, picture_every=6),
    }


def tiny_model() -> ModelSpec:
    """2.0 M parameters at 64 px: a Qwen3-VL of 16 tokens a view, action encoder and decoder of 2 x 96.

    Every head has keys and values of its own: all that a step of the decoder learns of the latent passes through the values of that one token.
    """
    core = Qwen3Size(width=96, layers=2, heads=6, kv_heads=6, head_dim=16, mlp=192)
    return ModelSpec(
        backbone=Qwen3VL(
            image_size=64, patch_size=16, merge=1, stem="conv", attention="plain", vision_width=128, vision_layers=3, vision_heads=4,
            vision_mlp=384, deepstack=(1,), position_grid=4, text_width=128, text_layers=4, text_heads=4, text_kv_heads=4, text_head_dim=32,
            text_mlp=256, mrope=(8, 4, 4), vocabulary=0,
        ),
        tokens=(
            LearnedTokens("soft", 4, block=0, per_embodiment=True),
            LearnedTokens("registers", 6, block=0),
            LearnedTokens("q", 1),
        ),
        order=("soft", "views", "prompt", "registers", "q", "target"),
        encoder=ActionEncoder(state_width=0, action_width=0, prompt_tokens=4, core=core, attention="plain"),
        conditioner=LatentQuery("q", width=core.width),
        head=PriorDecoder(HORIZON, action_width=0, latent_width=core.width, core=core, draws=4, time_alpha=1.0, attention="plain"),
        readouts={
            "words": PatchWords(),
            "places": PatchPlaces(),
            "positions": Positions("registers", distance=(*(1.0,) * 3, *(0.2,) * 3)),  # from outside, from the wrist
            "attention": TokenAttention("registers"),
        },
    )  # fmt: skip


PRIOR = ("encoder", "head")  # what stage 1 hands on
FLOW = Weighted(FlowMatching(mean="samples"))
RECONSTRUCTION = FlowMatching(mean="samples", head="reconstruction")
# Only logged: the mean over all slots, which other code bases train on (D8).
ALL_SLOTS = Weighted(FlowMatching(over="all", label="flow_matching_all_slots"), Constant(0.0))
SEES = ("backbone", "readouts")


def prior(minutes: float = 5.0) -> Stage:
    """Stage 1: the auto-encoder of the four robots' numbers, each robot alike: by their rows, half would be Sawyer's."""
    return Stage(
        name="action_prior",
        sources=tuple(Source(replace(data, blind=True), StateActionChunk(HORIZON, still=True)) for data in robots().values()),
        objectives=(FLOW, ALL_SLOTS),
        parts=("encoder", "conditioner", "head"),
        steps=10_000,
        minutes=minutes,
        batch=64,
        optimiser=AdamW(lr=4e-3, warmup=200, muon=0.03),
        validate_every=2000,
    )


def tiny() -> Recipe:
    """Trains in minutes on two CPU cores: words and places on still scenes, the prior on states and actions of four robots, then the robots."""
    data = robots()
    shift = (RandomShift(),)
    looking = tuple(Source(d, ActionChunk(HORIZON, still=True, positions=True, views=2), shift) for d in data.values())
    decay = LinearDecay(500)
    return Recipe(
        name="action_priors",
        model=tiny_model(),
        tokenizer=LocalTokenizer(world_words()),
        numbers=SPACE,
        replan=5,
        stages=(
            base_vlm(SEES),
            prior(),
            Stage(
                name="robot",
                sources=looking,
                objectives=(
                    FLOW,
                    Weighted(LatentAlignment(), decay),
                    Weighted(RECONSTRUCTION, decay),
                    ALL_SLOTS,
                    Weighted(PositionRegression(beta=0.05), Constant(5.0)),
                    Weighted(GuidedAttention(), Constant(0.2)),
                ),
                init_from=(from_stage("action_prior", PRIOR), from_stage("base_vlm", SEES)),
                steps=20_000,
                minutes=20.0,
                batch=32,
                optimiser=AdamW(lr=1.5e-3, warmup=500, muon=0.02),
                validate_every=1000,
            ),
        ),
    )


def paper() -> Recipe:
    """Published shapes (Qwen3-VL-2B, encoder and decoder of Qwen3-0.6B) and settings; both stages learn from --data.

    Robots that are not LIBERO's arm, GR1 or a Franka get slots of their own behind the published ones. Open points are as in the specification (its
    D1 to D19), each a field; as in `tiny`, every sample counts alike (D8) and what moves by deltas stands still past the end of an episode (D19).
    """
    core = Qwen3Size(checkpoint="Qwen/Qwen3-0.6B")
    decay = LinearDecay(5000)
    return Recipe(
        name="action_priors",
        preset="paper",
        model=ModelSpec(
            backbone=Qwen3VL(checkpoint="Qwen/Qwen3-VL-2B-Instruct"),
            tokens=(LearnedTokens("soft", 32, block=0, per_embodiment=True), LearnedTokens("q", 1)),
            order=("soft", "views", "prompt", "q", "target"),
            prefix_attention="causal",
            encoder=ActionEncoder(state_width=0, action_width=0, core=core),
            conditioner=LatentQuery("q", width=core.width),
            head=PriorDecoder(HORIZON, action_width=0, latent_width=core.width, core=core),
        ),
        tokenizer=PublicTokenizer("Qwen/Qwen3-VL-2B-Instruct"),
        numbers=PUBLISHED,
        replan=5,
        stages=(
            Stage(
                name="action_prior",
                sources=(Source(None, StateActionChunk(HORIZON, still=True), weight=0.0),),
                objectives=(FLOW, ALL_SLOTS),
                parts=("encoder", "conditioner", "head"),
                steps=5000,
                batch=2048,
                optimiser=AdamW(lr=1e-4, final=5e-7, warmup=1000, weight_decay=1e-8),
                validate_every=500,
            ),
            Stage(
                name="robot",
                sources=(Source(None, ActionChunk(HORIZON, still=True), weight=0.0),),
                objectives=(
                    FLOW,
                    Weighted(LatentAlignment(), decay),
                    Weighted(RECONSTRUCTION, decay),
                    ALL_SLOTS,
                ),
                init_from=(from_stage("action_prior", PRIOR),),
                steps=50_000,
                batch=256,
                optimiser=AdamW(lr=2.5e-5, final=2.5e-8, warmup=5000, weight_decay=1e-8),
                validate_every=2000,
            ),
        ),
        seed=42,
        licences=(("Qwen/Qwen3-VL-2B-Instruct", "Apache-2.0"), ("Qwen/Qwen3-0.6B", "Apache-2.0")),
    )
