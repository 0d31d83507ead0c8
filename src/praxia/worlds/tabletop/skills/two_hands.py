"""What takes two hands: lift a tray level, hand a bar from one hand to the other."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from praxia.worlds.tabletop import motion
from praxia.worlds.tabletop.objects import HANDLE_Y
from praxia.worlds.tabletop.scene import Hand, Scene
from praxia.worlds.tabletop.skills.grasp import bottom
from praxia.worlds.tabletop.skills.skill import Skill

LIFTED = 0.06  # metres between table and underside
DISTURBED = 0.03  # metres: something else was lifted by this much
LEVEL = np.cos(np.radians(15))
_UP = 0.015  # metres a control step
_APART = 0.075  # metres from the middle of the bar to where a hand takes it
_EXCHANGE = np.array([0.47, 0.0, 0.145])  # where the bar's middle is handed over
_HANDS = ("left", "right")


@dataclass(frozen=True)
class _TwoHanded:
    slot: int

    def target(self, scene: Scene) -> str:
        """The object's name."""
        return scene.arrangement.objects[self.slot].name

    def spoilt(self, scene: Scene, others: tuple[Skill, ...]) -> bool:
        """Another object left the table."""
        asked = {s.slot for s in (self, *others) if isinstance(s, _TwoHanded)}
        return any(bottom(scene, i) > DISTURBED for i in range(len(scene.arrangement.objects)) if i not in asked)


@dataclass(frozen=True)
class LiftTray(_TwoHanded):
    """Achieved: both hands hold the tray, its underside is LIFTED above the table and it is level to 15 degrees."""

    verb = "lift"

    def words(self, scene: Scene) -> dict[str, str]:
        """The tray's colour."""
        return {"colour": scene.arrangement.objects[self.slot].colour}

    def goal(self, scene: Scene) -> np.ndarray:
        """Middle of the tray, lifted."""
        return motion.lifted(scene.object_pose(self.slot)[:3, 3], max(0.0, LIFTED - bottom(scene, self.slot)))

    def achieved(self, scene: Scene) -> bool:
        """Held by both, lifted, level."""
        level = scene.object_pose(self.slot)[2, 2] > LEVEL
        return bool(level and bottom(scene, self.slot) > LIFTED and all(hand.holds(self.slot) for hand in scene.hands))

    def expert(self, scene: Scene) -> np.ndarray:
        """Each hand over its handle, down, close; when both hold it, up together."""
        together = all(hand.holds(self.slot) for hand in scene.hands)
        height = float(np.mean([hand.tool[2, 3] for hand in scene.hands])) + _UP
        moves = []
        for hand, side in zip(scene.hands, (1, -1), strict=True):
            handle = self._handle(scene, side)
            if together:
                moves.append(motion.towards(hand, np.array([*hand.tool[:2, 3], height])))
            elif hand.holds(self.slot):  # wait for the other one
                moves.append(motion.towards(hand, hand.tool[:3, 3]))
            else:
                there = np.abs(handle - hand.tool[:3, 3]).max() < 0.009
                moves.append(motion.from_above(hand, handle, 0.0, motion.CLOSED if there else motion.OPEN))
        return np.concatenate(moves)

    def _handle(self, scene: Scene, side: int) -> np.ndarray:
        """Where the tool of the left (side 1) or right (-1) hand takes the tray."""
        T, t = scene.object_pose(self.slot), scene.template(self.slot)
        return T[:3, 3] + T[:3, :3] @ np.array([0.0, side * HANDLE_Y, t.category.grasp_height - t.size[2] / 2])


