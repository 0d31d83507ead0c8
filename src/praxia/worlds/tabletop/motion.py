"""How experts move: bounded straight moves of a tool with the hand pointing down, and safe approaches from above.

Everything is a function of the present scene: no memory, no waiting, so an expert recovers from any disturbance.
"""

from typing import Protocol

import numpy as np

from praxia.worlds.tabletop.kinematics import rotation_error

SPEED = 0.026  # metres a control step
TURN = 0.20  # radians a control step
TRAVEL = 0.14  # height of the tool when it crosses the table; clears every object
CARRY = 0.15  # the same with an object in the gripper
OPEN, CLOSED = 1.0, 0.0


class Moved(Protocol):
    """A hand, or a scene with one."""

    @property
    def tool(self) -> np.ndarray:
        """T_base_tool float64 [4, 4]."""
        ...


def towards(hand: Moved, target: np.ndarray, yaw: float = 0.0, gripper: float = CLOSED, hold: float = 0.0) -> np.ndarray:
    """Action float32 [7] (end-effector delta) one bounded step towards `target` [3], hand down, tool x at `yaw`.

    hold in [0, 1] slows the sideways part: 1 = straight up or down only.
    """
    T = hand.tool
    step = target - T[:3, 3]
    step[:2] *= 1.0 - hold
    step *= min(1.0, SPEED / max(float(np.linalg.norm(step)), 1e-9))
    c, s = np.cos(yaw), np.sin(yaw)
    turn = rotation_error(np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]]), T[:3, :3])
    turn *= min(1.0, TURN / max(float(np.linalg.norm(turn)), 1e-9))
    return np.array([*step, *turn, gripper], np.float32)


def from_above(hand: Moved, target: np.ndarray, yaw: float = 0.0, gripper: float = CLOSED, travel: float = TRAVEL, reach: float = 0.05) -> np.ndarray:
    """One step towards `target` [3] through a funnel: high while far aside, low only right above it.

    reach: sideways distance in metres from which on the tool keeps the travel height.
    """
    position = hand.tool[:3, 3]
    aside = float(np.linalg.norm(target[:2] - position[:2]))
    share = np.clip((aside - 0.004) / (reach - 0.004), 0.0, 1.0)
    height = target[2] + share * max(travel - target[2], 0.0)
    too_low = float(np.clip((height - position[2] - 0.012) / 0.03, 0.0, 1.0))
    return towards(hand, np.array([target[0], target[1], height]), yaw, gripper, hold=too_low)


def yaw_of(R: np.ndarray) -> float:
    """Yaw of the x axis of R [3, 3] in the base frame."""
    return float(np.arctan2(R[1, 0], R[0, 0]))


def nearest_turn(yaw: float, turns: int) -> float:
    """The yaw nearest to zero that is equal to `yaw` under a symmetry of pi / turns; zero if any yaw will do (turns = 0)."""
    if turns == 0:
        return 0.0
    period = np.pi / turns
    return float((yaw + period / 2) % period - period / 2)


def lifted(point: np.ndarray, by: float) -> np.ndarray:
    """The point [3], `by` metres higher."""
    return np.array([point[0], point[1], point[2] + by])
