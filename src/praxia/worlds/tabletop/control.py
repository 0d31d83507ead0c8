"""Control of arm7: one action every 0.1 s becomes servo targets that ramp over the physics steps."""

from dataclasses import dataclass, field

import numpy as np

from praxia.geometry.rotations import axis_angle_to_matrix
from praxia.worlds.tabletop.kinematics import Kinematics
from praxia.worlds.tabletop.model import SUBSTEPS
from praxia.worlds.tabletop.robot import LAG, LIMITS, MAX_FINGER_STEP, MAX_JOINT_STEP, MAX_OPENING, MAX_STEP, MAX_TURN, RATE_HZ
from praxia.worlds.tabletop.scene import Scene

_BLOCKS = 5  # servo targets are updated this often within one action
_REACH = np.array([(0.20, 0.80), (-0.35, 0.35), (0.009, 0.40)])  # commanded tool positions stay in this box
_LEASH, _LEASH_TURN = 0.02, 0.15  # metres, radians: how far the command may run ahead of a blocked hand


@dataclass
class Control:
    """The commanded tool pose, from which deltas are counted, and the servo targets that follow it."""

    scene: Scene
    kinematics: Kinematics = field(default_factory=Kinematics)

    def start(self, q: np.ndarray) -> None:
        """The arm stands at joint angles q [7]; the command is where the tool is."""
        self._q = q.copy()
        self._settle()

    def joints_for(self, action: np.ndarray) -> np.ndarray:
        """Joint targets [7] of an end-effector action [7]: delta xyz (m), axis-angle (rad), both in the base frame; gripper."""
        delta, turn = np.clip(action[:3], -MAX_STEP, MAX_STEP), np.clip(action[3:6], -MAX_TURN, MAX_TURN)
        position = np.clip(self._position + delta, _REACH[:, 0], _REACH[:, 1])
        return self.kinematics.inverse(position, axis_angle_to_matrix(turn) @ self._rotation, self._q)

    def move(self, q: np.ndarray, gripper: float) -> None:
        """Run one control step towards joint targets q [7], speed limited, and gripper opening 0..1."""
        data = self.scene.data
        q = np.clip(q, LIMITS[:, 0], LIMITS[:, 1])
        step = np.clip(q - self._q, -MAX_JOINT_STEP, MAX_JOINT_STEP)
        lead = step * LAG * RATE_HZ  # cancels the servos' velocity lag
        wanted = np.clip(gripper, 0.0, 1.0) * MAX_OPENING / 2
        at = data.qpos[list(self.scene.ids.finger_qpos)]
        start = np.where(wanted > at, at, data.ctrl[7:9])  # a squeezing gripper lets go at once
        fingers = np.clip(wanted - start, -MAX_FINGER_STEP, MAX_FINGER_STEP)
        for k in range(1, _BLOCKS + 1):
            data.ctrl[:7] = self._q + step * (k / _BLOCKS) + lead
            data.ctrl[7:9] = start + fingers * (k / _BLOCKS)
            self.scene.advance(SUBSTEPS // _BLOCKS)
        self.scene.refresh()
        self._q = self._q + step
        self._settle()

    def _settle(self) -> None:
        """Where the command stands now; a hand that something blocks keeps it on a leash."""
        position, rotation = self.kinematics.forward(self._q)
        tool = self.scene.tool
        gap = position - tool[:3, 3]
        distance = float(np.linalg.norm(gap))
        blocked = distance > _LEASH or float(np.sum(rotation * tool[:3, :3])) < 1 + 2 * np.cos(_LEASH_TURN)  # trace of the difference
        if blocked:
            position = tool[:3, 3] + gap * min(1.0, _LEASH / max(distance, 1e-9))
            rotation = tool[:3, :3].copy()
            self._q = self.kinematics.inverse(position, rotation, self._q)
        self._position, self._rotation = position, rotation
