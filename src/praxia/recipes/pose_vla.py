"""Pose-VLA (arXiv 2602.19710): a PaliGemma with a joint flow expert, trained in stages: words, poses of objects, poses of the gripper, the robot."""

from typing import Any

from praxia.data.demonstrations import Demonstrations
from praxia.data.number_transforms import Normalise, SlotMap
from praxia.data.numbers import Numbers
from praxia.data.readers import Bop, Omni3D
from praxia.data.readers.bop_names import LINEMOD, YCB_V
from praxia.data.sample_transforms import ColourJitter, PseudoViews, RandomCrop, RandomShift, Slots
from praxia.data.supervision import ActionChunk, ObjectPoses, SceneGrounding, Waypoints
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.readouts import PatchPlaces, PatchWords, Positions, TokenAttention
from praxia.models.spec import LearnedTokens, ModelSpec
from praxia.models.vision.ray_depth import RayDepth
from praxia.objectives import FlowMatching, Grounding, GuidedAttention, NextToken, PositionRegression
from praxia.recipes.base_vlm import QUICKSTART_TASKS, base_vlm, from_stage
from praxia.recipes.words import world_words
from praxia.stages.recipe import Constant, InitFrom, Recipe, Source, Stage, Weighted
from praxia.tokens.local_tokenizer import LocalTokenizer, PublicTokenizer
from praxia.tokens.pose_vocabulary import PoseVocabulary
from praxia.train.optimiser import AdamW
from praxia.worlds.tabletop.objects import CATEGORIES

TABLETOP_NAMES = (*CATEGORIES, "tray", "button", "drawer")


SEES = ("backbone", "adapters")  # what the pose stages build and hand on


def tiny_model() -> ModelSpec:
    """2.0 M parameters at 64 px: convolutional stem, 3 x 128 SigLIP over 16 tokens a view, rays and depth, 4 x 128 Gemma, 4 x 96 expert."""
    return ModelSpec(
        backbone=PaliGemma(
            image_size=64, patch_size=16, stem="conv", attention="plain", vision_width=128, vision_layers=3, vision_heads=4, vision_mlp=384,
            text_width=128, text_layers=4, text_heads=4, text_kv_heads=1, text_head_dim=32, text_mlp=256, vocabulary=0,
        ),
        adapters=(RayDepth(drop_rays=0.0, drop_depth=0.0, unit=0.2, expansion=1),),
        tokens=(LearnedTokens("registers", 6, block=0),),
        order=("views", "prompt", "registers", "target"),
        vocabulary=PoseVocabulary(xy=256, z=256, size=64, rotation=72, views=2, row_smoothing=0.05, said="median"),
        readouts={
            "words": PatchWords(),
            "places": PatchPlaces(),
            "positions": Positions("registers", distance=(*(1.0,) * 3, *(0.2,) * 3)),  # from outside, from the wrist
            "attention": TokenAttention("registers"),
        },
        head=JointFlow(horizon=16, action_width=0, state_width=0, width=96, mlp=192, draws=2, steps=5, attention="plain"),
    )  # fmt: skip


def tiny() -> Recipe:
    """Trains in minutes on two CPU cores: grounding and questions on still scenes of tabletop's base split, object poses and waypoints on its
    pretrain split, then five tasks of the benchmark split. Made for the quickstart: poses take longer than that to be learnt well."""
    robot = Demonstrations(
        "tabletop", QUICKSTART_TASKS, episodes=250, seed=2, world_args={"split": "benchmark", "size": 64}, picture_every=3, depth=True
    )
    apart: dict[str, Any] = {"world_args": {"split": "pretrain", "size": 64}, "depth": True}
    stills = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=100, seed=3, steps=1, **apart)
    moves = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=30, seed=4, picture_every=3, **apart)
    seen = (*SEES, "readouts")
    asked = (*seen, "tokens")
    shift = (RandomShift(),)
    says = Weighted(NextToken(spread=0.02))  # few samples: neighbouring bins learn from each other
    places = (Weighted(PositionRegression(beta=0.05), Constant(5.0)), Weighted(GuidedAttention(), Constant(0.2)))

    def poses(name: str, data: Demonstrations, supervision: ObjectPoses | Waypoints, start: InitFrom, minutes: float) -> Stage:
        # which thing is asked for: dense grounding of the same pictures teaches that at under a third of the price of an answer
        return Stage(
            name=name,
            sources=(Source(data, supervision, shift, weight=0.7), Source(data, SceneGrounding(), shift, weight=0.3)),
            cycle=10,
            objectives=(says, *places, Weighted(Grounding())),
            parts=asked,
            init_from=(start,),
            steps=20_000,
            minutes=minutes,
            batch=16,
            optimiser=AdamW(lr=1.5e-3, warmup=50, muon=0.02, muon_tables=False),
            validate_every=1000,
        )

    objects = ObjectPoses(("head",), classes=TABLETOP_NAMES, least_side=0.01, positions=2)
    return Recipe(
        name="pose_vla",
        model=tiny_model(),
        tokenizer=LocalTokenizer((*world_words(), ";")),  # one token, behind a word or a number
        numbers=Numbers(action=(Normalise("quantile", least=0.02),), state=(Normalise("quantile", least=0.02),)),
        replan=4,
        stages=(
            base_vlm(seen),
            poses("object_poses", stills, objects, from_stage("base_vlm", seen), 0.6),
            poses("waypoints", moves, Waypoints(count=3, every=6, positions=2), from_stage("object_poses", asked), 0.4),
            Stage(
                name="robot",
                sources=(Source(robot, ActionChunk(horizon=16, positions=True, views=2, beside=SceneGrounding()), shift),),
                objectives=(Weighted(FlowMatching()), *places, Weighted(Grounding(), Constant(0.1))),
                init_from=(from_stage("waypoints", asked),),
                steps=20_000,
                minutes=5.25,
                batch=48,
                optimiser=AdamW(lr=1.5e-3, warmup=100, muon=0.02),
                validate_every=1000,
            ),
        ),
    )


