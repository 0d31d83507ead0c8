"""Runs inside the environment of the real openpi-client (NumPy 1): talks to a server, or re-packs frames, and writes down what it got."""

import json
import pathlib
import sys

import numpy as np
from openpi_client import msgpack_numpy
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy

SLASH, BAR = "/", "|"  # a name inside a zip file keeps no slashes of its own


def random_observations(seed, count):
    """Observations under openpi's flat keys."""
    random = np.random.RandomState(seed)
    for i in range(count):
        yield {
            "observation/image/head": random.randint(0, 256, (48, 64, 3)).astype(np.uint8),
            "observation/image/wrist": random.randint(0, 256, (32, 32, 3)).astype(np.uint8),
            "observation/state": random.standard_normal(4),
            "prompt": f"push the red mug to place {i}",
        }


def ask(folder, port, key):
    """Full chunks, then the same through the client's own chunk broker, one action a call."""
    client = WebsocketClientPolicy("127.0.0.1", port, api_key=key or None)
    sent = list(random_observations(11, 6))
    replies = [client.infer(observation) for observation in sent]
    broker = ActionChunkBroker(WebsocketClientPolicy("127.0.0.1", port, api_key=key or None), action_horizon=3)
    stepped = [broker.infer(sent[0])["actions"] for _ in range(3)]
    arrays = {f"sent/{i}/{name.replace(SLASH, BAR)}": value for i, one in enumerate(sent) for name, value in one.items()}
    np.savez(str(folder / "answers.npz"), actions=np.stack([reply["actions"] for reply in replies]), stepped=np.stack(stepped), **arrays)
    plain = [{name: value for name, value in reply.items() if name != "actions"} for reply in replies]
    (folder / "answers.json").write_text(json.dumps({"metadata": client.get_server_metadata(), "plain": plain}))


def complain(folder, port, key):
    """What the client's user reads when a request is refused."""
    complaints = {}
    good = next(random_observations(11, 1))
    bad = {
        "view": {("observation/image/left" if name.endswith("wrist") else name): value for name, value in good.items()},
        "nan": dict(good, **{"observation/state": np.full(4, np.nan)}),
        "oversized": dict(good, **{"observation/image/head": np.zeros((2000, 2000, 3), np.uint8)}),
    }
    for name, observation in bad.items():
        try:
            WebsocketClientPolicy("127.0.0.1", port, api_key=key or None).infer(observation)
        except RuntimeError as error:
            complaints[name] = str(error)
    (folder / "complaints.json").write_text(json.dumps(complaints))


def repack(folder, port, key):
    """Decode each frame of the folder with the client's codec and encode it again."""
    for path in sorted(folder.glob("*.frame")):
        path.with_suffix(".again").write_bytes(msgpack_numpy.packb(msgpack_numpy.unpackb(path.read_bytes())))


if __name__ == "__main__":
    name, folder, port, key = sys.argv[1:]
    {"ask": ask, "complain": complain, "repack": repack}[name](pathlib.Path(folder), int(port), key)
