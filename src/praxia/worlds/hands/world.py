"""Hands as a World: one or two 21-joint hands over tabletop's objects, seen by a moving head camera. Kinematic: hands go where they are told,
and what they close on goes with them.

Base frame: on the table, x away from the person, y to the left, z up. Rate 15 Hz, as UniHand's motion (VIPA-VLA §3.7).
"""

import zlib
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import cast

import numpy as np
from scipy.spatial.transform import Rotation

from praxia.errors import ConfigError, unknown
from praxia.geometry import hands, se3
from praxia.geometry.scene import View
from praxia.specs import CameraSpec
from praxia.specs.hands import JOINTS, SIDES, hand_action, hand_state
from praxia.worlds.hands.scene import HEAD, HandScene, object_pose
from praxia.worlds.hands.skeleton import RADIUS, closing_for, joints_at, local_joints, pinch_point
from praxia.worlds.hands.tasks import TASKS, Plan, draw
from praxia.worlds.tabletop.headless import backend
from praxia.worlds.tabletop.renderer import Renderer
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.splits import split as split_named
from praxia.worlds.world import Episode, Step, Truth

RATE = 15.0
_HOLD = 8  # steps for which a task's condition must hold
_TAKE, _NEAR = 0.012, 0.035  # m: how much wider than held fingers may be, and how far off their middle, to take a thing
_SKINS = ((0.93, 0.76, 0.65), (0.83, 0.62, 0.48), (0.66, 0.46, 0.34), (0.45, 0.30, 0.22), (0.30, 0.20, 0.15))
_ELBOW = np.array((-0.12, 0.30, 0.14))  # of the left arm


@dataclass
class _Hand:
    """One hand now. grip: T_wrist_object of what it holds, in slot `held`; -1 = nothing."""

    T: np.ndarray
    closing: float
    held: int = -1
    grip: np.ndarray = field(default_factory=lambda: np.eye(4))


