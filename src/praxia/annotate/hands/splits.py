"""Which clips are held out: a share of every task's, and one task whole (default 22). By clip, so that no picture is on both sides."""

import zlib
from collections.abc import Sequence

import numpy as np

from praxia.annotate.hands.settings import HandRules
from praxia.data.hand_clips.tables import HandSplit
from praxia.errors import ConfigError, unknown


def splits(tasks: Sequence[str], rules: HandRules) -> tuple[list[HandSplit], frozenset[str]]:
    """(split of every clip, tasks that are held out whole). tasks: of every clip, in order. Raises ConfigError for a held task that is not there."""
    names = sorted(set(tasks))
    for task in rules.held_tasks:
        if task not in names:
            raise ConfigError("HandRules.held_tasks: " + unknown("task", task, names))
    whole = frozenset(rules.held_tasks)
    if not whole and len(names) >= 3:
        whole = frozenset({names[int(np.random.default_rng((rules.seed, len(names))).integers(len(names)))]})
    out: list[HandSplit] = ["held_out" if task in whole else "train" for task in tasks]
    for task in names:
        mine = [i for i, t in enumerate(tasks) if t == task and task not in whole]
        count = 0 if rules.held_out == 0 or len(mine) < 2 else max(1, round(rules.held_out * len(mine)))
        for i in np.random.default_rng((rules.seed, zlib.crc32(task.encode()))).permutation(len(mine))[:count]:
            out[mine[i]] = "held_out"
    return out, whole
