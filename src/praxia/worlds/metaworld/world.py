"""Meta-World as a World: 50 tasks, one Sawyer arm, the package's experts and success conditions.

Two protocols, never to be compared in one column; physics is the same, to the last bit.
"fast": small pictures, no shadows, no multisampling, goals that only a marker shows are at least 4 cm wide, every picture has up-to-date poses.
"public": 480 x 480 with the package's own light and shadows, pixel-equal to its renderer; that includes its first picture of an episode, which
shows poses of before the reset's last changes.
"""

import os
import warnings
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import mujoco
import numpy as np

from praxia.errors import ConfigError, unknown
from praxia.geometry import se3
from praxia.geometry.scene import View
from praxia.specs import ActionSpec, CameraSpec, Dim, StateSpec
from praxia.worlds.metaworld.look import PUBLIC_SIZE, SHOTS, Look, Protocol
from praxia.worlds.metaworld.perturb import TABLE, Untouched, draw_here, reworded
from praxia.worlds.metaworld.pieces import Marker, Piece, instance_tables, pieces_of
from praxia.worlds.metaworld.starts import SUFFIX, Resets, make_env, package, start_env
from praxia.worlds.metaworld.tasks import SCENES, TASKS
from praxia.worlds.perturbations import Perturbation, table_hash
from praxia.worlds.perturbations.noise import SensorNoise
from praxia.worlds.world import Episode, Step, Truth

STEP_LIMIT = 500  # the package's own
_RATE_HZ = 80.0
_MARKER_RADIUS = 0.02  # m
_BASE_VIEW = "scene"  # what camera and noise perturbations touch; the gripper's view stays

# One unit of action moves the mocap body that drags the hand by 1 cm; the hand follows with a lag, so the unit stays "normalised".
ACTION = ActionSpec(
    dims=(
        *(Dim(f"d{axis}", "position", frame="base", reference="delta", low=-1.0, high=1.0) for axis in "xyz"),
        Dim("gripper", "effort", sense="close_positive", low=-1.0, high=1.0),
    ),
    rate_hz=_RATE_HZ,
)
STATE = StateSpec(
    dims=(
        *(Dim(f"hand_{axis}", "position", unit="m", frame="base") for axis in "xyz"),
        Dim("gripper_opening", "gripper", sense="open_positive", low=0.0, high=1.0),  # 1 = claws 10 cm apart
    )
)


@dataclass
class _Stage:
    """One task's environment with what is needed to look at it."""

    env: Any
    look: Look
    pieces: tuple[Piece, ...]
    marker: Marker | None
    scratch: mujoco.MjData  # truth is computed here, so that asking for it cannot touch physics or pictures
    untouched: Untouched

    def perturb(self, found: Perturbation | None) -> None:
        """Take back the last episode's perturbation and apply this one's; a renderer with an old texture is made anew."""
        painted = self.untouched.restore()
        if found:
            painted |= self.untouched.perturb(found)
        if painted:
            self.look.close()

    def close(self) -> None:
        self.look.close()
        self.env.close()


