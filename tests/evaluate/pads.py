"""A small world of two coloured pads and policies that live on its observations alone: closed loops of milliseconds for tests of the runner."""

import os
import re
from pathlib import Path

import numpy as np

from praxia.geometry.camera import Camera
from praxia.geometry.scene import View
from praxia.specs import ActionSpec, CameraSpec, Dim, StateSpec
from praxia.worlds.metaworld import MetaWorld
from praxia.worlds.world import Episode, Step, Truth

SIZE = 24
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0)}
ACTION = ActionSpec(tuple(Dim(f"d{a}", "position", "m", "base", "delta", low=-0.1, high=0.1) for a in "xy"), rate_hz=10)
STATE = StateSpec(tuple(Dim(a, "position", "m", "base") for a in "xy"))


class Pads:
    """Go to the pad the instruction names. Tasks are colours; both pads are always there; the other one ends the episode."""

    name, embodiment, licence = "pads", "point", "Apache-2.0"
    action_spec, state_spec = ACTION, STATE
    cameras = (CameraSpec("top", SIZE, SIZE, calibrated=True),)

    def __init__(self, limit: int = 40):
        self.limit = limit
        self.renders = 0

    def tasks(self):
        return tuple(COLOURS)

    def max_steps(self, task: str) -> int:
        return self.limit

    def reset(self, episode: Episode) -> str:
        random = np.random.default_rng(episode.seed)
        self.here = random.uniform(0.4, 0.6, 2)
        side = random.permutation([0.2, 0.8])
        self.pads = {colour: np.array([x, random.uniform(0.1, 0.9)]) for colour, x in zip(COLOURS, side)}
        self.task = episode.task
        return f"go to the {episode.task} pad"

    def state(self):
        return self.here.astype(np.float32)

    def step(self, action) -> Step:
        assert (np.abs(action) <= 0.1 + 1e-6).all(), "the runner clips to the spec"
        self.here = self.here + action
        on = [colour for colour, pad in self.pads.items() if np.abs(pad - self.here).max() < 0.06]
        return Step(success=self.task in on, done=bool(on))

    def render(self, roles=None, depth=False, masks=False):
        self.renders += 1
        image = np.full((SIZE, SIZE, 3), 40, np.uint8)
        for colour, pad in self.pads.items():
            u, v = np.round(pad * (SIZE - 1)).astype(int)
            image[v - 1 : v + 2, u - 1 : u + 2] = COLOURS[colour]
        metric = np.ones((SIZE, SIZE), np.float32) if depth else None
        return tuple(View(role, image, Camera(np.eye(3), np.eye(4)), metric) for role in roles or ("top",))

    def truth(self) -> Truth:
        return Truth({}, ())

    def expert(self):
        return np.clip(self.pads[self.task] - self.here, -0.1, 0.1)

    def fingerprint(self):
        return {"world": self.name, "limit": str(self.limit)}

    def close(self):
        pass


class HoldingPads(Pads):
    """Another task costs more than another episode."""

    holds_task = True


class Seer:
    """Proportional controller towards the pad of the colour it was told, found in the picture; still where it sees none."""

    action_spec, state_spec, cameras = ACTION, STATE, Pads.cameras

    def __init__(self, horizon: int = 6, replan: int = 3, noise: float = 0.0, needs_depth: bool = False, crash: str = "", nan_at: int = -1):
        self.horizon, self.replan, self.noise, self.crash, self.nan_at = horizon, replan, noise, crash, nan_at
        self.metadata = {"recipe": "seer", "needs_depth": needs_depth}
        self.sessions: list[SeerSession] = []

    def session(self, seed: int = 0):
        self.sessions.append(SeerSession(self, seed))
        return self.sessions[-1]


class SeerSession:
    def __init__(self, policy: Seer, seed: int):
        self.policy, self.random = policy, np.random.default_rng(seed)
        self.seen: list[dict] = []

    def reset(self):
        self.seen.clear()

    def infer(self, observation):
        self.seen.append(observation)
        flag = Path(self.policy.crash)
        if self.policy.crash and observation["episode_id"].endswith("/5") and not flag.exists():
            flag.touch()
            os._exit(9)
        picture, state = observation["images"]["top"].astype(int), observation["state"]
        colour = re.findall("red|green", observation["instruction"])[0]
        v, u = np.nonzero(np.abs(picture - COLOURS[colour]).sum(-1) == 0)
        step = np.array([u.mean(), v.mean()]) / (SIZE - 1) - state if len(u) else np.zeros(2)
        actions = np.tile(step / 3, (self.policy.horizon, 1)) + self.policy.noise * self.random.normal(size=(self.policy.horizon, 2))
        if len(self.seen) - 1 == self.policy.nan_at:
            actions[0, 1] = np.nan
        return {"actions": actions.astype(np.float32)}


class Replayer:
    """Meta-World's expert through the observation alone: its own world follows what was executed and plans the next chunk."""

    action_spec, state_spec = MetaWorld.action_spec, MetaWorld.state_spec
    cameras = (CameraSpec("scene", 48, 48, calibrated=True),)
    replan = 8
    metadata = {"recipe": "replayer"}  # noqa: RUF012

    def session(self, seed: int = 0):
        return ReplayerSession()


class ReplayerSession:
    def __init__(self):
        self.world = MetaWorld(size=48)
        self.done: list[np.ndarray] = []

    def reset(self):
        self.done = []

    def infer(self, observation):
        assert observation["images"]["scene"].shape == (48, 48, 3)
        assert set(observation["cameras"]["scene"]) == {"K", "T_base_cam"}
        self.done.extend(observation.get("executed", ()))
        task, seed, _ = observation["episode_id"].split("/")
        self.world.reset(Episode(task, int(seed)))
        for action in self.done:
            self.world.step(action)
        np.testing.assert_array_equal(self.world.state(), observation["state"])
        chunk = []
        for _ in range(16):
            chunk.append(self.world.expert())
            self.world.step(chunk[-1])
        return {"actions": np.stack(chunk)}


def broken_world():
    """A world that cannot be built."""
    raise RuntimeError("no such simulator here")
