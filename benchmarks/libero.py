"""What it is worth to draw only when somebody looks: episodes a minute of LIBERO with a stub policy that replans every eight steps.

    python benchmarks/libero.py [--suite libero_object] [--episodes 6] [--workers 2] [--steps 96] [--out runs/libero.json]

lazy: praxia's world, looked at before every chunk. every_step: the published loop (benchmarks/peers/libero_every_step.py), in which robosuite draws
both cameras at every step. Same tasks, init states, actions and picture size, one after the other in one run, `--workers` episodes at once in either
way. A stub never meets the goal: unless --steps says otherwise its episodes last to the suite's limit. Both times hold reset and ten idle steps, not
the start of the process. Parity gate: states at the end and pictures at every look are equal to the last bit.
"""

import argparse
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from praxia.files import write_json
from praxia.workflows.summary import machine
from praxia.worlds.libero import LIMITS, STARTS, Libero, tasks_of
from praxia.worlds.libero.environment import python
from praxia.worlds.world import Episode

PEER = Path(__file__).with_name("peers") / "libero_every_step.py"
CHUNK = 8
FULL = np.array((0.05,) * 3 + (0.5,) * 3 + (1.0,), np.float32)


def stub(steps: int, seed: int) -> np.ndarray:
    """Smooth random commands in [-1, 1], float32 [steps, 7]: every chunk goes its own way."""
    ways = np.random.default_rng(seed).uniform(-0.6, 0.6, (-(-steps // CHUNK), 7)).astype(np.float32)
    return np.repeat(ways, CHUNK, axis=0)[:steps]


def lazy(world: Libero, task: str, start: int, actions: np.ndarray) -> tuple[float, list[np.ndarray], np.ndarray, bool]:
    """Seconds, pictures of every look, last state, success."""
    began = time.perf_counter()
    world.reset(Episode(task, start))
    looks, success = [], False
    for step, action in enumerate(actions):
        if step % CHUNK == 0:
            looks += [np.stack([view.image for view in world.render()])]
        success = world.step(action * FULL).success
        if success:
            break
    return time.perf_counter() - began, looks, world._running().call("state"), success


def every_step(suite: str, task: str, start: int, actions: np.ndarray) -> dict[str, np.ndarray]:
    """What the published loop saw, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/actions.npy", np.clip(actions * FULL / FULL, -1, 1))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
        command = [python(), PEER, f"{folder}/out.npz", suite, task, str(start), str(start), f"{folder}/actions.npy"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with np.load(f"{folder}/out.npz") as arrays:
            return dict(arrays)


def compared(suite: str, world: Libero, number: int, steps: int) -> tuple[float, list[np.ndarray], np.ndarray, bool]:
    """Episode `number` of one worker, drawn lazily."""
    task = tasks_of(suite)[number % 10]
    world.reset(Episode(task, 0))  # the peer's time has no first load of a task's objects either
    return lazy(world, task, number, stub(steps, number))


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero_object", choices=LIMITS)
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2, help="episodes at once (default: 2)")
    parser.add_argument("--steps", type=int, help="steps an episode (default: the suite's limit)")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for name, most in (("episodes", STARTS), ("workers", 64), ("steps", 10_000)):
        if (given := getattr(options, name)) is not None and not 1 <= given <= most:
            parser.error(f"--{name} {given}: expected 1 to {most}")
    steps = options.steps or LIMITS[options.suite]
    worlds = [Libero(options.suite, size=128) for _ in range(options.workers)]
    seconds: dict[str, list[float]] = {"lazy": [], "every_step": []}
    with ThreadPoolExecutor(options.workers) as pool:
        for first in range(0, options.episodes, options.workers):
            numbers = range(first, min(first + options.workers, options.episodes))
            ours = list(pool.map(lambda number: compared(options.suite, worlds[number % options.workers], number, steps), numbers))
            theirs = list(pool.map(lambda n: every_step(options.suite, tasks_of(options.suite)[n % 10], n, stub(steps, n)), numbers))
            for number, (took, looks, state, success), peer in zip(numbers, ours, theirs):
                shown = [np.stack((peer["head"][i], peer["wrist"][i])) for i in range(0, CHUNK * len(looks), CHUNK)]
                task = tasks_of(options.suite)[number % 10]
                if not (np.array_equal(state, peer["states"][-1]) and success == bool(peer["success"])):
                    raise SystemExit(f"{task}: outcomes differ")
                if not all(np.array_equal(a, b) for a, b in zip(looks, shown, strict=True)):
                    raise SystemExit(f"{task}: pictures differ")
                seconds["lazy"].append(took)
                seconds["every_step"].append(float(peer["seconds"]))
    for world in worlds:
        world.close()
    a_minute = {name: 60 * options.workers * len(found) / sum(found) for name, found in seconds.items()}
    result = {
        "suite": options.suite, "episodes": options.episodes, "workers": options.workers, "steps": steps, "chunk": CHUNK, "size": 128, "cameras": 2,
        "episodes_per_minute": a_minute, "ratio": a_minute["lazy"] / a_minute["every_step"], "equal": True, "machine": machine(),
    }  # fmt: skip
    print(result)
    if options.out:
        write_json(options.out, result)


if __name__ == "__main__":
    main()
