"""LIBERO as a World: the real environments of 130 tasks, run in a process of their own (see `server`, `docs/libero.md`).

Every episode begins with a hard reset and ten idle steps. `Episode.seed` 0 to 49 is the init state of that number; from 50 on it seeds the
benchmark's own sampler, which placed the things of the init states too, and joint angles that vary about as much as theirs: such starts are never
among those that policies are judged on.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np

from praxia.errors import ConfigError, unknown
from praxia.geometry.camera import Camera
from praxia.geometry.scene import View
from praxia.specs import ActionSpec, CameraSpec, Dim, StateSpec
from praxia.worlds.libero.experts import Expert
from praxia.worlds.libero.goal import subgoal
from praxia.worlds.libero.perturb import BASE_VIEW, TABLE, more_objects, perturb
from praxia.worlds.libero.process import Process
from praxia.worlds.libero.rewording import reworded
from praxia.worlds.libero.scene import Now, now_from, scene_from, truths, upright_axes
from praxia.worlds.libero.tasks import LIMITS, SETTLING, STARTS, SUITES, checked, instruction
from praxia.worlds.perturbations import draw, table_hash
from praxia.worlds.perturbations.noise import SensorNoise
from praxia.worlds.world import Episode, Step, Truth

Orientation = Literal["true", "mirrored"]
Fixtures = Literal["episode", "fixed"]
CAMERAS = {"head": "agentview", "wrist": "robot0_eye_in_hand"}
MOST, TURN = 0.05, 0.5  # metres and radians a step that a full command asks for (robosuite's OSC_POSE, delta)
_SEEDS = 2**32  # what NumPy's global generator takes

ACTION = ActionSpec(
    dims=(
        *(Dim(f"d{axis}", "position", "m", "base", "delta", low=-MOST, high=MOST) for axis in "xyz"),
        *(Dim(f"r{axis}", "rotation", "rad", "base", "delta", "axis_angle", low=-TURN, high=TURN) for axis in "xyz"),
        Dim("gripper", "effort", sense="close_positive", low=-1.0, high=1.0),  # only the sign counts; 0 holds the width
    ),
    rate_hz=20.0,
)
STATE = StateSpec(
    dims=(
        *(Dim(f"tool_{axis}", "position", "m", "base") for axis in "xyz"),
        *(Dim(f"tool_r{axis}", "rotation", "rad", "base", rotation="axis_angle") for axis in "xyz"),
        Dim("finger_left", "gripper", "m", sense="open_positive", low=0.0, high=0.04),
        Dim("finger_right", "gripper", "m", sense="close_positive", low=-0.04, high=0.0),
    )
)
_SCALE = np.array((MOST,) * 3 + (TURN,) * 3 + (1.0,), np.float32)


class Libero:
    """The World protocol over suites of LIBERO. One process holds one task's environment at a time; it starts at the first reset.

    suite: libero_spatial, libero_object, libero_goal, libero_10 or libero_90, or several of them. tasks: some of their tasks, all if None.
    size: side of the pictures.
    orientation: "true", or "mirrored" left to right as most public policies were trained; mirrored views have no calibration.
    fixtures: cabinets and stoves are placed anew at every reset by a draw that no init state keeps: "episode" seeds it by the episode's seed, "fixed"
    by 0 for every init state. limit: steps an episode; the suite's own if None. Raises ConfigError for unknown names and a missing environment.
    Perturbations: see `perturb`. Every reset builds the scene anew, so none leaves anything behind.
    """

    embodiment = "panda"
    action_spec = ACTION
    state_spec = STATE
    licence = "libero assets"  # by the origin of each object: specs/licences.py
    judged_seeds = range(STARTS)  # the init states: no demonstration begins there
    holds_task = True  # another task's environment takes a second or more to create
    release = 16  # steps a demonstration goes on: goals hold before the hand has let go, and the last of them shall be learnt too

    def __init__(
        self,
        suite: str | Sequence[str] = "libero_object",
        tasks: tuple[str, ...] | None = None,
        size: int = 128,
        views: tuple[str, ...] = ("head", "wrist"),
        orientation: Orientation = "true",
        fixtures: Fixtures = "episode",
        limit: int | None = None,
    ) -> None:
        suites = (suite,) if isinstance(suite, str) else tuple(suite)
        if not suites or len(set(suites)) < len(suites):
            raise ConfigError(f"LIBERO suites {suites}: expected at least one, each once")
        self._tasks = checked(suites, tasks)
        for kind, names, known in (
            ("LIBERO view", views, CAMERAS),
            ("orientation", (orientation,), ("true", "mirrored")),
            ("fixtures", (fixtures,), ("episode", "fixed")),
        ):
            for name in names:
                if name not in known:
                    raise ConfigError(unknown(kind, name, known))
        if size < 1 or (limit is not None and limit < 1):
            raise ConfigError(f"size {size}, limit {limit}: expected at least one pixel and one step")
        self.name = "+".join(suites)
        self.cameras = tuple(CameraSpec(role, size, size, orientation == "true", orientation == "mirrored") for role in views)
        self._suites = {task: name for name in suites for task in SUITES[name]}
        self._size, self._orientation, self._fixtures, self._limit = size, orientation, fixtures, limit
        self._process: Process | None = None
        self._now: Now | None = None
        self._upright: dict[str, np.ndarray] = {}
        self._latched, self._expert, self._steps = False, Expert(), 0
        self._noise: SensorNoise | None = None

    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self._tasks

    def max_steps(self, task: str) -> int:
        """Step limit of an episode."""
        if task not in self._tasks:
            raise ConfigError(unknown(f"{self.name} task", task, self._tasks))
        return self._limit or LIMITS[self._suites[task]]

    def reset(self, episode: Episode) -> str:
        """Hard reset, init state or draw, the perturbation, ten idle steps; returns the instruction."""
        if episode.task not in self._tasks:
            raise ConfigError(unknown(f"{self.name} task", episode.task, self._tasks))
        found = draw(episode, TABLE, "LIBERO")
        said = instruction(episode.task)
        told = self._reset(episode, *more_objects(found))
        scene = scene_from(told["scene"])
        if found:
            perturb(self._running(), found, now_from(scene, told["now"]), told["now"]["joints"], said)
        self._now = now_from(scene, self._running().call("settle", steps=SETTLING))
        self._upright = upright_axes(self._now)
        self._latched, self._expert, self._steps = False, Expert(), 0
        self._noise = SensorNoise(found) if found and found.category == "noise" else None
        return reworded(said, found, scene) if found and found.category == "language" else said

    def _reset(self, episode: Episode, more: list[str], count: int) -> dict[str, Any]:
        official = 0 <= episode.seed < STARTS
        seed = 0 if official and self._fixtures == "fixed" else episode.seed % _SEEDS
        start = episode.seed if official else -1
        return self._running().call("reset", suite=self._suites[episode.task], task=episode.task, seed=seed, start=start, more=more, count=count)

    @property
    def now(self) -> Now:
        """Privileged: where everything is. ConfigError before the first reset, and where the process has died since."""
        if self._now is None or (self._process is not None and self._process.ended):
            raise ConfigError("no episode is running; fix: call reset(Episode(task, seed)) first")
        return self._now

    def state(self) -> np.ndarray:
        """Gripper position, axis-angle and finger positions, float32 [8], as the benchmark observes them."""
        return self.now.state

    def step(self, action: np.ndarray) -> Step:
        """Apply one action float32 [7]; numbers beyond the limits are clipped. Success, once reached, stays."""
        action = np.asarray(action, np.float32)
        if action.shape != (7,) or not np.isfinite(action).all():
            raise ConfigError(f"action {action.tolist()}: expected 7 finite numbers ({', '.join(dim.name for dim in ACTION.dims)})")
        scene = self.now.scene
        self._now = now_from(scene, self._running().call("step", action=np.clip(action / _SCALE, -1, 1)))
        self._latched |= self._now.success
        self._steps += 1
        return Step(success=self._latched, done=False)

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """Pictures of the named cameras (all if None) at the time of the last observation, with calibration; depth and instance masks if asked."""
        known = tuple(camera.role for camera in self.cameras)
        roles = known if roles is None else roles
        for role in roles:
            if role not in known:
                raise ConfigError(unknown("LIBERO view", role, known))
        return self._drawn(roles, None, self._steps, depth, masks)

    def moment(self) -> tuple[int, int]:
        """The time of the last observation, kept to be drawn by `render_moment` before the next reset; no picture is made."""
        _ = self.now
        return self._running().call("keep"), self._steps

    def render_moment(self, moment: tuple[int, int], depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """What `render` would have given at that time, to the last bit."""
        return self._drawn(tuple(camera.role for camera in self.cameras), *moment, depth, masks)

    def _drawn(self, roles: tuple[str, ...], kept: int | None, steps: int, depth: bool, masks: bool) -> tuple[View, ...]:
        _ = self.now  # never before a reset: markers of the gripper are still seen then
        cameras = [CAMERAS[role] for role in roles]
        told = self._running().call("render", cameras=cameras, size=self._size, depth=depth, masks=masks, moment=kept)
        return tuple(self._view(role, view, steps) for role, view in zip(roles, told))

    def truth(self) -> Truth:
        """Gripper pose, every thing, and what the part of the goal that is worked on (`subgoal`) speaks of and where that is to happen."""
        now = self.now
        predicate = subgoal(now)
        return Truth(
            T_base_tool={"right": now.tool},
            objects=truths(now, self._upright),
            target=now.scene.things[now.scene.resolve(predicate[1])].words,
            goal=_place(now, predicate[-1]),
            extra={"of_interest": tuple(thing.words for thing in now.scene.interesting())},
        )

    def without_expert(self) -> dict[str, str]:
        """Task -> why it has no expert, of those that have none."""
        return {task: "no skill for doors" for task in self._tasks if "microwave" in task}

    def expert(self) -> np.ndarray:
        """The scripted expert's clean action float32 [7]; ConfigError for a goal that none can reach."""
        return self._expert(self.now)

    def fingerprint(self) -> dict[str, str]:
        """Package versions, what draws, and the settings that decide physics and pictures."""
        about = self._running().about
        settings = {"orientation": self._orientation, "fixtures": self._fixtures, "size": self._size, "settling": SETTLING}
        settings["step_limits"] = ", ".join(f"{suite} {self._limit or LIMITS[suite]}" for suite in sorted(set(self._suites.values())))
        views = ",".join(camera.role for camera in self.cameras)
        settings["perturbations"] = table_hash(TABLE)
        return {
            "world": self.name,
            **about["versions"],
            "gl": about["gl"],
            "renderer": about["renderer"],
            "views": views,
            **{k: str(v) for k, v in settings.items()},
        }

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None
        self._now = None

    def _running(self) -> Process:
        if self._process is None or self._process.ended:  # one that died was said to have died; an episode may begin in another
            self._process = Process()
        return self._process

    def _view(self, role: str, told: dict[str, Any], steps: int) -> View:
        image, depth, mask = (cast("np.ndarray | None", told.get(name)) for name in ("image", "depth", "mask"))
        assert image is not None
        if self._noise and role == BASE_VIEW:
            image = self._noise(image, steps)
        if self._orientation == "mirrored":
            turned = tuple(None if p is None else np.ascontiguousarray(p[:, ::-1]) for p in (image, depth, mask))
            return View(role, cast(np.ndarray, turned[0]), None, turned[1], turned[2])
        middle = (self._size - 1) / 2
        K = np.array([[told["f"], 0, middle], [0, told["f"], middle], [0, 0, 1]])
        return View(role, image, Camera(K, told["T_base_cam"]), depth, mask)


def _place(now: Now, name: str) -> np.ndarray:
    """Position [3] of a region or thing."""
    return (now.region(name) if name in now.scene.regions else now.thing(name))[:3, 3].copy()
