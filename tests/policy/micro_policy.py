"""Micro policies with random weights for the robot of the little tabletop dataset: one with a joint flow expert, one that reads history."""

from dataclasses import replace

import torch
from tests.models.compositions import stirred

from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.data.recorded import RecordedSource
from praxia.data.supervision.supervision import Needs
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.backbones.qwen3_vl import Qwen3VL
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.qwen3_core import Qwen3Size
from praxia.models.spec import HistoryToken, LearnedTokens, ModelSpec
from praxia.models.vision.ray_depth import RayDepth
from praxia.models.vla import VLA
from praxia.policy import Policy, PolicyConfig, Robot
from praxia.recipes.words import world_words
from praxia.tokens.local_tokenizer import local_tokenizer

HORIZON = 6


def micro_backbone() -> PaliGemma:
    return PaliGemma(
        image_size=32, patch_size=8, vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=48, text_width=48, text_layers=2, text_heads=4,
        text_kv_heads=2, text_head_dim=16, text_mlp=64, vocabulary=0, attention="plain",
    )  # fmt: skip


def micro_policy(source: RecordedSource, seed: int = 0, priors: RayDepth | None = None) -> Policy:
    """Every weight counts (norms start at zero in a fresh model). priors: it looks at rays and depth."""
    torch.manual_seed(seed)
    tokenizer = local_tokenizer(world_words(), micro_backbone().specials)
    backbone = replace(micro_backbone(), vocabulary=len(tokenizer))
    head = JointFlow(
        horizon=HORIZON, action_width=source.action_spec.width, state_width=source.state_spec.width, width=24, mlp=40, steps=3, attention="plain"
    )
    spec = ModelSpec(backbone=backbone, head=head, order=("views", "prompt", "target"), adapters=(priors,) if priors else ())
    model = VLA(spec)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    numbers = Numbers(state=(Normalise("mean_std"),)).fitted(*source.numbers())
    robot = Robot(source.embodiment, source.action_spec, source.state_spec, source.cameras, numbers, dict.fromkeys(sorted(source.given), "always"))
    config = PolicyConfig(
        "pose_vla", "tiny", "robot", spec, ("backbone", "adapters", "head"), (robot,), HORIZON, 3, "fp32", vocabulary_size=len(tokenizer),
        licences=(("tabletop", "Apache-2.0"),), versions={"praxia": "0.1.0"},
    )  # fmt: skip
    return Policy(config, model, tokenizer)


PAST, CHUNK, REPLAN = 4, 5, 2  # of the policy with history


def history_policy(source: RecordedSource) -> Policy:
    """A micro Action Priors policy with a history token and random weights that all count."""
    torch.manual_seed(0)
    backbone = Qwen3VL(
        image_size=32, patch_size=8, merge=1, vision_width=24, vision_layers=2, vision_heads=2, vision_mlp=32, deepstack=(0,), position_grid=4,
        text_width=32, text_layers=2, text_heads=4, text_kv_heads=2, text_head_dim=16, text_mlp=48, mrope=(4, 2, 2), vocabulary=0, attention="plain",
    )  # fmt: skip
    tokenizer = local_tokenizer(world_words(), backbone.specials)
    core = Qwen3Size(width=24, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=32)
    action, state = source.action_spec.width, source.state_spec.width
    spec = ModelSpec(
        backbone=replace(backbone, vocabulary=len(tokenizer)),
        tokens=(HistoryToken(), LearnedTokens("q", 1)),
        order=("views", "prompt", "history", "q", "target"),
        prefix_attention="causal",
        encoder=ActionEncoder(state, action, 2, core),
        conditioner=LatentQuery("q", width=24),
        head=PriorDecoder(CHUNK, action, 24, core, steps=3),
        embodiments=(source.embodiment,),
    )
    model = VLA(spec)
    model.backbone.bind(tokenizer)
    numbers = Numbers().fitted(*source.numbers())
    robot = Robot(source.embodiment, source.action_spec, source.state_spec, source.cameras, numbers)
    parts = ("backbone", "tokens", "encoder", "conditioner", "head")
    config = PolicyConfig(
        "action_priors", "tiny", "robot", spec, parts, (robot,), CHUNK, REPLAN, "fp32", vocabulary_size=len(tokenizer), history=PAST
    )
    return Policy(config, stirred(model), tokenizer)


def observation_of(source: RecordedSource, index: int = 0) -> dict:
    """What a robot would send at a sample of the dataset."""
    sample = source.sample(index, Needs(depth=True))
    return {
        "images": {v.role: v.image for v in sample.views},
        "state": sample.state,
        "instruction": sample.instruction,
        "cameras": {v.role: {"K": v.camera.K, "T_base_cam": v.camera.T_base_cam} for v in sample.views},
        "depth": {v.role: v.depth for v in sample.views},
    }