@dataclass(frozen=True)
class _HandOver(_TwoHanded):
    giver: Literal["left", "right"]
    verb = "hand_over"

    def words(self, scene: Scene) -> dict[str, str]:
        """The bar's colour and both hands."""
        return {"colour": scene.arrangement.objects[self.slot].colour, "giver": self.giver, "receiver": _other(self.giver)}

    def goal(self, scene: Scene) -> np.ndarray:
        """Where the bar is handed over."""
        return _EXCHANGE.copy()

    def expert(self, scene: Scene) -> np.ndarray:
        """The giver takes the bar near its end and brings it to the middle; the receiver takes the other end; the giver lets go."""
        giver, receiver = (_hand(scene, name) for name in (self.giver, _other(self.giver)))
        gives, receives = giver.holds(self.slot), receiver.holds(self.slot)
        mine, theirs = (self._grasp(scene, name) for name in (self.giver, _other(self.giver)))
        moves = {}
        if receives:
            moves[receiver.mount.name] = motion.towards(receiver, receiver.tool[:3, 3], theirs[1])
            moves[giver.mount.name] = motion.towards(giver, giver.tool[:3, 3], mine[1], motion.OPEN)
        elif gives:
            gap = _EXCHANGE - scene.object_pose(self.slot)[:3, 3]
            offered = np.abs(gap).max() < 0.012
            moves[giver.mount.name] = motion.from_above(giver, giver.tool[:3, 3] + gap, mine[1], reach=0.10)
            moves[receiver.mount.name] = self._take(receiver, theirs) if offered else self._wait(receiver, theirs)
        else:
            moves[giver.mount.name] = self._take(giver, mine)
            moves[receiver.mount.name] = self._wait(receiver, theirs)
        return np.concatenate([moves[name] for name in _HANDS])

    def _grasp(self, scene: Scene, name: str) -> tuple[np.ndarray, float]:
        """Where a hand takes the bar, [3] in the base frame, and the yaw that opens its fingers across it."""
        T = scene.object_pose(self.slot)
        side = 1 if name == "left" else -1
        # Tool x along the bar: the left hand looks to the left, the right hand to the right, so that neither arm crosses the other.
        along = T[:3, 1] * side
        return T[:3, 3] + _APART * along, float(np.arctan2(along[1], along[0]))

    @staticmethod
    def _take(hand: Hand, grasp: tuple[np.ndarray, float]) -> np.ndarray:
        point, yaw = grasp
        turned = abs(motion.nearest_turn(yaw - motion.yaw_of(hand.tool[:3, :3]), 1))
        there = np.abs(point - hand.tool[:3, 3]).max() < 0.009 and turned < 0.12
        return motion.from_above(hand, point, yaw, motion.CLOSED if there else motion.OPEN, travel=point[2] + 0.10)

    @staticmethod
    def _wait(hand: Hand, grasp: tuple[np.ndarray, float]) -> np.ndarray:
        """Open and turned, to the side and above where the bar will come."""
        side = 1.0 if hand.mount.name == "left" else -1.0
        return motion.towards(hand, _EXCHANGE + np.array([0.0, side * 0.14, 0.09]), grasp[1], motion.OPEN)


@dataclass(frozen=True)
class TakeBar(_HandOver):
    """Achieved: the giver holds the bar above the table and the receiver does not touch it."""

    def achieved(self, scene: Scene) -> bool:
        """Taken by the right hand."""
        giver, receiver = _hand(scene, self.giver), _hand(scene, _other(self.giver))
        return giver.holds(self.slot) and bottom(scene, self.slot) > 0.02 and not receiver.touches(self.slot)


@dataclass(frozen=True)
class ReceiveBar(_HandOver):
    """Achieved: the receiver alone holds the bar, LIFTED above the table."""

    def achieved(self, scene: Scene) -> bool:
        """Handed over."""
        giver, receiver = _hand(scene, self.giver), _hand(scene, _other(self.giver))
        return receiver.holds(self.slot) and bottom(scene, self.slot) > LIFTED and not giver.touches(self.slot)


def _hand(scene: Scene, name: str) -> Hand:
    return next(hand for hand in scene.hands if hand.mount.name == name)


def _other(name: str) -> Literal["left", "right"]:
    return "right" if name == "left" else "left"