class Hands:
    """tabletop's split decides objects, colours and table tops; size: side of the pictures in pixels."""

    name = "hands"
    embodiment = "hand"
    licence = "apache-2.0"

    def __init__(self, size: int = 128, split: str = "pretrain"):
        if size < 32:
            raise ConfigError(f"hands: size is {size}; expected at least 32 pixels")
        self.action_spec, self.state_spec = hand_action(RATE), hand_state()
        self.cameras = (CameraSpec(HEAD, size, size, calibrated=True),)
        self.scene = HandScene(split_named(split), size)
        self._renderer: Renderer | None = None
        self._plan: Plan | None = None
        self._hands: dict[str, _Hand] = {}

    def tasks(self) -> tuple[str, ...]:
        """reach, grasp, move, pour, bring."""
        return tuple(TASKS)

    def max_steps(self, task: str) -> int:
        """Enough for the slowest motion."""
        return int(20 * RATE)

    def reset(self, episode: Episode) -> str:
        """Draw the episode and put everything in place; returns the words."""
        if episode.task not in TASKS:
            raise ConfigError(unknown("task", episode.task, TASKS))
        if episode.perturbation:
            raise ConfigError(f"hands has no perturbation {episode.perturbation!r}; leave it empty")
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((episode.seed, zlib.crc32(episode.task.encode())))))
        self._plan = plan = draw(episode.task, self.scene.split, rng)
        self._task, self._step, self._held_for, self._tipped = episode.task, 0, 0, False
        skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))]) * rng.uniform(0.94, 1.04)
        self.scene.arrange(plan.things, int(rng.integers(len(self.scene.split.tables))), skin.clip(0, 1), rng.uniform(0.1, 0.8, 3), rng)
        self._head = _HeadMotion.drawn(rng)
        for slot, (x, y, yaw) in enumerate(plan.places):
            self.scene.place_object(slot, object_pose(plan.things[slot][0], x, y, yaw))
        self._start = self.scene.poses.copy()
        self._hands = {side: _Hand(*track.at(0.0)) for side, track in plan.tracks.items()}
        self._show()
        return plan.words

    def state(self) -> np.ndarray:
        """Joints, confidences and contacts (`specs.hands.hand_state`)."""
        joints, confidence, contact = np.zeros((1, 2, len(JOINTS), 3)), np.zeros((1, 2, len(JOINTS))), np.zeros((1, 2), bool)
        for i, side in enumerate(SIDES):
            if side in self._hands:
                joints[0, i], confidence[0, i] = self._joints(side), 1.0
                contact[0, i] = self._hands[side].held >= 0 or self.scene.touches(side)
        return hands.HandPair(joints, confidence, contact).numbers()[0]

    def step(self, action: np.ndarray) -> Step:
        """Hands go to where they are told (`specs.hands.hand_action`); numbers of a hand that is not there are not read."""
        assert self._plan is not None
        self._step += 1
        for i, side in enumerate(SIDES):
            if side in self._hands:
                numbers = np.asarray(action, np.float64)[7 * i : 7 * i + 7]
                hand = self._hands[side]
                hand.T = se3.pose(Rotation.from_rotvec(numbers[3:6]).as_matrix(), numbers[:3])
                hand.closing = closing_for(float(numbers[6]), self._plan.scale)
                self._take_or_leave(side, hand)
        self._show()
        self._held_for = self._held_for + 1 if self._done() else 0
        return Step(success=self._held_for >= _HOLD, done=False)

    def expert(self) -> np.ndarray:
        """The planned pose of the next step."""
        assert self._plan is not None
        numbers = np.zeros(self.action_spec.width, np.float32)
        for i, side in enumerate(SIDES):
            if side in self._plan.tracks:
                T, closing = self._plan.tracks[side].at((self._step + 1) / RATE)
                opening = hands.aperture(local_joints(side, closing, self._plan.scale))
                numbers[7 * i : 7 * i + 7] = [*T[:3, 3], *Rotation.from_matrix(T[:3, :3]).as_rotvec(), opening]
        return numbers

    def render(self, roles: tuple[str, ...] | None = None, depth: bool = False, masks: bool = False) -> tuple[View, ...]:
        """The head camera's picture. Mask ids: 1 left hand, 2 right hand (forearms included), 40 + slot objects."""
        if self._renderer is None:
            # the renderer is tabletop's; it reads model, data, ids, size, camera() and arrangement of a scene, and those are here too
            self._renderer = Renderer(cast(Scene, self.scene))
        return self._renderer.views((HEAD,) if roles is None else roles, depth, masks, self._step / RATE)

    def truth(self) -> Truth:
        """Wrist poses as tools; objects; what the words are about."""
        assert self._plan is not None
        tools = {side: self._hands[side].T if side in self._hands else np.eye(4) for side in SIDES}
        objects = self.scene.objects()
        return Truth(tools, objects, objects[self._plan.target].name)

    def fingerprint(self) -> dict[str, str]:
        """Versions and settings that decide the pictures."""
        return {"mujoco": version("mujoco"), "numpy": version("numpy"), "gl": backend(), "size": str(self.scene.size), "split": self.scene.split.name}

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _joints(self, side: str) -> np.ndarray:
        assert self._plan is not None
        hand = self._hands[side]
        return joints_at(hand.T, side, hand.closing, self._plan.scale)

    def _pinch(self, side: str) -> np.ndarray:
        assert self._plan is not None
        hand = self._hands[side]
        return se3.apply(hand.T, pinch_point(side, hand.closing, self._plan.scale))

    def _grasp_point(self, slot: int) -> np.ndarray:
        return se3.apply(self.scene.poses[slot], self.scene.template(slot).grasp)

    def _take_or_leave(self, side: str, hand: _Hand) -> None:
        assert self._plan is not None
        opening = hands.aperture(local_joints(side, hand.closing, self._plan.scale))
        width = lambda slot: self.scene.template(slot).category.grasp_width + 2 * RADIUS  # noqa: E731
        if hand.held >= 0 and opening > width(hand.held) + 2 * _TAKE:
            x, y, _ = self.scene.poses[hand.held, :3, 3]
            R = self.scene.poses[hand.held, :3, :3]
            yaw = float(np.arctan2(R[1, 0], R[0, 0]))
            self.scene.place_object(hand.held, object_pose(self.scene.slots[hand.held][0], x, y, yaw))  # it falls upright onto the table
            hand.held = -1
        elif hand.held < 0:
            others = {h.held for h in self._hands.values()}
            for slot in range(len(self.scene.slots)):
                near = np.linalg.norm(self._pinch(side) - self._grasp_point(slot)) < _NEAR
                if slot not in others and near and opening < width(slot) + _TAKE:
                    hand.held, hand.grip = slot, se3.invert(hand.T) @ self.scene.poses[slot]

    def _show(self) -> None:
        assert self._plan is not None
        for side, hand in self._hands.items():
            self.scene.place_hand(side, self._joints(side), _ELBOW * (1, 1 if side == "left" else -1, 1))
            if hand.held >= 0:
                self.scene.place_object(hand.held, hand.T @ hand.grip)
        time = self._step / RATE
        followed = self._plan.tracks[self._plan.acting[0]].at(max(0.0, time - 0.25))[0][:3, 3]
        self.scene.place_camera(*self._head.at(time, followed))
        self.scene.refresh()

    def _done(self) -> bool:
        """Whether the task's condition holds now."""
        plan = self._plan
        assert plan is not None
        poses, up = self.scene.poses, self.scene.poses[plan.target, 2, 2]
        holding = {h.held for h in self._hands.values()}
        match self._task:
            case "reach":
                return any(np.linalg.norm(self._pinch(s) - self._grasp_point(plan.target)) < _NEAR for s in plan.acting)
            case "grasp":
                return plan.target in holding and poses[plan.target, 2, 3] > self._start[plan.target, 2, 3] + 0.06
            case "move":
                assert plan.goal is not None
                return plan.target not in holding and bool(np.linalg.norm(poses[plan.target, :3, 3] - plan.goal) < 0.04)
            case "pour":
                near = np.linalg.norm(poses[plan.target, :2, 3] - poses[plan.second, :2, 3]) < 0.10
                self._tipped = self._tipped or bool(near and up < np.cos(np.radians(55)))
                return self._tipped and up > np.cos(np.radians(15))
            case _:
                between = np.linalg.norm(poses[plan.target, :3, 3] - poses[plan.second, :3, 3])
                return {plan.target, plan.second} <= holding and bool(between < 0.16)


