"""VIPA-VLA (arXiv 2512.13080): metric space and motion learnt from human hands, with a frozen 3-D encoder beside the picture tower, then a robot."""

import re
from dataclasses import replace
from typing import Any

from praxia.annotate.hands.made_clips import TASKS, HandClips
from praxia.annotate.hands.phrases import WAYS
from praxia.annotate.hands.settings import HandRules
from praxia.data.demonstrations import Demonstrations
from praxia.data.hand_clips import CommonCamera, HandMotions, HandQuestions
from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.data.sample_transforms import AreaCrop, ColourJitter, RandomShift
from praxia.data.supervision import ActionChunk, HandMotion, SceneGeometry, SceneGrounding, SceneQuestions, SceneRelations, SpatialVQA
from praxia.data.supervision import hand_motion as motion_questions
from praxia.data.supervision import scene_relations as relation_questions
from praxia.models.backbones.internvl import InternVL
from praxia.models.geometry_nets.cut3r.cut3r import CUT3R
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.heads.dit_flow import DiTFlow
from praxia.models.readouts import PatchPlaces, PatchWords, Positions, TokenAttention
from praxia.models.spec import LearnedTokens, ModelSpec
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.objectives import FlowMatching, Grounding, GuidedAttention, NextToken, PositionRegression
from praxia.recipes import hand_geometry, tabletop_geometry
from praxia.recipes.base_vlm import QUICKSTART_TASKS, base_vlm, from_stage
from praxia.recipes.words import world_words
from praxia.stages.recipe import Constant, InitFrom, Recipe, Source, Stage, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer, PublicTokenizer
from praxia.tokens.motion_vocabulary import MotionVocabulary
from praxia.train.optimiser import AdamW

PUBLIC = "OpenGVLab/InternVL3_5-2B-HF"
FUSION = ("adapters.*.fusion.*",)
LANGUAGE = ("backbone.model.model.language_model.*",)  # embeddings are output rows too, those of motion tokens among them
SEES, ACTS = ("backbone", "adapters"), ("backbone", "adapters", "tokens", "head")
HANDS = (("left", "left hand", 1), ("right", "right hand", 2))  # tools of the world `hands`: arm, name, id in its masks
ENCODER = TabletopGeometry(width=96, layers=2, heads=3)  # looks at every picture of every step
RATE, SECONDS = 5.0, 2  # of motions in `tiny`
REGISTERS = ("tokens.*", "readouts.positions.*")  # of `tiny`: they learn where things are beside what is said and done, which is not the paper's
PLACES = (Weighted(PositionRegression(beta=0.05), Constant(5.0)), Weighted(GuidedAttention(), Constant(0.2)))
HAND3D_TEST = 2000  # held-out pairs that the paper scores (§7.1)
SEEN = hand_geometry.TASKS  # of hands; what stages of `tiny` look at
UNSEEN = tuple(task for task in TASKS if task not in SEEN)  # whose clips are all held out: its scores are those of an unseen task


def from_geometry(stage: str = "geometry") -> InitFrom:
    """The net that a stage trained becomes the frozen encoder of the first adapter."""
    return InitFrom(stage=stage, parts=(("geometry", "adapters.0.encoder"),))


def hand_words() -> tuple[str, ...]:
    """Words of the worlds and of the questions about hands: one token each in a local tokenizer."""
    ways = [*(text for texts in WAYS.values() for text in texts), *relation_questions.POSITION, *relation_questions.DISTANCE]
    ways += [*motion_questions.INSTRUCTIONAL, *motion_questions.CONTEXTUAL, *motion_questions.TRANSLATION]
    ways += ["left right up down forward backward and degrees m in contact not clockwise counterclockwise both hands user assistant"]
    ways += ["reach for the touch get hold of pick up grasp it lift take off table put next to move beside set down by pour from into tip over empty"]
    ways += ["bring together with"]
    return tuple(sorted({*world_words(), *(word for text in ways for word in re.findall(r"[A-Za-z]+", re.sub(r"\{.*?\}", " ", text)))}))


