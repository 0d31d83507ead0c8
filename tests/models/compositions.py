"""The four recipes as compositions of micro size: real parts over the real library classes, random weights, a local tokenizer, synthetic batches.

`composition(name)` is one of NAMES; `build(...)` makes the model of one of its stages, `batch(...)` what that stage sees.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, Chunk, Draws, Tokens, ViewBatch
from praxia.data.collate import view_batch
from praxia.geometry.camera import Camera
from praxia.geometry.scene import View
from praxia.models.backbones.internvl import InternVL
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.backbones.prismatic import Prismatic
from praxia.models.backbones.qwen3_vl import Qwen3VL
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.heads.dit_flow import DiTFlow
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.qwen3_core import Qwen3Size
from praxia.models.readouts import GeometryProjector, PatchPlaces, PatchWords, Positions, TargetMaskDecoder, TokenAttention
from praxia.models.spec import HistoryToken, LearnedTokens, ModelSpec, SpecialToken
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.models.vision.ray_depth import RayDepth
from praxia.models.vla import PARTS, VLA
from praxia.objectives import (
    FlowMatching,
    GeometryAlignment,
    Grounding,
    GuidedAttention,
    L1Chunk,
    LatentAlignment,
    NextToken,
    PositionRegression,
    TargetMask,
)
from praxia.stages.recipe import LinearDecay, Stage, Teacher, Weighted
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.train.optimiser import AdamW

NAMES = ("pose_vla", "action_priors", "poke_vla", "vipa_vla")
HORIZON, PAST, ACTION, STATE, SIDE, LATENT = 4, 3, 5, 6, 32, 24
WORDS = ("pick", "up", "the", "red", "green", "mug", "box", "left", "right", "push", "it", "and", "then", "stop")
PROMPTS = ("pick up the red mug", "push the box", "pick it up and then stop")
ANSWERS = ("left and then right", "green", "the red box")


@dataclass(frozen=True)
class MicroStage:
    """A stage of a recipe's table. sees: `text`, `things`, `actions` or `numbers` (states and actions alone);
    moves: parts that gradients must reach."""

    stage: Stage
    sees: str
    moves: tuple[str, ...]
    frames: int = 0  # frames of one role instead of two cameras


@dataclass(frozen=True)
class Composition:
    """A recipe: its model and its stages."""

    name: str
    model: ModelSpec
    stages: tuple[MicroStage, ...]
    specials: tuple[str, ...] = ()


def _stage(name: str, *objectives: Any, **fields: Any) -> Stage:
    weighted = tuple(o if isinstance(o, Weighted) else Weighted(o) for o in objectives)
    return Stage(name, sources=(), objectives=weighted, steps=4, batch=2, optimiser=AdamW(), **fields)


def pose_vla() -> Composition:
    """Rays and depth before the projector; the whole prefix is one bidirectional block; joint flow expert. Registers read positions."""
    model = ModelSpec(
        backbone=PaliGemma(
            image_size=SIDE, patch_size=8, vision_width=24, vision_layers=2, vision_heads=2, vision_mlp=32, text_width=32, text_layers=3,
            text_heads=4, text_kv_heads=2, text_head_dim=8, text_mlp=48, vocabulary=1100, attention="plain",
        ),
        adapters=(RayDepth(),),
        tokens=(LearnedTokens("registers", 2, block=0),),
        order=("views", "prompt", "registers", "target"),
        head=JointFlow(horizon=HORIZON, action_width=ACTION, state_width=STATE, width=24, mlp=32, draws=2, steps=3),
        readouts={
            "positions": Positions("registers"), "words": PatchWords(), "places": PatchPlaces(), "attention": TokenAttention("registers", 1, 2),
        },
        embodiments=("arm",),
    )  # fmt: skip
    see = ("backbone", "adapters")
    return Composition(
        "pose_vla",
        model,
        (
            MicroStage(
                _stage(
                    "grounding",
                    Grounding(),
                    parts=(*see, "readouts"),
                    frozen=("*language_model.layers*", "*language_model.norm*", "readouts.positions*"),
                ),
                "things",
                (*see, "readouts"),
            ),
            MicroStage(_stage("objects", NextToken(), parts=see), "text", see),
            MicroStage(_stage("waypoints", NextToken(), parts=see), "text", see),
            MicroStage(
                _stage("robot", FlowMatching(), Weighted(PositionRegression()), GuidedAttention(), frozen=("readouts.words*", "readouts.places*")),
                "actions",
                ("backbone", "adapters", "tokens", "head", "readouts"),
            ),
        ),
    )


def action_priors() -> Composition:
    """Encoder and decoder alone, then behind a VLM: soft prompts per dataset, a history token, one latent query."""
    core = Qwen3Size(width=LATENT, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=32)
    model = ModelSpec(
        backbone=Qwen3VL(
            image_size=SIDE, patch_size=8, vision_width=24, vision_layers=3, vision_heads=2, vision_mlp=32, deepstack=(0, 1), position_grid=4,
            text_width=32, text_layers=3, text_heads=4, text_kv_heads=2, text_head_dim=16, text_mlp=48, mrope=(4, 2, 2), vocabulary=400,
        ),
        tokens=(LearnedTokens("soft", 3, block=0, per_embodiment=True), HistoryToken(), LearnedTokens("q", 1)),
        order=("soft", "views", "prompt", "history", "q", "target"),
        prefix_attention="causal",
        encoder=ActionEncoder(state_width=STATE, action_width=ACTION, prompt_tokens=2, core=core),
        conditioner=LatentQuery("q", width=LATENT),
        head=PriorDecoder(horizon=HORIZON, action_width=ACTION, latent_width=LATENT, core=core, draws=2, steps=3),
        embodiments=("arm", "humanoid"),
    )  # fmt: skip
    decaying = LinearDecay(steps=2)
    return Composition(
        "action_priors",
        model,
        (
            MicroStage(_stage("prior", FlowMatching(), parts=("encoder", "conditioner", "head")), "numbers", ("encoder", "head")),
            MicroStage(
                _stage(
                    "robot",
                    FlowMatching(),
                    Weighted(LatentAlignment(), decaying),
                    Weighted(FlowMatching(head="reconstruction"), decaying),
                    passes=((), ("history",)),
                ),
                "actions",
                ("backbone", "tokens", "encoder", "conditioner", "head"),
            ),
        ),
    )


def poke_vla() -> Composition:
    """One goal token over all views, mask and geometry readouts of the prefix, cross-attention head with L1. Geometry reads an inner layer."""
    model = ModelSpec(
        backbone=Prismatic(
            image_size=SIDE, patch_size=8, dino_width=16, dino_layers=3, dino_heads=2, siglip_width=24, siglip_layers=3, siglip_heads=2,
            siglip_mlp=32, text_width=32, text_layers=3, text_heads=4, text_kv_heads=2, text_mlp=48, vocabulary=400,
        ),
        tokens=(SpecialToken("seg", "<SEG>"), LearnedTokens("queries", 5, block=2)),
        order=("views", "prompt", "seg", "queries", "target"),
        prefix_attention="causal",
        head=CrossAttentionL1(horizon=HORIZON, action_width=ACTION, state_width=STATE, width=24, layers=2, heads=2),
        readouts={"target_mask": TargetMaskDecoder(width=16, heads=2), "geometry": GeometryProjector(width=20, layer=2)},
        embodiments=("arm",),
    )  # fmt: skip
    towers = ("backbone.dino.*", "backbone.siglip.*")
    teacher = ViTGeometry(image_size=40, patch_size=8, width=20, layers=1, heads=2)
    return Composition(
        "poke_vla",
        model,
        (
            MicroStage(_stage("embodied_vqa", NextToken(), parts=("backbone",), frozen=towers), "text", ("backbone",)),
            MicroStage(
                _stage(
                    "robot",
                    L1Chunk(),
                    Weighted(TargetMask()),
                    Weighted(GeometryAlignment()),
                    frozen=towers,
                    teachers=(Teacher("geometry", teacher),),
                ),
                "actions",
                ("backbone", "tokens", "head", "readouts"),
            ),
        ),
        specials=("<SEG>",),
    )


def vipa_vla() -> Composition:
    """A frozen geometry encoder fused into the patch tokens; stages train the fusion, then the language model, then the head."""
    encoder = ViTGeometry(image_size=48, patch_size=8, width=16, layers=1, heads=2)
    model = ModelSpec(
        backbone=InternVL(
            image_size=SIDE, patch_size=8, vision_width=24, vision_layers=2, vision_heads=2, vision_mlp=32, text_width=32, text_layers=3,
            text_heads=4, text_kv_heads=2, text_head_dim=8, text_mlp=48, vocabulary=400,
        ),
        adapters=(GeometryFusion(encoder=encoder, heads=4),),
        tokens=(LearnedTokens("queries", 5, causal=True),),
        order=("views", "prompt", "queries", "target"),
        prefix_attention="causal",
        head=DiTFlow(horizon=HORIZON, action_width=ACTION, state_width=STATE, width=24, layers=2, heads=2, out_width=16, steps=3, draws=2),
        embodiments=("arm",),
    )  # fmt: skip
    see, frozen = ("backbone", "adapters"), ("adapters.*.encoder.*",)
    language = "backbone.model.model.language_model.*"
    return Composition(
        "vipa_vla",
        model,
        (
            MicroStage(_stage("spatial_vqa", NextToken(), parts=see, trainable=("adapters.*",), frozen=frozen), "text", ("adapters",), frames=4),
            MicroStage(_stage("hand_motion", NextToken(), parts=see, trainable=("adapters.*", language), frozen=frozen), "text", see),
            MicroStage(_stage("robot", FlowMatching(), trainable=(language, "tokens.*", "head.*")), "actions", ("backbone", "tokens", "head")),
        ),
    )


_MAKERS: dict[str, Callable[[], Composition]] = {"pose_vla": pose_vla, "action_priors": action_priors, "poke_vla": poke_vla, "vipa_vla": vipa_vla}


def composition(name: str) -> Composition:
    """One of NAMES."""
    return _MAKERS[name]()


@cache
def tokenizer(name: str) -> Any:
    """A local tokenizer with the family's special tokens and the recipe's own."""
    recipe = composition(name)
    return local_tokenizer(WORDS, (*recipe.model.backbone.specials, *recipe.specials))


def build(recipe: Composition, stage: MicroStage | None = None, seed: int = 0, spec: ModelSpec | None = None) -> VLA:
    """The model of a stage (of all parts if none), in evaluation mode, vocabulary grown and literals bound, every zero weight made to count."""
    torch.manual_seed(seed)
    words = tokenizer(recipe.name)
    special_ids = {t: words.convert_tokens_to_ids(t) for t in recipe.specials}
    parts = stage.stage.parts if stage is not None and stage.stage.parts else PARTS
    model = VLA(spec or recipe.model, parts, special_ids).eval()
    if model.backbone is not None:
        model.backbone.resize_vocabulary(len(words))
        model.backbone.bind(words)
    return stirred(model)


def stirred(model: nn.Module, seed: int = 1) -> Any:
    """Small noise on every parameter, so that gates and last layers that start at zero do not hide what is behind them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


