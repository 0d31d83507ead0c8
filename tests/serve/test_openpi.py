"""The door over real sockets: turns, sessions, refusals, keys, health, stopping."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import arm_policy
import numpy as np
import pytest
from arm_policy import ArmPolicy, flat, observations
from test_codec import BROKEN
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

from praxia.errors import ConfigError
from praxia.serve import ServeOptions, in_background
from praxia.serve.codec import pack, unpack


@contextmanager
def greeted(options: ServeOptions):
    """A client that has read the metadata of a server of its own."""
    with in_background(ArmPolicy(), options) as server, connect(f"ws://127.0.0.1:{server.port}") as connection:
        connection.recv(5)
        yield connection


def refusal(options: ServeOptions) -> str:
    with pytest.raises(ConfigError) as caught, in_background(ArmPolicy(), options):
        pass
    return str(caught.value)


def ask(connection, observation) -> dict:
    connection.send(pack(observation))
    return unpack(connection.recv(10))


def locally(seed: int, count: int) -> list[np.ndarray]:
    session = ArmPolicy().session(seed=0)
    return [session.infer(observation)["actions"] for observation in observations(seed, count)]


def health(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return f"{answer.status} {answer.read().decode()}"


def test_served_actions_equal_local_inference_to_the_last_bit(dial):
    connection = dial()
    replies = [ask(connection, flat(observation)) for observation in observations(1, 4)]
    for reply, actions in zip(replies, locally(1, 4), strict=True):
        assert reply["actions"].dtype == np.float32 and np.array_equal(reply["actions"], actions)


def test_actions_are_the_only_array_of_a_reply(dial):
    connection = dial()
    first, second = (ask(connection, observation) for observation in observations(1, 2))
    assert [key for key, value in second.items() if isinstance(value, np.ndarray | np.generic)] == ["actions"]
    assert (first["looks"], second["looks"], second["confidence"], len(second["per_dim"])) == (1, 2, 0.5, 4)
    assert first["server_timing"].keys() == {"infer_ms"}
    assert second["server_timing"].keys() == {"infer_ms", "prev_total_ms"}
    assert second["server_timing"]["prev_total_ms"] >= first["server_timing"]["infer_ms"]


def test_clients_have_sessions_of_their_own_and_take_turns(dial, policy):
    policy.seconds = 0.02
    seeds = (1, 2, 3)
    answers: dict[int, list[np.ndarray]] = {seed: [] for seed in seeds}

    def client(seed: int) -> None:
        connection = dial()
        answers[seed] = [ask(connection, observation)["actions"] for observation in observations(seed, 5)]

    threads = [threading.Thread(target=client, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert policy.busiest == 1 and len(policy.threads) == 1
    for seed in seeds:
        assert np.array_equal(answers[seed], locally(seed, 5))


def test_a_new_connection_begins_anew(dial):
    for _ in range(2):
        connection = dial()
        assert np.array_equal([ask(connection, o)["actions"] for o in observations(1, 3)], locally(1, 3))
        connection.close()


def test_a_new_episode_begins_anew_on_the_same_connection(dial):
    connection = dial()
    for episode in ("a", "b"):
        answers = [ask(connection, o | {"episode_id": episode})["actions"] for o in observations(1, 3)]
        assert np.array_equal(answers, locally(1, 3))


def test_executed_actions_reach_the_session(dial):
    connection, observation = dial(), observations(1, 1)[0]
    session = ArmPolicy().session(seed=0)
    for executed in (np.zeros((2, 4), np.float32), np.ones((3, 4), np.float32)):
        told = observation | {"executed": executed}
        assert np.array_equal(ask(connection, told)["actions"], session.infer(told)["actions"])


def test_health_and_pings_are_answered_while_the_policy_thinks(dial, policy, server):
    connection = dial()
    policy.gate.clear()
    connection.send(pack(observations(1, 1)[0]))
    assert health(server.port) == "200 OK\n"
    assert connection.ping().wait(5)
    dial()  # a new client is greeted, too
    policy.gate.set()
    assert "actions" in unpack(connection.recv(5))


REFUSED = BROKEN | {
    "text": "hello",
    "a number": pack(3),
    "no views": pack({"prompt": "push"}),
    "NaN in the state": pack(observations(1, 1)[0] | {"state": np.full(4, np.nan)}),
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_message_is_answered_in_words_and_the_server_goes_on(dial, message):
    bystander, bad = dial(), dial()
    bad.send(message)
    words = bad.recv(5)
    assert isinstance(words, str) and any(sign in words for sign in ("expected", "fix:", "send"))
    with pytest.raises(ConnectionClosedError) as closed:
        bad.recv(5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011
    for connection in (bystander, dial()):
        assert np.array_equal(ask(connection, observations(1, 1)[0])["actions"], locally(1, 1)[0])


@pytest.mark.parametrize("fragments", [1, 3])
def test_an_oversized_message_is_answered_in_words_and_closed_with_1009(dial, fragments):
    connection = dial()
    megabyte = b"\0" * (1 << 20)
    with suppress(ConnectionClosedError):  # the server need not read on
        connection.send(megabyte * 4 if fragments == 1 else [megabyte[: 1 << 19]] * fragments)
    words = connection.recv(5)
    assert isinstance(words, str) and "exceeds limit of 1048576 bytes" in words and "--max-request-mb" in words
    with pytest.raises(ConnectionClosedError) as closed:
        connection.recv(5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
    assert "actions" in ask(dial(), observations(1, 1)[0])


def test_a_failure_of_the_policy_is_told_without_a_traceback(dial, caplog):
    connection = dial()
    connection.send(pack(observations(1, 1)[0] | {"instruction": "divide by zero"}))
    words = connection.recv(5)
    assert "ZeroDivisionError: a bug in the policy" in words and "Traceback" not in words
    assert "Traceback" in caplog.text
    assert "actions" in ask(dial(), observations(1, 1)[0])


def test_a_client_that_leaves_during_inference_harms_nobody(dial, policy):
    connection = dial()
    policy.gate.clear()
    connection.send(pack(observations(1, 1)[0]))
    connection.socket.close()
    policy.gate.set()
    assert np.array_equal(ask(dial(), observations(1, 1)[0])["actions"], locally(1, 1)[0])


def test_only_clients_with_the_key_may_ask():
    with in_background(ArmPolicy(), ServeOptions(port=0, api_key="s3cret")) as server:
        url = f"ws://127.0.0.1:{server.port}"
        for headers in ({}, {"Authorization": "Api-Key wrong"}, {"Authorization": "s3cret"}, {"Authorization": "Api-Key ü"}):
            with pytest.raises(InvalidStatus, match="401"):
                connect(url, additional_headers=headers)
        with connect(url, additional_headers={"Authorization": "Api-Key s3cret"}) as connection:
            connection.recv(5)
            assert "actions" in ask(connection, observations(1, 1)[0])
        assert health(server.port) == "200 OK\n"


def test_a_picture_of_another_size_is_noted_once_in_the_log(dial, caplog):
    connection, observation = dial(), observations(1, 1)[0]
    observation["images"]["wrist"] = np.zeros((64, 64, 3), np.uint8)
    for _ in range(2):
        ask(connection, observation)
    notes = [record.getMessage() for record in caplog.records if "resampled" in record.getMessage()]
    assert len(notes) == 1 and "'wrist' at 64 x 64" in notes[0]


def test_a_port_in_use_is_refused_with_the_fix(server):
    words = refusal(ServeOptions(port=server.port))
    assert f"port {server.port} on 127.0.0.1 is in use; fix: " in words and "--port" in words


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("port", 70000, "65535"), ("max_request_mb", 0, "more than 0"), ("api_key", "", "api_key is empty")],
)
def test_options_that_cannot_work_are_refused(field, value, said):
    with pytest.raises(ConfigError, match=said):
        ServeOptions(**{field: value})


def test_an_address_of_another_machine_is_refused_with_the_fix():
    assert "give an address of this machine as --host" in refusal(ServeOptions(host="192.0.2.1", port=0))


def test_every_nth_request_is_recorded(tmp_path):
    with greeted(ServeOptions(port=0, record=tmp_path, record_every=2)) as connection:
        for observation in observations(1, 4):
            ask(connection, flat(observation))
    paths = sorted(tmp_path.rglob("*.npz"))
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["session_0000/request_000000.npz", "session_0000/request_000002.npz"]
    kept = np.load(paths[1])
    assert np.array_equal(kept["reply/actions"], locally(1, 3)[2])
    assert np.array_equal(kept["observation/images/head"], observations(1, 3)[2]["images"]["head"])
    assert str(kept["observation/instruction"]) == "push the red mug to place 2"


def test_a_full_disk_does_not_stop_the_robot(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with greeted(ServeOptions(port=0, record=tmp_path / "file")) as connection:
        assert "actions" in ask(connection, observations(1, 1)[0])
    assert "could not record" in caplog.text


def start(seconds: float) -> tuple[subprocess.Popen, int]:
    command = [sys.executable, arm_policy.__file__, "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(arm_policy.__file__).parent)
    assert process.stdout is not None
    return process, int(process.stdout.readline().split("//127.0.0.1:")[1].split()[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_reply_under_way_out_and_then_closes(number):
    process, port = start(seconds=1.0)
    url = f"ws://127.0.0.1:{port}"
    with connect(url) as busy, connect(url) as idle:
        busy.recv(5), idle.recv(5)
        busy.send(pack(observations(1, 1)[0]))
        time.sleep(0.3)
        process.send_signal(number)
        with pytest.raises(ConnectionClosedOK) as closed:
            idle.recv(5)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
        assert np.array_equal(unpack(busy.recv(5))["actions"], locally(1, 1)[0])
        with pytest.raises(ConnectionClosedOK):
            busy.recv(5)
    assert process.wait(60) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_second_signal_ends_a_server_whose_policy_hangs():
    process, port = start(seconds=60)
    with connect(f"ws://127.0.0.1:{port}") as busy:
        busy.recv(5)
        busy.send(pack(observations(1, 1)[0]))
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == -signal.SIGINT