def tiny_model() -> ModelSpec:
    """2.9 M parameters at 64 px: convolutional stem, 3 x 128 InternViT over 16 tokens a view, fusion, 4 x 128 Qwen3, 4 x 96 DiT; an encoder of 0.5 M.

    The stem, registers and readouts are the framework's, not the paper's.
    """
    return ModelSpec(
        backbone=InternVL(
            image_size=64, patch_size=16, downsample=1, stem="conv", attention="plain", vision_width=128, vision_layers=3, vision_heads=4,
            vision_mlp=384, text_width=128, text_layers=4, text_heads=4, text_kv_heads=4, text_head_dim=32, text_mlp=256, vocabulary=0,
        ),
        adapters=(GeometryFusion(encoder=ENCODER, together=1, heads=4, dropout=0.0, attention="plain"),),
        tokens=(LearnedTokens("registers", 6, block=0), LearnedTokens("queries", 8, causal=True)),
        order=("views", "prompt", "registers", "queries", "target"),
        prefix_attention="causal",
        vocabulary=MotionVocabulary(bins=256, row_noise=0.09, row_smoothing=0.05),  # as wide as its other rows are after stage 1
        head=DiTFlow(
            horizon=16, action_width=0, state_width=0, width=96, layers=4, heads=4, out_width=64, draws=2, dropout=0.0, attention="plain",
        ),
        readouts={
            "words": PatchWords(),
            "places": PatchPlaces(),
            "positions": Positions("registers", distance=(*(1.0,) * 3, *(0.2,) * 3)),  # from outside, from the wrist; of hands left, right
            "attention": TokenAttention("registers"),
        },
        geometry=ENCODER,
    )  # fmt: skip


def hand_clips(asks: str, split: str = "train") -> HandClips:
    """Annotated clips of the pretrain split at 64 px, as one camera would see them: metres cannot be told from a picture of unknown focal length.

    A fifth of the clips is held out, those of `UNSEEN` all are.
    """
    rules = HandRules(held_tasks=UNSEEN, held_out=0.2)
    return HandClips(asks=asks, split=split, clips=60, side=64, seed=41, rules=rules, camera=CommonCamera(64, 48, 48))  # type: ignore[arg-type]


def base(minutes: float = 2.0) -> Stage:
    """Stage 0, in place of InternVL3.5: things and hands have names and places in the picture, and it has the words of metric answers.

    A public model knows what `to the left` and `in contact` mean and guesses at metres; stage 1 moves the fusion layer alone and cannot teach that.
    So it is asked about clips of the base split (other colours and table tops), from pictures, without the 3-D encoder.
    """
    stage = base_vlm(("backbone", "readouts"))
    asked = replace(hand_clips("questions"), clips=30, seed=45, scenes="base")
    scenes = stage.sources[0].data
    hands = Demonstrations("hands", SEEN, 40, 42, {"split": "base", "size": 64}, picture_every=3, depth=True, masks=True)  # all along their ways
    return replace(
        stage,
        sources=(
            Source(scenes, SceneGrounding(), (RandomShift(),), weight=0.25),
            Source(scenes, SceneQuestions(), (RandomShift(),), weight=0.1),
            Source(scenes, SceneRelations(), weight=0.15),
            Source(hands, SceneGrounding(tools=HANDS), (RandomShift(),), weight=0.2),
            Source(hands, SceneRelations(), weight=0.05),
            Source(asked, SpatialVQA(), (ColourJitter(),), weight=0.25),
        ),
        objectives=(Weighted(Grounding()), Weighted(NextToken(), Constant(0.5))),
        minutes=minutes,
    )


def geometry(minutes: float = 1.0) -> Stage:
    """The 3-D encoder: depth of single pictures, which is how it is shown them: of a robot's head and wrist camera, and of hands at work."""
    stage = tabletop_geometry.stage(minutes, roles=("head",))
    clips = hand_geometry.scenes(25, seed=43)  # without the task whose labels are held out
    (scenes,) = stage.sources
    wrist, hands = (
        replace(scenes, supervision=SceneGeometry(("wrist",)), weight=0.2),
        Source(clips, SceneGeometry(("head",)), (ColourJitter(),), weight=0.5),
    )
    return replace(stage, sources=(replace(scenes, weight=0.3), wrist, hands))


