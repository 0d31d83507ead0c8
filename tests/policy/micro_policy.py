"""A micro PaliGemma with a joint flow expert and random weights, for the robot of the little tabletop dataset."""

from dataclasses import replace

import torch

from praxia.data.number_transforms import Normalise, Numbers
from praxia.data.recorded import RecordedSource
from praxia.data.supervision.supervision import Needs
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
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
