"""What praxia may change in a scene after the hard reset and before the idle steps; every reset builds the scene anew, so nothing is taken back."""

# pyright: reportMissingImports=false
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

_JOINT_NOISE = 0.02  # rad; over the 50 init states of a task each of the seven joints has a standard deviation of 0.017 to 0.023


def field(model: Any, name: str) -> np.ndarray:
    """A part of a mujoco.MjModel by name, to be read or written into.

    "light_dir": an array of the model; "cam_pos/agentview": of one camera; "headlight/ambient"; "texture/tex-table": uint8 [H, W, 3].
    """
    kind, _, rest = name.partition("/")
    if kind == "headlight":
        return getattr(model.vis.headlight, rest)
    if kind == "texture":
        i = model.texture(rest).id
        shape = (model.tex_height[i], model.tex_width[i], model.tex_nchannel[i])
        return model.tex_data[model.tex_adr[i] :][: int(np.prod(shape))].reshape(shape)
    return getattr(model, kind)[model.camera(rest).id] if rest else getattr(model, kind)


def place(env: Any, things: Mapping[str, np.ndarray], joints: np.ndarray | None) -> None:
    """Put things (position and quaternion w, x, y, z, [7]) and the arm's joints [7] elsewhere; observations follow."""
    inner, sim = env.env, env.sim
    for name, pose in things.items():
        sim.data.set_joint_qpos(inner.objects_dict[name].joints[-1], pose)
    if joints is not None:
        sim.data.qpos[inner.robots[0]._ref_joint_pos_indexes] = joints
    env.regenerate_obs_from_state(env.get_sim_state())


def drawn_joints(env: Any, seed: int) -> np.ndarray:
    """Joint angles [7] for the start of an episode that is no init state: around the arm's own by what the init states vary, drawn from `seed`."""
    joints = env.sim.data.qpos[env.env.robots[0]._ref_joint_pos_indexes]
    return joints + _JOINT_NOISE * np.random.default_rng(seed).standard_normal(len(joints))


def with_state(env: Any, state: np.ndarray, added: Collection[str]) -> None:
    """Set an init state in a scene that holds more objects: it says nothing of them, they stay where they are."""
    model = env.sim.model._model
    q, v = np.ones(model.nq, bool), np.ones(model.nv, bool)
    for name in added:
        joint = model.joint(env.env.objects_dict[name].joints[-1])
        q[joint.qposadr[0] :][:7] = v[joint.dofadr[0] :][:6] = False
    whole = env.get_sim_state()
    whole[0] = state[0]
    whole[1 : 1 + model.nq][q] = state[1 : 1 + q.sum()]
    whole[1 + model.nq :][v] = state[1 + q.sum() :]
    env.set_init_state(whole)


def free(env: Any, robot: np.ndarray, joints: np.ndarray, lowest: float) -> np.ndarray:
    """Which of the joint angles [K, 7] the arm can start from: bool [K].

    They are within their limits, the fingertips are above `lowest`, and the arm meets nothing that it does not meet now.
    robot: whether a geom is the arm's, bool [geoms].
    """
    import mujoco

    arm, model = env.env.robots[0], env.sim.model._model
    limits, scratch = model.jnt_range[arm._ref_joint_indexes], mujoco.MjData(model)

    def met(q: np.ndarray) -> set[tuple[int, int]]:
        scratch.qpos[:] = env.sim.data.qpos
        scratch.qpos[arm._ref_joint_pos_indexes] = q
        mujoco.mj_fwdPosition(model, scratch)
        return {(int(a), int(b)) for a, b in scratch.contact.geom[: scratch.ncon] if robot[a] != robot[b]}

    usual = met(env.sim.data.qpos[arm._ref_joint_pos_indexes])
    found = []
    for q in joints:
        within = bool((q > limits[:, 0]).all() and (q < limits[:, 1]).all())
        found.append(within and met(q) <= usual and scratch.site_xpos[arm.eef_site_id][2] > lowest)
    return np.array(found)
