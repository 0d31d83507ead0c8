"""Meta-World: a benchmark of 50 tasks that nobody here wrote (extra `metaworld`)."""

from praxia.worlds.metaworld.starts import STARTS_PER_SEED, drawn_starts, episode_seed, shared_starts
from praxia.worlds.metaworld.tasks import EIGHT, GROUPS, MT10, TASKS, tasks_of
from praxia.worlds.metaworld.world import MetaWorld

__all__ = ["EIGHT", "GROUPS", "MT10", "STARTS_PER_SEED", "TASKS", "MetaWorld", "drawn_starts", "episode_seed", "shared_starts", "tasks_of"]
