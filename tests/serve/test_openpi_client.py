"""The real openpi-client 0.1.2, unmodified, in an environment of its own, over a real socket."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from arm_policy import ArmPolicy, observations

from praxia.serve import ServeOptions, in_background
from praxia.serve.codec import pack, unpack
from praxia.serve.observations import to_observation

SCRIPT = Path(__file__).with_name("openpi_client_script.py")


@pytest.fixture(scope="module")
def client(openpi_python: str) -> Callable[..., None]:
    """Run one function of the script with the client's python."""

    def run(function: str, folder: Path, port: int = 0, key: str = "") -> None:
        done = subprocess.run([openpi_python, SCRIPT, function, folder, str(port), key], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    return run


def test_the_real_client_gets_the_actions_of_local_inference_to_the_last_bit(client, tmp_path):
    policy = ArmPolicy()
    with in_background(policy, ServeOptions(port=0, api_key="s3cret")) as server:
        client("ask", tmp_path, server.port, "s3cret")
    answers, told = np.load(tmp_path / "answers.npz"), json.loads((tmp_path / "answers.json").read_text())
    sent: dict[int, dict] = {}
    for name in answers.files:
        if name.startswith("sent/"):
            _, i, key = name.split("/")
            sent.setdefault(int(i), {})[key.replace("|", "/")] = answers[name]

    session = policy.session(seed=0)
    local = [session.infer(to_observation(sent[i], policy))["actions"] for i in range(6)]
    assert answers["actions"].dtype == np.float32 and np.array_equal(answers["actions"], local)
    assert np.array_equal(answers["stepped"], local[0][:3])
    assert told["metadata"] == policy.metadata
    assert [plain["looks"] for plain in told["plain"]] == [1, 2, 3, 4, 5, 6]
    assert told["plain"][1]["server_timing"].keys() == {"infer_ms", "prev_total_ms"}


def test_the_user_of_the_real_client_reads_what_to_change(client, tmp_path):
    with in_background(ArmPolicy(), ServeOptions(port=0, max_request_mb=1)) as server:
        client("complain", tmp_path, server.port)
    complaints = json.loads((tmp_path / "complaints.json").read_text())
    assert "missing: wrist; unknown: left" in complaints["view"]
    assert "dim 0 'joint_1' = nan" in complaints["nan"]
    assert "exceeds limit of 1048576 bytes" in complaints["oversized"] and "--max-request-mb" in complaints["oversized"]


def test_both_codecs_read_and_write_the_same_bytes(client, tmp_path):
    plain = {"n": np.int16(-3), "b": np.bool_(True), "x": b"\0", "l": [None, 2.5]}
    frames = [pack(value) for value in (*observations(5, 3), ArmPolicy().metadata, plain)]
    for i, frame in enumerate(frames):
        (tmp_path / f"{i}.frame").write_bytes(frame)
    client("repack", tmp_path)
    for i, frame in enumerate(frames):
        again = (tmp_path / f"{i}.again").read_bytes()
        assert again == frame and pack(unpack(again)) == frame
