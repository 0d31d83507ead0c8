"""A real little MuJoCo world for the data tests: a slider moves a red ball over a table to the cube that is asked for."""

import copy
import os

os.environ.setdefault("MUJOCO_GL", "egl")  # before mujoco chooses

import mujoco
import numpy as np

from praxia.geometry.camera import from_mujoco
from praxia.geometry.scene import ObjectTruth, View
from praxia.specs import ActionSpec, CameraSpec, Dim, StateSpec
from praxia.worlds.world import Episode, Step, Truth

H, W, RATE = 32, 48, 20.0
_XML = """
<mujoco>
  <option timestep="0.01"/>
  <visual><global offwidth="48" offheight="32"/><quality offsamples="0" shadowsize="0"/></visual>
  <worldbody>
    <light pos="0 0 2"/>
    <camera name="head" pos="0 -0.5 0.7" xyaxes="1 0 0 0 0.8 0.6"/>
    <geom name="table" type="plane" size="1 1 .1" rgba=".6 .6 .6 1"/>
    <body name="ball" pos="0 0 .05">
      <joint name="x" type="slide" axis="1 0 0" damping="2"/><joint name="y" type="slide" axis="0 1 0" damping="2"/>
      <geom name="ball" type="sphere" size=".04" rgba="1 0 0 1" contype="0" conaffinity="0"/>
    </body>
    <body name="blue cube" mocap="true"><geom name="blue cube" type="box" size=".03 .03 .03" rgba="0 0 1 1" contype="0" conaffinity="0"/></body>
    <body name="green cube" mocap="true"><geom name="green cube" type="box" size=".03 .03 .03" rgba="0 1 0 1" contype="0" conaffinity="0"/></body>
  </worldbody>
  <actuator><position joint="x" kp="60"/><position joint="y" kp="60"/></actuator>
</mujoco>
"""
_CUBES = ("blue cube", "green cube")


class LittleWorld:
    """Two tasks. `hopeless`: seeds whose number is a multiple of it place the cube out of reach."""

    name, embodiment, licence = "little", "slider", "CC0-1.0"
    action_spec = ActionSpec(tuple(Dim(f"d{a}", "position", "m", "base", "delta", low=-0.05, high=0.05) for a in "xy"), RATE)
    state_spec = StateSpec(tuple(Dim(a, "position", "m", "base") for a in "xy"))
    cameras = (CameraSpec("head", H, W, calibrated=True),)

    def __init__(self, hopeless: int = 0) -> None:
        self._hopeless = hopeless
        self._model = mujoco.MjModel.from_xml_string(_XML)
        self._data = mujoco.MjData(self._model)
        self._renderer: mujoco.Renderer | None = None
        self._target = _CUBES[0]

    def tasks(self) -> tuple[str, ...]:
        return ("reach-blue", "reach-green")

    def max_steps(self, task: str) -> int:
        return 60

    def reset(self, episode: Episode) -> str:
        rng = np.random.default_rng(episode.seed)
        mujoco.mj_resetData(self._model, self._data)
        self._target = f"{episode.task.removeprefix('reach-')} cube"
        for i, side in enumerate((-1, 1)):
            self._data.mocap_pos[i] = [side * rng.uniform(0.1, 0.25), rng.uniform(-0.2, 0.2), 0.03]
        if self._hopeless and episode.seed % self._hopeless == 0:
            self._data.mocap_pos[_CUBES.index(self._target)] = [5.0, 0, 0.03]
        mujoco.mj_forward(self._model, self._data)
        return f"go to the {self._target}"

    def state(self) -> np.ndarray:
        return self._data.qpos.astype(np.float32)

    def _gap(self) -> np.ndarray:
        return self._data.body(self._target).xpos[:2] - self._data.qpos

    def expert(self) -> np.ndarray:
        return np.clip(self._gap(), -0.05, 0.05).astype(np.float32)

    def step(self, action: np.ndarray) -> Step:
        self._data.ctrl[:] = self._data.qpos + np.clip(action, -0.05, 0.05)
        mujoco.mj_step(self._model, self._data, nstep=5)
        return Step(success=bool(np.linalg.norm(self._gap()) < 0.03), done=False)

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        self._renderer = self._renderer or mujoco.Renderer(self._model, H, W)
        self._renderer.update_scene(self._data, "head")
        image = self._renderer.render().copy()
        metric = ids = None
        if depth:
            self._renderer.enable_depth_rendering()
            metric = self._renderer.render().copy()
            self._renderer.disable_depth_rendering()
        if masks:
            self._renderer.enable_segmentation_rendering()
            ids = self._renderer.render()[..., 0].astype(np.int32)
            self._renderer.disable_segmentation_rendering()
            ids = np.where(ids > 0, ids, 0)
        return (View("head", image, from_mujoco(self._model, self._data, "head", H, W), metric, ids),)

    def truth(self) -> Truth:
        objects = []
        for cube in _CUBES:
            T = np.eye(4)
            T[:3, 3] = self._data.body(cube).xpos
            objects.append(ObjectTruth(cube, "cube", cube.split()[0], T, np.full(3, 0.06), self._model.geom(cube).id))
        tool = np.eye(4)
        tool[:3, 3] = self._data.body("ball").xpos
        return Truth({"arm": tool}, tuple(objects), self._target)

    def fingerprint(self) -> dict[str, str]:
        return {"mujoco": mujoco.__version__, "hopeless": str(self._hopeless)}

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()


class PatientWorld(LittleWorld):
    """Episodes go on for three steps after success; one task has no expert."""

    release = 3

    def without_expert(self) -> dict[str, str]:
        return {"reach-green": "no skill for green things"}


class TiringWorld(LittleWorld):
    """The blue cube is out of reach in the 2nd to the 31st of its episodes, the green one always."""

    def __init__(self) -> None:
        super().__init__()
        self._met: dict[int, int] = {}  # seed -> place in the order of episodes

    def reset(self, episode: Episode) -> str:
        said = super().reset(episode)
        place = self._met.setdefault(episode.seed, len(self._met)) if episode.task == "reach-blue" and episode.seed else 0
        if episode.task == "reach-green" or 1 <= place <= 30:
            self._data.mocap_pos[_CUBES.index(self._target)] = [5.0, 0, 0.03]
            mujoco.mj_forward(self._model, self._data)
        return said


class LookingBackWorld(LittleWorld):
    """Draws what was to be seen earlier."""

    drawn = 0

    def moment(self) -> mujoco.MjData:
        return copy.copy(self._data)

    def render_moment(self, moment: mujoco.MjData, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        self.drawn += 1
        present, self._data = self._data, moment
        try:
            return super().render(depth=depth, masks=masks)
        finally:
            self._data = present

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        raise AssertionError("nobody looks while an episode runs")