def views(size: int, rng: np.random.Generator, frames: int = 0, depth: bool = True) -> ViewBatch:
    """Two calibrated cameras (40 x 48 and 36 x 36 px) under crops, or `frames` times of one."""
    samples = []
    for _ in range(size):
        slots = []
        for i, role in enumerate(["head"] * frames or ["head", "wrist"]):
            height, width = (40, 48) if role == "head" else (36, 36)
            affine = np.array([[1.0, 0, -rng.integers(0, 4)], [0, 1.0, -rng.integers(0, 4)]])
            slots.append(
                View(
                    role,
                    rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
                    Camera(np.array([[30.0, 0, width / 2], [0, 30.0, height / 2], [0, 0, 1]]), np.diag([1.0, -1.0, -1.0, 1.0])),
                    rng.uniform(0.2, 2.0, (height, width)).astype(np.float32) if depth else None,
                    affine=affine,
                    size=(height - 4, width - 4),
                    time=float(i - frames + 1) if frames else 0.0,
                )
            )
        samples.append(tuple(slots))
    return view_batch(samples)


def tokens(rows: list[list[int]]) -> Tokens:
    """Right-padded ids."""
    length = max(map(len, rows))
    valid = torch.tensor([[i < len(r) for i in range(length)] for r in rows])
    return Tokens(torch.tensor([r + [0] * (length - len(r)) for r in rows]), valid)


