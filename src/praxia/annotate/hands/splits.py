"""Which clips are held out: a share of every task's, and one task whole (default 22). By clip, so that no picture is on both sides."""

import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from praxia.annotate.hands.settings import HandRules
from praxia.data.hand_clips.tables import HandSplit
from praxia.errors import ConfigError, unknown

TEST = "test"  # name of a folder whose clips are for testing


def splits(tasks: Sequence[str], rules: HandRules, names: Sequence[str] = ()) -> tuple[list[HandSplit], frozenset[str]]:
    """(split of every clip, tasks that are held out whole). tasks, names: of every clip, in order. What lies below a folder `test`, as EgoDex's test
    part does, is held out too. Raises ConfigError for a held task that is not there."""
    known = sorted(set(tasks))
    for task in rules.held_tasks:
        if task not in known:
            raise ConfigError("HandRules.held_tasks: " + unknown("task", task, known))
    whole = frozenset(rules.held_tasks)
    if not whole and len(known) >= 3:
        whole = frozenset({known[int(np.random.default_rng((rules.seed, len(known))).integers(len(known)))]})
    out: list[HandSplit] = ["held_out" if task in whole else "train" for task in tasks]
    for i, name in enumerate(names):
        if TEST in PurePosixPath(name).parts[:-1]:
            out[i] = "held_out"
    for task in known:
        mine = [i for i, t in enumerate(tasks) if t == task and out[i] == "train"]
        count = 0 if rules.held_out == 0 or len(mine) < 2 else max(1, round(rules.held_out * len(mine)))
        for i in np.random.default_rng((rules.seed, zlib.crc32(task.encode()))).permutation(len(mine))[:count]:
            out[mine[i]] = "held_out"
    return out, whole
