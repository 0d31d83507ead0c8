"""Put the named object into a tray or on top of another object, and let it go."""

from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop import fixtures, model, motion
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.skills.grasp import bottom, deliver
from praxia.worlds.tabletop.skills.skill import Skill

STILL = 0.05  # m/s
STACKED = 0.030  # metres between the centres, sideways


@dataclass(frozen=True)
class _Delivery:
    slot: int

    def target(self, scene: Scene) -> str:
        """The object's name."""
        return scene.arrangement.objects[self.slot].name

    def spoilt(self, scene: Scene, others: tuple[Skill, ...]) -> bool:
        """Never: moving another object is useless, not fatal."""
        return False

    def _released(self, scene: Scene) -> bool:
        """No finger touches it and it rests."""
        return (model.GRIPPER, model.OBJECT + self.slot) not in scene.touching() and scene.object_speed(self.slot) < STILL


@dataclass(frozen=True)
class PlaceOn(_Delivery):
    """Achieved: the object's centre is inside the tray's rim, its underside within 2.5 cm of the floor, released and at rest."""

    tray: int
    verb = "place"

    def words(self, scene: Scene) -> dict[str, str]:
        """Object and colour of the tray."""
        return {"object": self.target(scene), "colour": scene.arrangement.trays[self.tray].colour}

    def goal(self, scene: Scene) -> np.ndarray:
        """Middle of the tray's floor."""
        tray = scene.arrangement.trays[self.tray]
        return np.array([tray.x, tray.y, fixtures.TRAY_FLOOR])

    def achieved(self, scene: Scene) -> bool:
        """In the tray and released."""
        inside = np.abs(scene.object_pose(self.slot)[:2, 3] - self.goal(scene)[:2]).max() < fixtures.TRAY_HALF
        return bool(inside and bottom(scene, self.slot) < fixtures.TRAY_FLOOR + 0.025 and self._released(scene))

    def expert(self, scene: Scene) -> np.ndarray:
        """Pick, carry, lower, let go."""
        goal = self.goal(scene)
        return deliver(scene, self.slot, goal[:2], goal[2], near=0.015)


@dataclass(frozen=True)
class Stack(_Delivery):
    """Achieved: the object touches the base, stands within STACKED of its centre with its underside at the base's top, released, at rest."""

    base: int
    verb = "stack"

    def words(self, scene: Scene) -> dict[str, str]:
        """Both objects."""
        return {"object": self.target(scene), "base": scene.arrangement.objects[self.base].name}

    def goal(self, scene: Scene) -> np.ndarray:
        """Middle of the base's top."""
        T = scene.object_pose(self.base)
        return motion.lifted(T[:3, 3], scene.template(self.base).size[2] / 2)

    def achieved(self, scene: Scene) -> bool:
        """Standing on the base, released."""
        gap = scene.object_pose(self.slot)[:2, 3] - self.goal(scene)[:2]
        on_top = np.linalg.norm(gap) < STACKED and abs(bottom(scene, self.slot) - self.goal(scene)[2]) < 0.012
        rests = (model.OBJECT + self.slot, model.OBJECT + self.base) in scene.touching()
        return bool(on_top and rests and self._released(scene))

    def expert(self, scene: Scene) -> np.ndarray:
        """Pick, carry above the base, lower, let go."""
        goal = self.goal(scene)
        return deliver(scene, self.slot, goal[:2], goal[2], near=0.008)
