"""hands: people's hands over tabletop's objects, with the truth of every joint."""

from praxia.worlds.tabletop.headless import import_mujoco

import_mujoco()  # first, so that a missing GL library is reported as what it is

from praxia.worlds.hands.world import Hands  # noqa: E402

__all__ = ["Hands"]