def batch(recipe: Composition, stage: MicroStage, size: int = 3, seed: int = 0) -> Batch:
    """What a stage sees: sizes and paddings differ between the samples, the last sample's second view is empty."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    embodiment = torch.arange(size) % len(recipe.model.embodiments)

    def chunk(steps: int, valid: Tensor) -> Chunk:
        return Chunk(torch.randn(size, steps, STATE, generator=generator), torch.randn(size, steps, ACTION, generator=generator), valid)

    future = chunk(HORIZON, torch.arange(HORIZON) < torch.tensor([[HORIZON], [HORIZON - 1], [HORIZON]])[:size])
    if stage.sees == "numbers":
        return Batch(size, future=future, embodiment=embodiment)
    words = tokenizer(recipe.name)
    family = build_family(recipe.name)
    seen = views(size, rng, stage.frames)
    valid = seen.valid.clone()
    valid[-1, 1] = False
    seen = replace(seen, valid=valid)
    if stage.sees == "things":
        phrases = [
            [words.encode(w, add_special_tokens=False) for w in row]
            for row in (("red mug", "mug", ""), ("green box", "", ""), ("box", "mug", "left"))
        ]
        named = tokens([ids for row in phrases for ids in row])
        shown = torch.tensor([[[True, True, False], [True, False, False]], [[True, False, False]] * 2, [[True, True, False]] * 2])
        return Batch(
            3,
            views=seen,
            phrases=Tokens(named.ids.unflatten(0, (3, 3)), named.valid.unflatten(0, (3, 3))),
            dense={
                "things_pixel": 3 + 20 * torch.rand(3, 2, 3, 2, generator=generator),
                "things_depth": 0.5 + torch.rand(3, 2, 3, generator=generator),
                "things_valid": shown,
            },
            embodiment=embodiment,
        )
    prompt = tokens([family.prompt_ids(words, PROMPTS[i % 3]) for i in range(size)])
    if stage.sees == "text":
        target = tokens([family.target_ids(words, ANSWERS[i % 3]) for i in range(size)])
        return Batch(size, views=seen, prompt=prompt, target=target, embodiment=embodiment)
    masks = torch.zeros(size, 2, 36, 36, dtype=torch.uint8)
    masks[:, :, 10:22, 12:24] = 1
    masks[0, 1] = 0  # the target is out of this view
    return Batch(
        size,
        views=seen,
        prompt=prompt,
        state=torch.randn(size, STATE, generator=generator),
        future=future,
        past=chunk(PAST, torch.arange(PAST) >= torch.tensor([[0], [1], [PAST]])[:size]),  # the last sample has no past
        embodiment=embodiment,
        dense={
            "positions": torch.randn(size, 2, 3, generator=generator),
            "positions_valid": torch.tensor([[True, True], [True, False], [True, True]])[:size],
            "positions_pixel": 3 + 20 * torch.rand(size, 2, 2, generator=generator),
            "positions_slot": torch.tensor([[0, 1], [1, 1], [-1, 0]])[:size],
            "target_mask": masks,
            "target_mask_valid": torch.ones(size, 2, dtype=torch.bool),
        },
    )


@cache
def build_family(name: str) -> Any:
    """A backbone of the recipe's family, for its literals."""
    return composition(name).model.backbone.build()


def draws(model: VLA, seen: Batch, seed: int = 0) -> Draws:
    """Draws of one forward."""
    return model.draw(seen, torch.Generator().manual_seed(seed))


def teachers(stage: MicroStage) -> dict[str, Any]:
    """The stage's teachers, built."""
    torch.manual_seed(7)
    return {teacher.name: teacher.net.build().eval().requires_grad_(False) for teacher in stage.stage.teachers}


def sample_of(value: Any, i: int) -> Any:
    """Row i of every tensor of a Batch or of Draws, as a batch of one."""
    if isinstance(value, Tensor):
        return value[i : i + 1]
    if isinstance(value, tuple) and value and isinstance(value[0], Tensor):
        return tuple(sample_of(v, i) for v in value)
    if isinstance(value, dict):
        return {k: sample_of(v, i) for k, v in value.items()}
    if isinstance(value, Batch | Draws | ViewBatch | Tokens | Chunk):
        one = type(value)(**{k: sample_of(v, i) for k, v in vars(value).items()})
        return replace(one, size=1) if isinstance(one, Batch) else one
    return value
