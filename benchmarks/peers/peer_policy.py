"""A policy of LeRobot's, judged like one of ours: a process of lerobot's environment thinks, this one asks it."""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.card import read_card
from praxia.errors import EvaluationError
from praxia.specs import ActionSpec, CameraSpec, StateSpec

SCRIPT = Path(__file__).with_name("lerobot_policy.py")
START = 120  # seconds that lerobot may take to be imported


@dataclass
class PeerSession:
    """One episode. Neither policy keeps a memory here: each chunk starts from one observation."""

    connection: Connection
    process: subprocess.Popen[str]
    roles: tuple[str, ...]
    seed: int
    looks: int = 0

    def reset(self) -> None:
        self.looks = 0

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """Observation -> {"actions": float32 [16, Da]}."""
        self.looks += 1
        images = {role: np.ascontiguousarray(observation["images"][role]) for role in self.roles}
        seen = {"images": images, "state": observation["state"], "instruction": observation["instruction"], "seed": (self.seed + self.looks) % 2**31}
        try:
            self.connection.send(seen)
            return {"actions": self.connection.recv()}
        except (EOFError, OSError) as error:
            raise EvaluationError(f"lerobot's process ended: {_last_words(self.process)}") from error


class PeerPolicy:
    """The policy in `folder`, trained by `lerobot_policy.py`; python: of lerobot's environment."""

    def __init__(self, folder: str, python: str, replan: int):
        known = json.loads((Path(folder) / "peer.json").read_text())
        card = read_card(known["dataset"])
        self.action_spec: ActionSpec = card.action
        self.state_spec: StateSpec = card.state
        self.replan = replan
        sizes = {key.removeprefix("observation.images."): shape for key, shape in known["sizes"].items() if key.startswith("observation.images.")}
        mirrored = {view.image.removeprefix("observation.images.") for view in card.views if view.mirrored}
        self.cameras = tuple(CameraSpec(role, shape[1], shape[2], mirrored=role in mirrored) for role, shape in sizes.items())
        self.metadata: Mapping[str, Any] = {"kind": known["kind"], "steps": known["steps"]}
        self._folder = tempfile.TemporaryDirectory(prefix="peer-")
        socket = str(Path(self._folder.name) / "socket")
        self._process = subprocess.Popen([python, str(SCRIPT), "answer", folder, socket], stderr=subprocess.PIPE, text=True)
        self._connection = self._connect(socket)

    def _connect(self, socket: str) -> Connection:
        until = time.monotonic() + START
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise EvaluationError(f"lerobot's process ended: {_last_words(self._process)}")
            try:
                return Client(socket, "AF_UNIX")
            except OSError:
                time.sleep(0.2)
        raise EvaluationError(f"lerobot's process did not listen within {START} s")

    def session(self, seed: int = 0) -> PeerSession:
        """A fresh session."""
        return PeerSession(self._connection, self._process, tuple(c.role for c in self.cameras), seed)


def _last_words(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()[-2000:]
