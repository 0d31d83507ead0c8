"""LIBERO, the real one: 130 tasks of a Panda arm, in an environment of its own (`scripts/oracles libero`, `praxia doctor --benchmark libero`)."""

from praxia.worlds.libero.environment import installed
from praxia.worlds.libero.tasks import LIMITS, STARTS, SUITES, tasks_of
from praxia.worlds.libero.world import Libero

__all__ = ["LIMITS", "STARTS", "SUITES", "Libero", "installed", "tasks_of"]
