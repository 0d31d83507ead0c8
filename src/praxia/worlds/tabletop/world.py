"""Tabletop: the embedded world. A robot at a table, tasks in which the instruction decides, scripted experts, truth for free."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import get_args

import mujoco
import numpy as np

from praxia.errors import ConfigError, unknown
from praxia.geometry.rotations import matrix_to_rotation_6d
from praxia.geometry.scene import View
from praxia.specs import CameraSpec
from praxia.worlds.perturbations import STRENGTHS, Perturbation, draw, table_hash
from praxia.worlds.perturbations.noise import SensorNoise
from praxia.worlds.tabletop import model as parts
from praxia.worlds.tabletop.control import ArmControl, Control
from praxia.worlds.tabletop.headless import backend
from praxia.worlds.tabletop.layout import another_layout
from praxia.worlds.tabletop.perturb import WIDER, instruction, perturb_look, perturb_start, perturb_words
from praxia.worlds.tabletop.phrasings import PhrasingSplit, check_split
from praxia.worlds.tabletop.renderer import Renderer
from praxia.worlds.tabletop.robots import ROBOTS, ActionForm, StatePart
from praxia.worlds.tabletop.robots.arm import DOWN
from praxia.worlds.tabletop.scene import Hand, Scene
from praxia.worlds.tabletop.splits import split as split_of
from praxia.worlds.tabletop.splits import with_head_azimuth
from praxia.worlds.tabletop.surroundings import vary
from praxia.worlds.tabletop.tasks import TASKS, Plan
from praxia.worlds.world import Episode, Step, Truth

_START = ((0.37, 0.43), (-0.05, 0.05), (0.14, 0.17))  # where a tool is at reset, from its arm's `start_y`


class Tabletop:
    """World (see `praxia.worlds.world`) with one of the robots of `robots`.

    Masks: 0 table, 1 arm, 2 gripper, 3 cabinet, 4.. drawers, 10.. buttons, 20.. trays, 30.. zones, 40.. objects.
    Base frame: on the table under the robot, x away from it, y to its left, z up.
    """

    licence = "Apache-2.0"

    def __init__(
        self,
        robot: str = "arm7",
        action: ActionForm | None = None,
        split: str = "base",
        size: int = 96,
        cameras: tuple[str, ...] | None = None,
        tasks: tuple[str, ...] | None = None,
        phrasing: PhrasingSplit = "train",
        head_azimuth: tuple[float, float] | None = None,
    ) -> None:
        """Compile the model; no GL is touched before the first `render`.

        robot: arm7, arm6 or bimanual. action: what an action holds, the robot's usual form if None. size: pixels a side of every picture.
        cameras: roles, all of the robot's if None; `head_2` is a second head camera somewhere else in the same ranges.
        tasks: the tasks offered, all that the robot has arms for if None.
        head_azimuth: range of the head camera's azimuth in degrees (0 = facing the robot) in place of the split's.
        Raises ConfigError for unknown names and for numbers out of range.
        """
        _known("tabletop robot", (robot,), tuple(ROBOTS))
        self._robot = ROBOTS[robot]
        form = action or self._robot.usual
        _known("tabletop action", (form,), get_args(ActionForm))
        _known("tabletop camera", cameras or (), (*self._robot.cameras, parts.SECOND_HEAD))
        able = tuple(name for name, task in TASKS.items() if task.arms == len(self._robot.mounts))
        _known(f"task of tabletop with robot {robot!r}", tasks or (), able)
        if not 16 <= size <= 2048:
            raise ConfigError(f"tabletop size is {size}: expected 16 to 2048 pixels a side")
        self.name = "tabletop" if robot == "arm7" else f"tabletop-{robot}"
        self.embodiment = robot
        self.action_spec, self.state_spec = self._robot.action_spec(form), self._robot.state_spec
        self.cameras = tuple(CameraSpec(role, size, size, calibrated=True) for role in cameras or self._robot.cameras)
        self._tasks = tasks or able
        self._phrasing: PhrasingSplit = check_split(phrasing)
        self._form: ActionForm = form
        self._head_azimuth = head_azimuth
        chosen = split_of(split) if head_azimuth is None else with_head_azimuth(split_of(split), head_azimuth)
        self._usual = _Stage(Scene(self._robot, chosen, size))
        self._wider: _Stage | None = None
        self._stage = self._usual
        self._noise: SensorNoise | None = None
        self._plan: Plan | None = None

    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks offered."""
        return self._tasks

    def max_steps(self, task: str) -> int:
        """Step limit of an episode; experts need about half of it."""
        _known("tabletop task", (task,), self._tasks)
        return TASKS[task].max_steps

    def reset(self, episode: Episode) -> str:
        """Start the episode: (task, seed, perturbation) and the split decide everything, bit for bit. Returns the instruction."""
        _known("tabletop task", (episode.task,), self._tasks)
        found = draw(episode, STRENGTHS, "tabletop")
        self._set_stage(found)
        self._noise = SensorNoise(found) if found and found.category == "noise" else None
        key = f"{self._scene.split.name}/{episode.task}".encode()
        streams = [np.random.default_rng([episode.seed, k, *key]) for k in range(4)]
        plan = usual = TASKS[episode.task].draw(streams[0], self._scene.split)
        if found and found.category == "layout":
            plan = another_layout(plan, self._scene.split, found)
        vary(self._scene, streams[1])
        if found:
            perturb_look(self._scene, found)
        joints = [self._start_joints(arm, streams[2]) for arm in self._control.arms]
        if found and found.category == "robot":
            joints = perturb_start(self._control.arms, joints, found)
        extent = None
        if self._stage is not self._usual:  # pictures begin where they do in the usual scene, whatever is parked behind the robot
            vary(self._usual.scene, np.random.default_rng([episode.seed, 1, *key]))
            self._usual.scene.arrange(usual.arrangement, joints, opening=1.0)
            extent = self._usual.scene.model.stat.extent
        self._scene.arrange(plan.arrangement, joints, opening=1.0, extent=extent)
        self._control.start(joints)
        self._control.move(joints, [1.0] * len(joints))  # one step at rest: everything has found its contact
        self._plan, self._progress, self._time = plan, 0, 0.0
        if found and found.category == "language":
            return perturb_words(plan, self._scene, found)
        return instruction(plan, self._scene, self._phrasing, streams[3])

    def state(self) -> np.ndarray:
        """Proprioception float32 [Ds], see `state_spec`."""
        self._running()
        return np.concatenate([self._part(hand, part) for hand in self._scene.hands for part in self._robot.state_parts]).astype(np.float32)

    def step(self, action: np.ndarray) -> Step:
        """Apply one action float32 [A]. `done` without success: a wrong button, drawer or object was taken."""
        plan, action = self._running(), np.asarray(action, np.float64)
        if action.shape != (self.action_spec.width,) or not np.isfinite(action).all():
            raise ConfigError(
                f"tabletop action has shape {action.shape}, finite: {bool(np.isfinite(action).all())}; "
                f"expected {self.action_spec.width} finite numbers: {', '.join(d.name for d in self.action_spec.dims)}"
            )
        commands = self._per_arm(action)
        joints = [c[:-1] if self._form == "joint" else arm.joints_for(c) for arm, c in zip(self._control.arms, commands, strict=True)]
        self._control.move(joints, [self._opening(float(c[-1])) for c in commands])
        self._time += 1 / self._robot.rate_hz
        early = any(s.achieved(self._scene) for s in plan.steps[self._progress + 1 :])
        while self._progress < len(plan.steps) and plan.steps[self._progress].achieved(self._scene):
            self._progress += 1
        success = self._progress == len(plan.steps)
        spoilt = any(s.spoilt(self._scene, plan.steps) for s in plan.steps) or (early and not success)
        return Step(success=success and not spoilt, done=success or spoilt)

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """Pictures with calibration. Raises RenderError if no GL works, ConfigError for a camera this world was not given."""
        offered = tuple(c.role for c in self.cameras)
        _known("tabletop camera", roles or (), offered)
        self._running()
        views = self._stage.look().views(roles or offered, depth, masks, self._time)
        if self._noise is None:
            return views
        frame = round(self._time * self._robot.rate_hz)
        return tuple(replace(v, image=self._noise(v.image, frame)) if v.role == parts.HEAD else v for v in views)

    def truth(self) -> Truth:
        """Tool pose, every nameable thing with its exact box, the target's name now; goal; extra: verbs, progress (steps done)."""
        plan = self._running()
        now = plan.steps[min(self._progress, len(plan.steps) - 1)]
        extra = {"verbs": tuple(s.verb for s in plan.steps), "progress": self._progress}
        tools = {hand.mount.name: hand.tool for hand in self._scene.hands}
        return Truth(tools, self._scene.truths(), now.target(self._scene), now.goal(self._scene), extra)

    def expert(self) -> np.ndarray:
        """Clean action float32 [A] for the present state."""
        plan = self._running()
        deltas = np.split(plan.steps[min(self._progress, len(plan.steps) - 1)].expert(self._scene), len(self._scene.hands))
        moves = [arm.joints_for(d) if self._form == "joint" else d[:-1] for arm, d in zip(self._control.arms, deltas, strict=True)]
        return np.concatenate([[*move, self._opening(float(d[-1]))] for move, d in zip(moves, deltas, strict=True)]).astype(np.float32)

    def fingerprint(self) -> dict[str, str]:
        """What decides physics and pictures."""
        return {
            "world": "tabletop",
            "robot": self.embodiment,
            "action": self._form,
            "split": self._scene.split.name,
            "phrasing": self._phrasing,
            "size": str(self._scene.size),
            "timestep": str(parts.TIMESTEP),
            "mujoco": mujoco.__version__,
            "numpy": version("numpy"),
            "scipy": version("scipy"),
            "perturbations": table_hash(STRENGTHS),
            "praxia": version("praxia"),
            "gl": backend(),
        } | ({} if self._head_azimuth is None else {"head_azimuth": str(tuple(self._head_azimuth))})

    def close(self) -> None:
        """Free the renderer. The world can render again afterwards; it opens a new one."""
        for stage in (self._usual, self._wider):
            if stage is not None:
                stage.close()

    @property
    def _scene(self) -> Scene:
        return self._stage.scene

    @property
    def _control(self) -> Control:
        return self._stage.control

    def _set_stage(self, found: Perturbation | None) -> None:
        """Almost every episode plays in the usual scene, which knows nothing of perturbations; some take a wider one, compiled when first needed."""
        self._stage = self._usual
        if found and found.category in WIDER:
            self._wider = self._wider or _Stage(Scene(self._robot, self._usual.scene.split, self._usual.scene.size, wider=True))
            self._stage = self._wider
            self._scene.hide_backdrop()

    def _running(self) -> Plan:
        if self._plan is None:
            raise ConfigError("tabletop has no episode yet; fix: call reset(Episode(task, seed)) first")
        return self._plan

    def _start_joints(self, arm: ArmControl, rng: np.random.Generator) -> np.ndarray:
        """Joint angles of a drawn tool place at reset, hand down."""
        mount = arm.hand.mount
        place = np.array([rng.uniform(*r) for r in _START]) + np.array([0.0, mount.start_y, 0.0])
        return arm.kinematics.inverse(place, DOWN, mount.arm.home, iterations=100)

    def _part(self, hand: Hand, part: StatePart) -> np.ndarray:
        if part == "tool":
            return np.concatenate([hand.tool[:3, 3], matrix_to_rotation_6d(hand.tool[:3, :3])])
        return np.array([self._opening(hand.opening)]) if part == "gripper" else hand.joints

    def _opening(self, gripper: float) -> float:
        """Gripper number of this robot <-> opening (0 closed .. 1)."""
        return gripper if self._robot.gripper == "open_positive" else 1.0 - gripper

    def _per_arm(self, action: np.ndarray) -> list[np.ndarray]:
        widths = [len(m.arm.joints) + 1 if self._form == "joint" else 7 for m in self._robot.mounts]
        return np.split(action, np.cumsum(widths)[:-1])


@dataclass
class _Stage:
    """A scene with what moves and shows it."""

    scene: Scene

    def __post_init__(self) -> None:
        self.control = Control(self.scene)
        self._renderer: Renderer | None = None

    def look(self) -> Renderer:
        """The renderer; no GL is touched before the first look."""
        self._renderer = self._renderer or Renderer(self.scene)
        return self._renderer

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _known(kind: str, names: tuple[str, ...], choices: tuple[str, ...]) -> None:
    for name in names:
        if name not in choices:
            raise ConfigError(unknown(kind, name, choices))
