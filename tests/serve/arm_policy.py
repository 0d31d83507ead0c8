"""A small real policy for the door's tests: actions depend on every pixel, the state, the words, the history and the session's noise."""

import argparse
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from praxia.serve import ServeOptions, serve_openpi
from praxia.specs import ActionSpec, CameraSpec, Dim, StateSpec

JOINTS = tuple(Dim(f"joint_{i}", "joint", "rad") for i in range(1, 4))
GRIPPER = Dim("gripper", "gripper", sense="open_positive")


class ArmPolicy:
    """A fixed random network of one layer. `gate` holds inference back until set; `busiest` is the largest number of inferences at once."""

    action_spec = ActionSpec((*JOINTS, GRIPPER), rate_hz=10.0)
    state_spec = StateSpec((*JOINTS, GRIPPER))
    cameras = (CameraSpec("head", 48, 64), CameraSpec("wrist", 32, 32))
    horizon = 5

    def __init__(self, seconds: float = 0.0) -> None:
        self.metadata = {"recipe": "pose_vla", "preset": "tiny", "horizon": 5, "cameras": [{"role": "head"}, {"role": "wrist"}]}
        random = np.random.default_rng(7)
        self.weights = random.normal(size=(6 * 16 + 4, self.horizon * 4)).astype(np.float32)
        self.seconds = seconds
        self.gate = threading.Event()
        self.gate.set()
        self.busiest = 0
        self.threads: set[str] = set()
        self._now = 0
        self._lock = threading.Lock()

    def session(self, seed: int = 0) -> "ArmSession":
        return ArmSession(self, seed)

    def forward(self, features: np.ndarray) -> np.ndarray:
        with self._lock:
            self._now += 1
            self.busiest = max(self.busiest, self._now)
            self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        self.gate.wait(30)
        with self._lock:
            self._now -= 1
        return np.tanh(features @ self.weights).reshape(self.horizon, 4)


class ArmSession:
    def __init__(self, policy: ArmPolicy, seed: int) -> None:
        self.policy, self.seed = policy, seed
        self.reset()

    def reset(self) -> None:
        self.noise = np.random.default_rng(self.seed)
        self.past = np.zeros((self.policy.horizon, 4), np.float32)
        self.episode = ""
        self.looks = 0

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        if observation.get("episode_id", "") != self.episode:
            self.reset()
            self.episode = observation["episode_id"]
        if observation["instruction"] == "divide by zero":
            raise ZeroDivisionError("a bug in the policy")
        pictures = [observation["images"][camera.role].astype(np.float32) / 255 for camera in self.policy.cameras]
        cells = [picture[: h // 4 * 4, : w // 4 * 4] for picture in pictures for h, w in [picture.shape[:2]]]
        pooled = [cell.reshape(4, cell.shape[0] // 4, 4, cell.shape[1] // 4, 3).mean((1, 3)).ravel() for cell in cells]
        features = np.concatenate([*pooled, observation["state"]])
        words = zlib.crc32(observation["instruction"].encode()) / 2**32
        executed = observation.get("executed", self.past).sum()
        noise = self.noise.normal(size=(self.policy.horizon, 4))
        self.past = (self.policy.forward(features) + words + 0.1 * executed + 0.01 * noise).astype(np.float32)
        self.looks += 1
        return {"actions": self.past, "looks": np.int64(self.looks), "confidence": np.float32(0.5), "per_dim": self.past.std(0)}


def observations(seed: int, count: int) -> list[dict[str, Any]]:
    """Random observations in praxia's nested form."""
    random = np.random.default_rng(seed)
    return [
        {
            "images": {c.role: random.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in ArmPolicy.cameras},
            "state": random.normal(size=4).astype(np.float32),
            "instruction": f"push the red mug to place {i}",
        }
        for i in range(count)
    ]


def flat(observation: dict[str, Any]) -> dict[str, Any]:
    """The same observation under openpi's flat keys."""
    views = {f"observation/image/{role}": image for role, image in observation["images"].items()}
    return views | {"observation/state": observation["state"], "prompt": observation["instruction"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--record", type=Path)
    arguments = parser.parse_args()
    options = ServeOptions(port=arguments.port, record=arguments.record)
    serve_openpi(ArmPolicy(arguments.seconds), options, announce=lambda line: print(line, flush=True))