def tiny() -> Recipe:
    """Trains in minutes on two CPU cores: names and relations, a small geometry net, metric questions about hands (fusion alone), their motion
    (fusion and language model), then five tasks of tabletop's benchmark split (language model and head)."""
    look = {"split": "benchmark", "size": 64}
    robot = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=250, seed=2, world_args=look, picture_every=3, depth=True)
    motions = HandMotion(rate_hz=RATE, seconds=SECONDS, positions=True)
    return Recipe(
        name="vipa_vla",
        model=tiny_model(),
        tokenizer=LocalTokenizer(hand_words()),
        numbers=Numbers(action=(Normalise("quantile", least=0.02),), state=(Normalise("quantile", least=0.02, clip=1.2),)),
        replan=4,
        stages=(
            base(),
            geometry(),
            Stage(
                name="spatial_vqa",
                sources=(Source(hand_clips("questions"), SpatialVQA(), (ColourJitter(),)),),
                held_out=(Source(hand_clips("questions", "held_out"), SpatialVQA()),),
                objectives=(Weighted(NextToken()),),
                parts=SEES,
                trainable=FUSION,
                init_from=(from_stage("base_vlm", ("backbone",)), from_geometry()),
                steps=20_000,
                minutes=1.5,
                batch=32,
                optimiser=AdamW(lr=1e-3, warmup=50, weight_decay=0.01, muon=0.02),
                validate_every=1000,
            ),
            Stage(
                name="hand_motion",
                sources=(Source(hand_clips("motions"), motions, (ColourJitter(),)),),
                held_out=(Source(hand_clips("motions", "held_out"), motions),),
                objectives=(Weighted(NextToken(spread=0.02)), *PLACES),  # few samples: neighbouring bins learn from each other
                parts=(*SEES, "tokens", "readouts"),
                trainable=(*FUSION, *LANGUAGE, *REGISTERS),
                new_rows=True,
                init_from=(from_stage("spatial_vqa", SEES), from_stage("base_vlm", ("readouts",))),
                steps=20_000,
                minutes=1.5,
                batch=32,
                optimiser=AdamW(lr=1e-3, warmup=50, weight_decay=0.01, muon=0.02, muon_tables=False),
                validate_every=1000,
            ),
            Stage(
                name="robot",
                sources=(Source(robot, ActionChunk(horizon=16, positions=True, views=2), (RandomShift(),)),),
                objectives=(
                    Weighted(FlowMatching()),
                    *PLACES,
                ),
                parts=(*ACTS, "readouts"),
                trainable=(*LANGUAGE, *REGISTERS, "head.*"),
                init_from=(from_stage("hand_motion", (*SEES, "tokens", "readouts")),),
                steps=20_000,
                minutes=5.25,
                batch=32,
                optimiser=AdamW(lr=1.5e-3, warmup=100, muon=0.02),
                validate_every=1000,
            ),
        ),
    )


def paper() -> Recipe:
    """Published shapes (InternVL3.5-2B, CUT3R, DiT of GR00T N1.5) and settings; what is not published: defaults of docs/vipa_vla.md.

    Hand3D is looked for in data/hand3d/hands, where `praxia annotate hands data/hand3d` writes it; actions are learnt from --data. CUT3R's weights
    are for research only.
    """
    # default 27; of 16:9 at 896 px, 504 rows are squashed
    hands: dict[str, Any] = {"root": "data/hand3d/hands", "size": 896, "camera": CommonCamera(448)}
    pretraining: dict[str, Any] = {"lr": 1e-5, "weight_decay": 0.01, "betas": (0.9, 0.999)}
    return Recipe(
        name="vipa_vla",
        preset="paper",
        model=ModelSpec(
            backbone=InternVL(checkpoint=PUBLIC),
            adapters=(GeometryFusion(encoder=CUT3R(head="none", checkpoint="cut3r_512_dpt_4_64.pth")),),
            tokens=(LearnedTokens("queries", 64, causal=True),),
            order=("views", "prompt", "queries", "target"),
            prefix_attention="causal",
            vocabulary=MotionVocabulary(),
            head=DiTFlow(horizon=16, action_width=0, state_width=0),
        ),
        tokenizer=PublicTokenizer(PUBLIC),
        numbers=Numbers(action=(Normalise("min_max"),), state=(Normalise("min_max"),)),
        replan=8,
        stages=(
            Stage(
                name="spatial_vqa",
                sources=(Source(HandQuestions(**hands), SpatialVQA()),),
                held_out=(Source(HandQuestions(split="held_out", **hands), SpatialVQA()),),
                objectives=(Weighted(NextToken()),),
                parts=SEES,
                trainable=FUSION,
                steps=9_387,
                batch=32,
                optimiser=AdamW(warmup=282, **pretraining),
                validate_every=1000,
                scored=HAND3D_TEST,
            ),
            Stage(
                name="hand_motion",
                sources=(Source(HandMotions(**hands), HandMotion()),),
                held_out=(Source(HandMotions(split="held_out", **hands), HandMotion()),),
                objectives=(Weighted(NextToken()),),
                parts=SEES,
                trainable=(*FUSION, *LANGUAGE),
                new_rows=True,
                init_from=(from_stage("spatial_vqa", SEES),),
                steps=32_215,
                batch=32,
                optimiser=AdamW(warmup=966, **pretraining),
                validate_every=2000,
                scored=HAND3D_TEST,
            ),
            Stage(
                name="robot",
                sources=(Source(None, ActionChunk(16), (ColourJitter(), AreaCrop(0.95**2))),),
                objectives=(Weighted(FlowMatching()),),
                parts=ACTS,
                trainable=(*LANGUAGE, "tokens.*", "head.*"),
                init_from=(from_stage("hand_motion", SEES),),
                steps=30_000,
                batch=128,
                optimiser=AdamW(lr=5e-5, warmup=1500, weight_decay=1e-5, betas=(0.95, 0.999)),
                validate_every=2000,
            ),
        ),
        licences=((PUBLIC, "Apache-2.0"),),
    )