@dataclass(frozen=True)
class _HeadMotion:
    """A head that sways, and looks after the hand. position, target [3]; sway: amplitudes [2, 3] of both (m); phase [2, 3]; seconds a sway."""

    position: np.ndarray
    target: np.ndarray
    sway: np.ndarray
    phase: np.ndarray
    seconds: float
    follows: float
    fovy: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_HeadMotion":
        position = np.array((rng.uniform(-0.10, -0.02), rng.uniform(-0.05, 0.05), rng.uniform(0.42, 0.52)))
        target = np.array((rng.uniform(0.31, 0.36), rng.uniform(-0.03, 0.03), 0.03))
        sway = np.array(((0.012, 0.018, 0.010), (0.020, 0.035, 0.010))) * rng.uniform(0.2, 1.6)
        return cls(
            position, target, sway, rng.uniform(0, 2 * np.pi, (2, 3)), rng.uniform(2.5, 5.0), rng.uniform(0.1, 0.45), float(rng.uniform(47, 52))
        )

    def at(self, time: float, followed: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Camera position, where it looks, vertical field of view in degrees."""
        moved = self.sway * np.sin(2 * np.pi * time / self.seconds + self.phase)
        look = self.target + self.follows * (followed - self.target) * (1, 1, 0.3)
        return self.position + moved[0], look + moved[1], self.fovy
