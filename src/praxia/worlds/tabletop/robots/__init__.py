"""Robots of tabletop by name: arm7, arm6, bimanual."""

from praxia.worlds.tabletop.robots.robot import ROBOTS, ActionForm, Mount, Robot, StatePart

__all__ = ["ROBOTS", "ActionForm", "Mount", "Robot", "StatePart"]
