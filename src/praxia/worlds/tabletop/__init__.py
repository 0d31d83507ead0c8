"""tabletop: the embedded MuJoCo world."""

from praxia.worlds.tabletop.headless import import_mujoco

import_mujoco()  # first, so that a missing GL library is reported as what it is

from praxia.worlds.tabletop.world import Tabletop  # noqa: E402

__all__ = ["Tabletop"]
