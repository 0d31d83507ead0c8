"""An evaluation through the openpi websocket door: the same plan, the same policy, the same episodes to the last bit."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.rollout import Rules, Trial, rollout
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.policy import Policy, PolicyConfig, Robot
from praxia.serve import ServeOptions, in_background
from praxia.serve.client import Remote
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.worlds.libero import Libero, installed, tasks_of
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.world import Episode, World

SIZE = 28


def policy_for(world: World, root: Path) -> Policy:
    """A micro PaliGemma with a joint flow expert and random weights, which moves the world's robot noticeably; saved and loaded as users do."""
    torch.manual_seed(0)
    tokenizer = local_tokenizer(("pick", "up", "the", "and", "place", "it", "in", "push", "red"), PaliGemma().specials)
    backbone = PaliGemma(
        image_size=SIZE, vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=48, text_width=48, text_layers=2, text_heads=4,
        text_kv_heads=2, text_head_dim=16, text_mlp=64, vocabulary=len(tokenizer),
    )  # fmt: skip
    actions, states = world.action_spec, world.state_spec
    head = JointFlow(horizon=5, action_width=actions.width, state_width=states.width, width=24, mlp=40, steps=3)
    spec = ModelSpec(backbone=backbone, head=head, order=("views", "prompt"))
    model = VLA(spec)
    for parameter in model.parameters():  # norms start at zero: make every weight count
        torch.nn.init.normal_(parameter, std=0.2)
    full = tuple(0.02 if dim.high is None else float(dim.high) for dim in actions.dims)
    plain = Normalise("min_max", centre=(0.0,) * states.width, scale=(1.0,) * states.width)
    numbers = Numbers((Normalise("min_max", centre=(0.0,) * actions.width, scale=full),), (plain,))
    robot = Robot(world.embodiment, actions, states, world.cameras, numbers)
    config = PolicyConfig(
        "pose_vla", "tiny", "robot", spec, ("backbone", "head"), (robot,), horizon=5, replan=3, precision="fp32", vocabulary_size=len(tokenizer)
    )
    Policy(config, model, tokenizer).save(root)
    return Policy.load(root)


def judged(world: World, policy: Any, plan: EpisodePlan, rules: Rules) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Records without their times, and the states at every step of every episode."""
    records, states = [], []
    for index, episode in enumerate(plan.episodes):
        seen: list[np.ndarray] = []
        trial = Trial(index, episode, plan.policy_seed(index))
        record = rollout(world, policy, trial, rules, lambda world, step, seen=seen: seen.append(world.state()))
        records.append({key: value for key, value in asdict(record).items() if "seconds" not in key})
        states.append(np.stack(seen))
    return records, states


def check(world: World, root: Path, plan: EpisodePlan, rules: Rules) -> None:
    policy = policy_for(world, root)
    here, states = judged(world, policy, plan, rules)
    with in_background(policy, ServeOptions(port=0)) as server:
        there, served = judged(world, Remote(f"ws://127.0.0.1:{server.port}"), plan, rules)
    assert here == there and all(np.array_equal(a, b) for a, b in zip(states, served, strict=True))
    assert all(np.abs(s[-1] - s[0]).max() > 1e-3 for s in states), "the policy moved the robot"


def test_a_served_policy_is_judged_as_it_is_in_process(tmp_path):
    world = Tabletop(split="benchmark", size=SIZE)
    plan = EpisodePlan("two", (Episode("reach", 3), Episode("push", 4, "noise:3")))
    try:
        check(world, tmp_path / "policy", plan, Rules(max_steps=8))
    finally:
        world.close()


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="LIBERO is not installed here: scripts/oracles libero")
def test_libero_s_plan_has_the_same_outcomes_through_the_door(tmp_path):
    task = tasks_of("libero_object")[0]
    world = Libero("libero_object", (task,), size=SIZE)
    plan = EpisodePlan("three", (Episode(task, 0), Episode(task, 1, "noise:4"), Episode(task, 2, "language:5")))
    try:
        check(world, tmp_path / "policy", plan, Rules(max_steps=12))
    finally:
        world.close()
