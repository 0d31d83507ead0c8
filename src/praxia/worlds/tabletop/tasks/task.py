"""Task and Plan: how an episode is drawn."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop.arrangement import Arrangement
from praxia.worlds.tabletop.skills import Skill
from praxia.worlds.tabletop.splits import Split


@dataclass(frozen=True)
class Plan:
    """One drawn episode: what stands where, and the skills to do in this order. verb: how they are said together, if not one after the other."""

    arrangement: Arrangement
    steps: tuple[Skill, ...]
    verb: str = ""


@dataclass(frozen=True)
class Task:
    """A family of episodes: name, step limit, the draw of a plan from a split, and how many arms it takes."""

    name: str
    max_steps: int
    draw: Callable[[np.random.Generator, Split], Plan]
    arms: int = 1
