"""What can be asked for: each skill is a physical success condition and the scripted expert that meets it."""

from praxia.worlds.tabletop.skills.drawer import CloseDrawer, OpenDrawer
from praxia.worlds.tabletop.skills.place import PlaceOn, Stack
from praxia.worlds.tabletop.skills.press import Press
from praxia.worlds.tabletop.skills.push import Push
from praxia.worlds.tabletop.skills.skill import Skill
from praxia.worlds.tabletop.skills.touch import Touch
from praxia.worlds.tabletop.skills.two_hands import LiftTray, ReceiveBar, TakeBar

__all__ = ["CloseDrawer", "LiftTray", "OpenDrawer", "PlaceOn", "Press", "Push", "ReceiveBar", "Skill", "Stack", "TakeBar", "Touch"]