class MetaWorld:
    """The World protocol over `metaworld`. Environments are made when first used; the `keep` last used ones are held (90 MB, 0.4 s to make again).

    tasks: names without version; all 50 if None. size: side of the square pictures, 96 if None (public: 480 only).
    resets: what an episode seed means (see `starts`); "mt1" if None, "random" under the public protocol. limit: steps an episode, at most 500.
    Raises ConfigError for unknown names, or where the package is missing.
    """

    embodiment = "sawyer"
    action_spec = ACTION
    state_spec = STATE
    licence = "MIT"

    def __init__(
        self,
        tasks: tuple[str, ...] | None = None,
        size: int | None = None,
        protocol: Protocol = "fast",
        views: tuple[str, ...] | None = None,
        resets: Resets | None = None,
        limit: int = STEP_LIMIT,
        keep: int = 8,
    ) -> None:
        package()
        public = protocol == "public"
        self._tasks = tuple(TASKS) if tasks is None else tuple(tasks)
        self._size = size or (PUBLIC_SIZE if public else 96)
        self._views = tuple(views or (("scene",) if public else ("scene", "gripper")))
        self._resets: Resets = resets or ("random" if public else "mt1")
        self._protocol: Protocol = protocol
        self._limit = limit
        self._keep = keep
        self._check()
        self.name = "metaworld-public" if public else "metaworld"
        self.cameras = tuple(CameraSpec(role, self._size, self._size, calibrated=True) for role in self._views)
        self._stages: OrderedDict[str, _Stage] = OrderedDict()
        self._task = ""
        self._observation = np.zeros(39)
        self._policy: Any = None
        self._noise: SensorNoise | None = None

    def _check(self) -> None:
        for kind, names, known in (
            ("Meta-World task", self._tasks, TASKS),
            ("Meta-World view", self._views, SHOTS),
            ("protocol", (self._protocol,), ("fast", "public")),
            ("resets", (self._resets,), ("mt1", "random")),
        ):
            for name in names:
                if name not in known:
                    raise ConfigError(unknown(kind, name, known))
        if self._protocol == "public" and self._size != PUBLIC_SIZE:
            raise ConfigError(f"size {self._size} under the public protocol: expected {PUBLIC_SIZE}; fix: leave size out, or use protocol='fast'")
        if not 1 <= self._limit <= STEP_LIMIT:
            raise ConfigError(f"limit {self._limit}: expected 1 to {STEP_LIMIT} steps (the package ends an episode there)")
        if self._keep < 1:
            raise ConfigError(f"keep {self._keep}: expected at least one environment")

    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self._tasks

    def max_steps(self, task: str) -> int:
        """Step limit of an episode."""
        return self._limit

    def reset(self, episode: Episode) -> str:
        """Start the episode; returns the instruction."""
        if episode.task not in self._tasks:
            raise ConfigError(unknown("Meta-World task", episode.task, self._tasks))
        found = draw_here(episode)
        self._task = episode.task
        stage = self._stage()
        env = stage.env
        stage.perturb(found)
        self._noise = SensorNoise(found) if found and found.category == "noise" else None
        self._observation = start_env(env, episode.task, episode.seed, self._resets)
        if self._protocol == "fast":  # the package leaves poses of before its last changes; positions only, so physics is not touched
            _refresh(env.model, env.data)
        self._policy = package().policies.ENV_POLICY_MAP[episode.task + SUFFIX]()
        said = TASKS[episode.task].instruction
        return reworded(said, found) if found and found.category == "language" else said

    def state(self) -> np.ndarray:
        """Hand position (m) and gripper opening, float32 [4]: all of the package's observation that a robot would know."""
        return self._observation[:4].astype(np.float32)

    def step(self, action: np.ndarray) -> Step:
        """Apply one action float32 [4]; numbers beyond [-1, 1] are clipped."""
        action = np.asarray(action, np.float32)
        if action.shape != (4,) or not np.isfinite(action).all():
            raise ConfigError(f"action {action.tolist()}: expected 4 finite numbers ({', '.join(dim.name for dim in ACTION.dims)})")
        self._observation, _, _, over, info = self._stage().env.step(np.clip(action, -1, 1))
        return Step(success=bool(info["success"]), done=bool(over))

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """Pictures of the named cameras (all if None) with calibration; depth and instance masks if asked."""
        stage = self._stage()
        roles = self._views if roles is None else roles
        for role in roles:
            if role not in self._views:
                raise ConfigError(unknown("Meta-World view", role, self._views))
        views = tuple(stage.look.view(stage.env.data, role, depth, masks) for role in roles)
        if self._noise is None:
            return views
        frame = int(stage.env.curr_path_length)
        return tuple(replace(v, image=self._noise(v.image, frame)) if v.role == _BASE_VIEW else v for v in views)

    def truth(self) -> Truth:
        """Fingertip pose (`T_base_tool`: hand axes, origin between the fingertips), named objects, goal position."""
        stage, task = self._stage(), TASKS[self._task]
        model, data = stage.env.model, stage.scratch
        mujoco.mj_copyData(data, model, stage.env.data)
        _refresh(model, data)
        tips = (data.site("rightEndEffector").xpos + data.site("leftEndEffector").xpos) / 2
        objects = tuple(piece.truth(data) for piece in stage.pieces)
        target = next((found.name for found, piece in zip(objects, stage.pieces) if piece.body == task.target), "")
        if stage.marker:
            objects = (*objects, stage.marker.truth(model, data))
        return Truth(
            T_base_tool={"right": se3.pose(data.body("hand").xmat.reshape(3, 3), tips)},
            objects=objects,
            target=target or objects[-1].name,
            goal=np.array(stage.env._target_pos, np.float64),
        )

    def expert(self) -> np.ndarray:
        """The package's scripted expert, clipped to [-1, 1], float32 [4]."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Constant", module="metaworld")  # experts ask for more than [-1, 1] by design
            action = self._policy.get_action(self._observation)
        return np.clip(action, -1, 1).astype(np.float32)

    def fingerprint(self) -> dict[str, str]:
        """Package versions, GL backend and the settings that decide physics and pictures."""
        versions = {name: version(name) for name in ("metaworld", "mujoco", "gymnasium", "numpy", "scipy", "pillow")}
        settings = {"protocol": self._protocol, "size": self._size, "views": ",".join(self._views), "resets": self._resets, "limit": self._limit}
        settings["perturbations"] = table_hash(TABLE)
        return {"world": self.name, **versions, "gl": os.environ.get("MUJOCO_GL", ""), **{k: str(v) for k, v in settings.items()}}

    def close(self) -> None:
        """Free renderers and environments."""
        while self._stages:
            self._stages.popitem()[1].close()
        self._task = ""

    def _stage(self) -> _Stage:
        """Environment of the running task; made at first use, the longest unused one is closed when there are more than `keep`."""
        task = self._task
        if not task:
            raise ConfigError("no episode is running; fix: call reset(Episode(task, seed)) first")
        if task not in self._stages:
            self._stages[task] = _make_stage(task, self._protocol, self._size)
        self._stages.move_to_end(task)
        while len(self._stages) > self._keep:
            self._stages.popitem(last=False)[1].close()
        return self._stages[task]


def _make_stage(name: str, protocol: Protocol, size: int) -> _Stage:
    task, env = TASKS[name], make_env(name)
    model = env.model
    pieces = pieces_of(model, SCENES[task.scene])
    marker = Marker(model.site(task.marker).id, task.marker_colour, pieces[-1].instance + 1) if task.marker else None
    if marker and protocol == "fast":  # some goals are dots of one pixel; a site is only drawn, never touched
        model.site_size[marker.site] = np.maximum(model.site_size[marker.site], _MARKER_RADIUS)
    look = Look(model, protocol, size, *instance_tables(model, pieces, marker))
    return _Stage(env, look, pieces, marker, mujoco.MjData(model), Untouched(env, SHOTS[_BASE_VIEW].camera))


def _refresh(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Bring poses of bodies, sites, lights and cameras up to date with the joint positions; no forces, so no effect on the next step."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
