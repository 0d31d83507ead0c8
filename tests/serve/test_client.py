"""A policy behind a door, driven like one that is here."""

import threading

import numpy as np
import pytest
from arm_policy import ArmPolicy, observations
from websockets.sync.server import serve as listen

from praxia.errors import ConfigError, EvaluationError
from praxia.evaluate.factory import driver
from praxia.registry import to_json
from praxia.serve import ServeOptions, in_background
from praxia.serve.client import Remote
from praxia.serve.codec import pack


class Telling(ArmPolicy):
    """It says what its numbers mean, as policies of praxia do."""

    def __init__(self) -> None:
        super().__init__()
        told = {name: to_json(getattr(self, name)) for name in ("action_spec", "state_spec", "cameras")}
        self.metadata |= told | {"replan": 2, "embodiment": "arm"}


def locally(seed: int, count: int) -> list[np.ndarray]:
    session = ArmPolicy().session(seed=seed)
    return [session.infer(observation)["actions"] for observation in observations(1, count)]


def test_sessions_begin_anew_with_the_seed_they_are_given():
    with in_background(Telling(), ServeOptions(port=0, seed=9)) as server:
        remote = Remote(f"ws://127.0.0.1:{server.port}")
        policy = ArmPolicy()
        assert (remote.action_spec, remote.state_spec, remote.cameras) == (policy.action_spec, policy.state_spec, policy.cameras)
        for seed in (3, 4, 3):
            session = remote.session(seed)
            session.reset()
            served = [session.infer(observation)["actions"] for observation in observations(1, 3)]
            assert all(np.array_equal(a, b) for a, b in zip(served, locally(seed, 3), strict=True))
    assert not np.array_equal(locally(3, 1)[0], locally(4, 1)[0])


def test_what_the_server_refuses_is_said(monkeypatch):
    with in_background(Telling(), ServeOptions(port=0, api_key="secret")) as server:
        url = f"ws://127.0.0.1:{server.port}"
        with pytest.raises(ConfigError, match=r"cannot reach a policy at ws://.*401.*PRAXIA_API_KEY"):
            Remote(url)
        monkeypatch.setenv("PRAXIA_API_KEY", "secret")
        session = Remote(url).session()
        with pytest.raises(EvaluationError, match=r"ws://127.*views do not fit the policy"):
            session.infer({"instruction": "reach"})
        with pytest.raises(EvaluationError, match="'seed' is -1; expected a whole number from 0 on"):
            Remote(url).session(-1).infer(observations(1, 1)[0])
        other = Remote(url).session()
    with pytest.raises(EvaluationError, match="gave no actions"):  # the server is gone
        other.infer(observations(1, 1)[0])


def test_nobody_there_and_somebody_else_are_told_apart():
    with pytest.raises(ConfigError, match=r"cannot reach a policy at ws://127.0.0.1:9 .*start `praxia serve`"):
        Remote("ws://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no address of a server"):
        Remote("http://127.0.0.1:9")
    strange = {pack({"name": "other"}): "says nothing of action_spec", pack([1]): "greets with a list", b"\xc1": "does not greet"}
    for greeting, message in strange.items():
        with listen(lambda c, greeting=greeting: c.send(greeting), "127.0.0.1", 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with pytest.raises(ConfigError, match=message):
                Remote(f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
    with pytest.raises(ConfigError, match="robot 'arm6' is asked of ws://robot:8000"):
        driver("ws://robot:8000", "arm7", asked="arm6")
