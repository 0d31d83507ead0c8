"""A real policy folder behind the door, and the pages of docs/serving.md run as they are printed."""

import logging
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from arm_policy import ArmPolicy, observations
from tests.policy.micro_policy import PAST, REPLAN, history_policy, observation_of
from websockets.sync.client import connect

from praxia.data.number_transforms import Normalise
from praxia.data.numbers import Numbers
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.policy import Policy, PolicyConfig, Robot
from praxia.serve import ServeOptions, in_background
from praxia.serve.codec import pack, unpack
from praxia.tokens.local_tokenizer import local_tokenizer

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where `runs/quickstart/policy` is a micro PaliGemma with a joint flow expert and random weights."""
    torch.manual_seed(0)
    tokenizer = local_tokenizer(("push", "the", "red", "mug", "to", "place"), PaliGemma().specials)
    backbone = PaliGemma(
        image_size=28, vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=48, text_width=48, text_layers=2, text_heads=4,
        text_kv_heads=2, text_head_dim=16, text_mlp=64, vocabulary=len(tokenizer),
    )  # fmt: skip
    head = JointFlow(horizon=5, action_width=4, state_width=4, width=24, mlp=40, steps=3)
    spec = ModelSpec(backbone=backbone, head=head, order=("views", "prompt"))
    model = VLA(spec)
    for parameter in model.parameters():  # norms start at zero: make every weight count
        torch.nn.init.normal_(parameter, std=0.2)
    numbers = Numbers(*((Normalise("min_max", centre=(0.1,) * 4, scale=(2.0,) * 4),) for _ in range(2)))
    robot = Robot("arm", ArmPolicy.action_spec, ArmPolicy.state_spec, ArmPolicy.cameras, numbers)
    parts = ("backbone", "head")
    config = PolicyConfig("pose_vla", "tiny", "robot", spec, parts, (robot,), horizon=5, replan=3, precision="fp32", vocabulary_size=len(tokenizer))
    root = tmp_path_factory.mktemp("served")
    Policy(config, model, tokenizer).save(root / "runs/quickstart/policy")
    return root


def test_a_client_that_never_resets_gets_a_policy_without_history_and_is_told(tabletop_source, caplog):
    policy, seen = history_policy(tabletop_source), flat(observation_of(tabletop_source))
    with in_background(policy, ServeOptions(port=0)) as server, connect(f"ws://127.0.0.1:{server.port}") as connection:
        assert unpack(connection.recv(5))["history"] == PAST
        read = []
        with caplog.at_level(logging.WARNING):
            for more in ({}, {}, {"episode_id": "a"}, {"episode_id": "a"}, {"episode_id": "b"}):
                connection.send(pack(seen | more))
                read.append(unpack(connection.recv(30))["history"])
    assert read == [0, 0, 0, REPLAN, 0]
    assert sum("name no episode_id: it acts without" in record.message for record in caplog.records) == 1


def flat(observation: dict) -> dict:
    """As an openpi client names it."""
    images = {f"observation/image/{role}": image for role, image in observation["images"].items()}
    return images | {"observation/state": observation["state"], "prompt": observation["instruction"]}


def test_a_policy_folder_answers_over_the_wire_as_it_does_locally_to_the_last_bit(folder):
    policy = Policy.load(folder / "runs/quickstart/policy")
    asked = observations(3, 3)
    session = policy.session(seed=4)
    local = [session.infer(observation)["actions"] for observation in asked]
    with in_background(policy, ServeOptions(port=0, seed=4)) as server, connect(f"ws://127.0.0.1:{server.port}") as connection:
        assert unpack(connection.recv(5)) == policy.metadata
        for observation, actions in zip(asked, local, strict=True):
            connection.send(pack(observation))
            assert np.array_equal(unpack(connection.recv(20))["actions"], actions)
    assert not np.array_equal(local[0], local[1])


def snippet(name: str, port: int = 0) -> str:
    (code,) = re.findall(rf"```python {name}\n(.*?)```", PAGE.read_text(), flags=re.S)
    return code.replace("8000", str(port))


def test_the_page_about_serving_runs_as_printed(folder, openpi_python):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", snippet("server", port)], cwd=folder)
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)) and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        client = subprocess.run([openpi_python, "-c", snippet("client", port)], capture_output=True, text=True, timeout=60)
        assert client.returncode == 0, client.stderr
        assert client.stdout.count("'gripper'") == 3 and "infer_ms" in client.stdout
    finally:
        server.terminate()
        assert server.wait(20) == 0


def test_the_page_s_background_server_listens(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    exec(snippet("background"), {})
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+\n", capsys.readouterr().out)
