"""Forward and inverse kinematics of one arm, on a model of the arm alone."""

from dataclasses import dataclass, field

import mujoco
import numpy as np

from praxia.worlds.tabletop.robots import Mount


def rotation_error(goal: np.ndarray, now: np.ndarray) -> np.ndarray:
    """[3]: axis times sine of the angle that turns `now` [3, 3] into `goal` [3, 3], in their common frame; the tracking form, cheap and smooth."""
    M = goal @ now.T
    return 0.5 * np.array([M[2, 1] - M[1, 2], M[0, 2] - M[2, 0], M[1, 0] - M[0, 1]])


@dataclass
class Kinematics:
    """Damped least squares towards a tool pose in the base frame; a spare degree of freedom drifts to the home posture."""

    mount: Mount
    damping: float = 0.02
    posture: float = 0.05
    _model: mujoco.MjModel = field(init=False, repr=False)
    _data: mujoco.MjData = field(init=False, repr=False)

    def __post_init__(self) -> None:
        arm = self.mount.arm
        body = arm.body_xml(base=(0.0, self.mount.y, 0.0))
        xml = f'<mujoco><compiler angle="radian" autolimits="true"/><worldbody>{body}</worldbody></mujoco>'
        self._model = mujoco.MjModel.from_xml_string(xml)
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site("tool").id
        self._jac = np.zeros((6, self._model.nv))
        self._count, self._home, self._limits = len(arm.joints), arm.home, arm.limits

    def forward(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tool position [3] and rotation [3, 3] in the base frame at joint angles q [n]."""
        self._data.qpos[: self._count] = q
        mujoco.mj_kinematics(self._model, self._data)
        return self._data.site_xpos[self._site].copy(), self._data.site_xmat[self._site].reshape(3, 3).copy()

    def inverse(self, pos: np.ndarray, R: np.ndarray, start: np.ndarray, iterations: int = 6, tolerance: float = 2e-4) -> np.ndarray:
        """Joint angles [n] near `start` whose tool pose is closest to (pos [3], R [3, 3]), within the joint limits."""
        q = start.copy()
        for _ in range(iterations):
            at, turn = self.forward(q)
            error = np.concatenate([pos - at, rotation_error(R, turn)])
            if np.abs(error).max() < tolerance:
                break
            mujoco.mj_comPos(self._model, self._data)
            mujoco.mj_jacSite(self._model, self._data, self._jac[:3], self._jac[3:], self._site)
            J = self._jac[:, : self._count]
            pinv = J.T @ np.linalg.inv(J @ J.T + self.damping**2 * np.eye(6))
            step = pinv @ error
            rest = self.posture * (self._home - q)
            q = np.clip(q + np.clip(step + rest - pinv @ (J @ rest), -0.4, 0.4), self._limits[:, 0], self._limits[:, 1])
        return q
