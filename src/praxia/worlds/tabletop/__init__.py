"""tabletop: the embedded MuJoCo world."""

from praxia.worlds.tabletop.world import Tabletop

__all__ = ["Tabletop"]
