"""Push: slide the named object along the table onto the named zone, with half-open fingers behind it."""

from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop import motion
from praxia.worlds.tabletop.robots.gripper import FINGER_WIDTH
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.skills.skill import Skill

NEAR = 0.035  # metres between object and zone centres: on the zone
_STANCE = 0.45  # gripper opening: two fingers 4 cm apart push straighter than one
_LOW = 0.020
_MAX_YAW = 0.9


@dataclass(frozen=True)
class Push:
    """Achieved: the object's centre is within NEAR of the zone's centre and it stands on the table."""

    slot: int
    zone: int
    verb = "push"

    def words(self, scene: Scene) -> dict[str, str]:
        """Object and colour of the zone."""
        return {"object": self.target(scene), "colour": scene.arrangement.zones[self.zone].colour}

    def target(self, scene: Scene) -> str:
        """The object's name."""
        return scene.arrangement.objects[self.slot].name

    def goal(self, scene: Scene) -> np.ndarray:
        """Centre of the zone."""
        zone = scene.arrangement.zones[self.zone]
        return np.array([zone.x, zone.y, 0.0])

    def achieved(self, scene: Scene) -> bool:
        """On the zone."""
        T = scene.object_pose(self.slot)
        on_table = T[2, 3] < scene.template(self.slot).size[2] / 2 + 0.01
        return bool(np.linalg.norm(T[:2, 3] - self.goal(scene)[:2]) < NEAR and on_table)

    def spoilt(self, scene: Scene, others: tuple[Skill, ...]) -> bool:
        """Never: pushing another object is useless, not fatal."""
        return False

    def expert(self, scene: Scene) -> np.ndarray:
        """Get behind the object as seen from the zone, then push along the line to the zone's centre."""
        place, tool = scene.object_pose(self.slot)[:2, 3], scene.tool[:3, 3]
        along = self.goal(scene)[:2] - place
        along /= max(float(np.linalg.norm(along)), 1e-9)
        across = np.array([-along[1], along[0]])
        yaw = float(np.clip(motion.nearest_turn(float(np.arctan2(along[1], along[0])), 1), -_MAX_YAW, _MAX_YAW))
        half = float(scene.template(self.slot).size[:2].max()) / 2
        offset = tool[:2] - place
        behind, aside = -float(offset @ along), float(offset @ across)
        contact = half + FINGER_WIDTH / 2
        if behind > 0.02 and behind < contact + 0.035 and abs(aside) < 0.018 and tool[2] < 0.045:
            # Steer: aim at the far side of the object while drifting back onto the line.
            ahead = tool[:2] + motion.SPEED * along - 0.8 * aside * across
            return motion.towards(scene, np.array([*ahead, _LOW]), yaw, _STANCE)
        if scene.held(self.slot):  # it slipped between the fingers: let it go first
            return motion.towards(scene, tool, motion.yaw_of(scene.tool[:3, :3]), motion.OPEN)
        start = place - along * (contact + 0.018)
        return motion.from_above(scene, np.array([*start, _LOW]), yaw, _STANCE, reach=0.04)