# Thousands of training pictures. Shares follow n ** 0.43 of (picture, category) pairs, whose numbers are not published.
OMNI3D = {"SUNRGBD": 10, "ARKitScenes": 61, "Objectron": 47}
BOP = {"ycbv": (50, YCB_V, "MIT"), "lm": (50, LINEMOD, "CC-BY-4.0")}
DETAILS = (0.15, 0.65)  # crops of BOP's pictures


def paper() -> Recipe:
    """Published shapes (PaliGemma-3B, Gemma-300M expert) and settings: 1a and 1b at batch 128, lr 5e-5; post-training 80 k steps, batch 32, 2.5e-5.

    The three Omni3D sets are looked for under data/omni3d (depth, where there is any, in its folder `depth`), YCB-V and LineMOD (rendered pictures)
    under data/bop; HOT3D and Omni6DPose have no reader. Waypoints and actions are learnt from --data. Steps of 1a and 1b: open point 7.
    """

    def omni3d(name: str) -> Source:
        data = Omni3D((f"data/omni3d/Omni3D/{name}_train.json",), "data/omni3d", depth="data/omni3d/depth", exhaustive=name == "ARKitScenes")
        return Source(data, says, (PseudoViews(),), weight=OMNI3D[name] ** 0.43)

    def bop(name: str) -> Source:
        count, names, licence = BOP[name]
        data = Bop(f"data/bop/{name}", "train_pbr", names, licence=licence)
        return Source(data, says, (PseudoViews(((0.9, 1.0), DETAILS, DETAILS)),), weight=count**0.43)

    says = ObjectPoses()
    objects = (*map(omni3d, OMNI3D), *map(bop, BOP))
    robot = (ColourJitter(), RandomCrop(), Slots())
    pretraining = AdamW(lr=5e-5, final=2.5e-6, warmup=1000, weight_decay=1e-10)
    return Recipe(
        name="pose_vla",
        preset="paper",
        model=ModelSpec(
            backbone=PaliGemma(checkpoint="google/paligemma-3b-pt-224", view_tokens=True),
            adapters=(RayDepth(sparse_depth=0.5),),
            order=("views", "prompt", "target"),
            vocabulary=PoseVocabulary(),
            head=JointFlow(horizon=16, action_width=32, state_width=32),
        ),
        tokenizer=PublicTokenizer("google/paligemma-3b-pt-224"),
        numbers=Numbers(action=(Normalise("mean_std"), SlotMap(width=32)), state=(Normalise("mean_std"), SlotMap(width=32))),
        replan=16,
        stages=(
            Stage(
                name="object_poses",
                sources=objects,
                objectives=(Weighted(NextToken()),),
                parts=SEES,
                steps=100_000,
                batch=128,
                optimiser=pretraining,
                validate_every=2000,
            ),
            Stage(
                name="waypoints",
                sources=(Source(None, Waypoints(), robot),),
                objectives=(Weighted(NextToken()),),
                parts=SEES,
                init_from=(from_stage("object_poses", SEES),),
                steps=100_000,
                batch=128,
                optimiser=pretraining,
                validate_every=2000,
            ),
            Stage(
                name="robot",
                sources=(Source(None, ActionChunk(16), robot),),
                objectives=(Weighted(FlowMatching(over="all")),),
                init_from=(from_stage("waypoints", SEES),),
                steps=80_000,
                batch=32,
                optimiser=AdamW(lr=2.5e-5, final=2.5e-6, warmup=1000, weight_decay=1e-10),
                validate_every=2000,
            ),
        ),
        licences=(("google/paligemma-3b-pt-224", "Gemma terms of use"),),
    )
