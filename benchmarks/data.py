"""Data making and reading on this machine, as ratios within one run: `python benchmarks/data.py [episodes a task]`.

Prints JSON: steps/s of making tabletop demonstrations (RGB, depth and masks of two cameras at 96 px, everything on disk, all cores),
frames/s of building and of reading a frame store against decoding at random, samples/s with and without depth and masks.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from praxia.cores import usable_cores
from praxia.data.lerobot.frame_store import open_frames
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.lerobot.tables import Tables
from praxia.data.making import make_dataset

KEY = "observation.images.head"


def rate(work: Callable[[int], object], rows: np.ndarray, repeats: int = 5) -> float:
    """Best calls/s over some repeats, each over all rows."""
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        for row in rows:
            work(int(row))
        best = max(best, len(rows) / (time.perf_counter() - start))
    return best


def main() -> None:
    """Measure and print."""
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "tabletop", Path(folder) / "cache"
        made = make_dataset("praxia.worlds.tabletop:Tabletop", root=root, episodes=episodes, depth=True, masks=True)
        start = time.perf_counter()
        store = open_frames(Tables(root), KEY, cache=cache)
        built = made.frames / (time.perf_counter() - start)
        rows = np.random.default_rng(0).integers(0, made.frames, 1000)
        direct = open_frames(Tables(root), KEY, store=False)
        source = LeRobotSource(root, cache=cache)
        plain, full = Want(16, 4), Want(16, 4, None, True, True, True, 16)
        source.sample_at(0, full)
        result = {
            "cores": usable_cores(),
            "load_before": os.getloadavg()[0],
            "making_steps_per_s": made.frames / made.seconds,
            "making_steps": made.frames,
            "store_build_frames_per_s": built,
            "store_read_frames_per_s": rate(store.get, rows),
            "decode_random_frames_per_s": rate(direct.get, rows[:200], 2),
            "samples_per_s": rate(lambda row: source.sample_at(row, plain), rows),
            "samples_with_depth_masks_objects_per_s": rate(lambda row: source.sample_at(row, full), rows),
            "bytes_per_step": sum(p.stat().st_size for p in root.rglob("*") if p.is_file()) / made.frames,
        }
    print(json.dumps({k: round(v, 1) for k, v in result.items()}, indent=2))


if __name__ == "__main__":
    main()
