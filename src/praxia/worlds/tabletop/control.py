"""Control of a robot: one action becomes servo targets of every arm that ramp over the physics steps."""

from collections.abc import Sequence

import numpy as np

from praxia.geometry.rotations import axis_angle_to_matrix
from praxia.worlds.tabletop.kinematics import Kinematics
from praxia.worlds.tabletop.model import TIMESTEP
from praxia.worlds.tabletop.robots.arm import LAG
from praxia.worlds.tabletop.robots.gripper import MAX_FINGER_STEP, MAX_OPENING
from praxia.worlds.tabletop.robots.robot import MAX_JOINT_STEP, MAX_STEP, MAX_TURN
from praxia.worlds.tabletop.scene import Hand, Scene

_BLOCKS = 5  # servo targets are updated this often within one action
_REACH = np.array([(0.20, 0.80), (-0.35, 0.35), (0.009, 0.40)])  # commanded tool positions stay in this box
_LEASH, _LEASH_TURN = 0.02, 0.15  # metres, radians: how far the command may run ahead of a blocked hand


class ArmControl:
    """The commanded tool pose of one arm, from which deltas are counted, and the servo targets that follow it."""

    def __init__(self, hand: Hand, rate_hz: float) -> None:
        self.hand, self.kinematics = hand, Kinematics(hand.mount)
        self._limits, self._rate_hz = hand.mount.arm.limits, rate_hz

    def start(self, q: np.ndarray) -> None:
        """The arm stands at joint angles q [n]; the command is where the tool is."""
        self._q = q.copy()
        self.settle()

    def joints_for(self, action: np.ndarray) -> np.ndarray:
        """Joint targets [n] of an end-effector action: delta xyz (m), axis-angle (rad), both in the base frame."""
        delta, turn = np.clip(action[:3], -MAX_STEP, MAX_STEP), np.clip(action[3:6], -MAX_TURN, MAX_TURN)
        position = np.clip(self._position + delta, _REACH[:, 0], _REACH[:, 1])
        return self.kinematics.inverse(position, axis_angle_to_matrix(turn) @ self._rotation, self._q)

    def aim(self, q: np.ndarray, opening: float) -> None:
        """Begin a control step towards joint targets q [n], speed limited, and gripper opening 0..1."""
        data, ids = self.hand.scene.data, self.hand.ids
        q = np.clip(q, self._limits[:, 0], self._limits[:, 1])
        self._step = np.clip(q - self._q, -MAX_JOINT_STEP, MAX_JOINT_STEP)
        self._lead = self._step * LAG * self._rate_hz  # cancels the servos' velocity lag
        wanted = np.clip(opening, 0.0, 1.0) * MAX_OPENING / 2
        at = data.qpos[ids.finger_qpos]
        self._finger_start = np.where(wanted > at, at, data.ctrl[ids.finger_ctrl])  # a squeezing gripper lets go at once
        self._fingers = np.clip(wanted - self._finger_start, -MAX_FINGER_STEP, MAX_FINGER_STEP)

    def ramp(self, share: float) -> None:
        """Servo targets at a share (0..1] of the control step."""
        data, ids = self.hand.scene.data, self.hand.ids
        data.ctrl[ids.ctrl] = self._q + self._step * share + self._lead
        data.ctrl[ids.finger_ctrl] = self._finger_start + self._fingers * share

    def finish(self) -> None:
        """The control step is over."""
        self._q = self._q + self._step
        self.settle()

    def settle(self) -> None:
        """Where the command stands now; a hand that something blocks keeps it on a leash."""
        position, rotation = self.kinematics.forward(self._q)
        tool = self.hand.tool
        gap = position - tool[:3, 3]
        distance = float(np.linalg.norm(gap))
        blocked = distance > _LEASH or float(np.sum(rotation * tool[:3, :3])) < 1 + 2 * np.cos(_LEASH_TURN)  # trace of the difference
        if blocked:
            position = tool[:3, 3] + gap * min(1.0, _LEASH / max(distance, 1e-9))
            rotation = tool[:3, :3].copy()
            self._q = self.kinematics.inverse(position, rotation, self._q)
        self._position, self._rotation = position, rotation


class Control:
    """All arms of the robot in a scene, moved together."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.arms = tuple(ArmControl(hand, scene.robot.rate_hz) for hand in scene.hands)
        self._substeps = round(1 / (scene.robot.rate_hz * TIMESTEP)) // _BLOCKS

    def start(self, joints: Sequence[np.ndarray]) -> None:
        """The arms stand at these joint angles."""
        for arm, q in zip(self.arms, joints, strict=True):
            arm.start(q)

    def move(self, joints: Sequence[np.ndarray], openings: Sequence[float]) -> None:
        """Run one control step towards joint targets [n] and a gripper opening 0..1 of every arm."""
        for arm, q, opening in zip(self.arms, joints, openings, strict=True):
            arm.aim(q, opening)
        for block in range(1, _BLOCKS + 1):
            for arm in self.arms:
                arm.ramp(block / _BLOCKS)
            self.scene.advance(self._substeps)
        self.scene.refresh()
        for arm in self.arms:
            arm.finish()
