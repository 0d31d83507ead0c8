"""The contract of a skill."""

from typing import Protocol

import numpy as np

from praxia.worlds.tabletop.scene import Scene


class Skill(Protocol):
    """One thing to do in an arranged scene; a frozen dataclass of indices into the arrangement."""

    verb: str  # key of its phrasings

    def words(self, scene: Scene) -> dict[str, str]:
        """What fills the phrasing's slots, e.g. {"object": "red mug"}."""
        ...

    def target(self, scene: Scene) -> str:
        """Name of the thing the instruction is about first."""
        ...

    def goal(self, scene: Scene) -> np.ndarray:
        """Where the tool or the target has to come to: float64 [3] in the base frame, now."""
        ...

    def achieved(self, scene: Scene) -> bool:
        """The condition holds now."""
        ...

    def spoilt(self, scene: Scene, others: tuple["Skill", ...]) -> bool:
        """Something was done that was not asked for, neither by this skill nor by the `others` of the plan: the episode has failed."""
        ...

    def expert(self, scene: Scene) -> np.ndarray:
        """Clean action float32 [7] (end-effector delta) for the present scene."""
        ...
