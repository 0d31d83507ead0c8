"""Task and Plan: how an episode is drawn."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from praxia.worlds.tabletop.arrangement import Arrangement
from praxia.worlds.tabletop.skills import Skill
from praxia.worlds.tabletop.splits import Split


@dataclass(frozen=True)
class Plan:
    """One drawn episode: what stands where, and the skills to do in this order."""

    arrangement: Arrangement
    steps: tuple[Skill, ...]


@dataclass(frozen=True)
class Task:
    """A family of episodes: name, step limit, and the draw of a plan from a split."""

    name: str
    max_steps: int
    draw: Callable[[np.random.Generator, Split], Plan]
