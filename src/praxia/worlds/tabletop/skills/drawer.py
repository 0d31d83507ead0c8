"""Open and close a drawer with closed fingers: hooked behind the handle bar, or pushed against its front."""

from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop import fixtures, motion
from praxia.worlds.tabletop.arrangement import PlacedCabinet
from praxia.worlds.tabletop.robots.gripper import FINGER_THICKNESS, FINGER_WIDTH
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.skills.skill import Skill

OPENED, CLOSED = 0.08, 0.015  # metres: open from here on, closed up to here
DISTURBED = 0.03  # the other drawer moved by this much: the wrong one was taken
_LOW = 0.034  # tool height at which the fingers meet the bar
_CONTACT = fixtures.HANDLE_HALF[0] + FINGER_WIDTH / 2  # tool to bar centre when they touch


@dataclass(frozen=True)
class _Drawer:
    drawer: int

    def words(self, scene: Scene) -> dict[str, str]:
        """The drawer's colour."""
        return {"colour": self._cabinet(scene).colours[self.drawer]}

    def target(self, scene: Scene) -> str:
        """The drawer's name."""
        return f"{self._cabinet(scene).colours[self.drawer]} drawer"

    def goal(self, scene: Scene) -> np.ndarray:
        """Centre of the handle bar."""
        return scene.data.geom_xpos[scene.model.geom(f"handle_{self.drawer}").id].copy()

    def spoilt(self, scene: Scene, others: tuple[Skill, ...]) -> bool:
        """A drawer moved that nobody asked for."""
        asked = {s.drawer for s in (self, *others) if isinstance(s, _Drawer)}
        start = self._cabinet(scene).opened
        return any(i not in asked and abs(scene.drawer_opening(i) - start[i]) > DISTURBED for i in range(fixtures.DRAWERS))

    @staticmethod
    def _cabinet(scene: Scene) -> PlacedCabinet:
        cabinet = scene.arrangement.cabinet
        assert cabinet is not None, "a drawer skill is planned only where a cabinet was placed"
        return cabinet


@dataclass(frozen=True)
class OpenDrawer(_Drawer):
    """Achieved: the drawer stands open by at least OPENED."""

    verb = "open"

    def achieved(self, scene: Scene) -> bool:
        """Open."""
        return scene.drawer_opening(self.drawer) >= OPENED

    def expert(self, scene: Scene) -> np.ndarray:
        """Into the gap behind the bar from above, then pull away from the cabinet."""
        bar, tool = self.goal(scene), scene.tool[:3, 3]
        behind = bar[0] - tool[0]
        inside = fixtures.HANDLE_HALF[1] - 2 * fixtures.POST_HALF - FINGER_THICKNESS
        hooked = _CONTACT - 0.006 < behind < 0.045 and abs(tool[1] - bar[1]) < inside and tool[2] < 0.050
        if hooked:
            return motion.towards(scene, np.array([tool[0] + motion.SPEED, bar[1], _LOW]))
        return motion.from_above(scene, np.array([bar[0] - 0.027, bar[1], _LOW]))


@dataclass(frozen=True)
class CloseDrawer(_Drawer):
    """Achieved: the drawer stands open by at most CLOSED."""

    verb = "close"

    def achieved(self, scene: Scene) -> bool:
        """Closed."""
        return scene.drawer_opening(self.drawer) <= CLOSED

    def expert(self, scene: Scene) -> np.ndarray:
        """Down in front of the bar, then push towards the cabinet."""
        bar, tool = self.goal(scene), scene.tool[:3, 3]
        ahead = tool[0] - bar[0]
        if _CONTACT - 0.006 < ahead < 0.10 and abs(tool[1] - bar[1]) < 0.030 and tool[2] < 0.055:
            return motion.towards(scene, np.array([tool[0] - motion.SPEED, bar[1], _LOW]))
        return motion.from_above(scene, np.array([bar[0] + 0.038, bar[1], _LOW]))
