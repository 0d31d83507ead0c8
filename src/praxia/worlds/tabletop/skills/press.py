"""Press: push the named button down until it latches."""

from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop import fixtures, motion
from praxia.worlds.tabletop.robots.gripper import TIP
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.skills.skill import Skill


@dataclass(frozen=True)
class Press:
    """Achieved: the button went down by PRESSED_DEPTH and stays there, lamp white. Spoilt: a button latched that nobody asked for."""

    button: int
    verb = "press"

    def words(self, scene: Scene) -> dict[str, str]:
        """The button's colour."""
        return {"colour": scene.arrangement.buttons[self.button].colour}

    def target(self, scene: Scene) -> str:
        """The button's name."""
        return f"{scene.arrangement.buttons[self.button].colour} button"

    def goal(self, scene: Scene) -> np.ndarray:
        """Middle of the unpressed cap's top."""
        placed = scene.arrangement.buttons[self.button]
        return np.array([placed.x, placed.y, fixtures.BUTTON_TOP])

    def achieved(self, scene: Scene) -> bool:
        """Latched."""
        return scene.latched[self.button]

    def spoilt(self, scene: Scene, others: tuple[Skill, ...]) -> bool:
        """Another one latched."""
        asked = {s.button for s in (self, *others) if isinstance(s, Press)}
        return any(down and i not in asked for i, down in enumerate(scene.latched))

    def expert(self, scene: Scene) -> np.ndarray:
        """Straight down on the cap, fingers closed."""
        return motion.from_above(scene, motion.lifted(self.goal(scene), TIP - fixtures.BUTTON_TRAVEL - 0.004))
