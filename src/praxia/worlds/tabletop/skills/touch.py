"""Touch: bring the closed gripper onto the named object, and onto no other."""

from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop import model, motion
from praxia.worlds.tabletop.robots.gripper import TIP
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.skills.skill import Skill


@dataclass(frozen=True)
class Touch:
    """Achieved: palm or fingers are in contact with the object. Spoilt: they are in contact with another object."""

    slot: int
    verb = "touch"

    def words(self, scene: Scene) -> dict[str, str]:
        """The object's name."""
        return {"object": self.target(scene)}

    def target(self, scene: Scene) -> str:
        """The object's name."""
        return scene.arrangement.objects[self.slot].name

    def goal(self, scene: Scene) -> np.ndarray:
        """Top of the object, where it is solid."""
        T, t = scene.object_pose(self.slot), scene.template(self.slot)
        point = T[:3, 3] + T[:3, 0] * t.touch_x
        return np.array([point[0], point[1], T[2, 3] + t.size[2] / 2])

    def achieved(self, scene: Scene) -> bool:
        """Contact with the object."""
        return (model.GRIPPER, model.OBJECT + self.slot) in scene.touching()

    def spoilt(self, scene: Scene, others: tuple[Skill, ...]) -> bool:
        """Contact with another object."""
        asked = {s.slot for s in (self, *others) if isinstance(s, Touch)}
        touched = {b - model.OBJECT for a, b in scene.touching() if a == model.GRIPPER and b >= model.OBJECT}
        return bool(touched - asked)

    def expert(self, scene: Scene) -> np.ndarray:
        """Down onto it from above, fingers closed."""
        return motion.from_above(scene, motion.lifted(self.goal(scene), TIP - 0.012))
