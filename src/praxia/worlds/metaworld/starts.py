"""Initial conditions of Meta-World episodes, decided by `Episode.seed` alone.

"mt1": the package's own benchmark. `MT1(task, seed=s)` draws 50 vectors of object and goal positions; episode seed 50 * s + index names one.
"random": a fresh random reset; the episode seed seeds the package's random numbers for that reset.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal

import mujoco
import numpy as np

from praxia.errors import ConfigError

Resets = Literal["mt1", "random"]
STARTS_PER_SEED = 50  # initial conditions in one MT1 benchmark
SUFFIX = "-v3"
_SEEDS = 2**32  # what the package's random numbers take


def package() -> ModuleType:
    """The `metaworld` package; ConfigError with the fix where it is not installed."""
    try:
        import metaworld.policies
    except ImportError as error:
        raise ConfigError(f"Meta-World is not installed ({error}); fix: pip install -e '.[metaworld]' in the clone of praxia") from error
    return metaworld


def make_env(task: str) -> Any:
    """A fresh, unwrapped environment of the package. task: name without version, e.g. "reach"."""
    return package().env_dict.ALL_V3_ENVIRONMENTS[task + SUFFIX]()


def episode_seed(benchmark_seed: int, index: int) -> int:
    """The episode seed that means initial condition `index` (0..49) of `MT1(task, seed=benchmark_seed)`."""
    if not 0 <= index < STARTS_PER_SEED:
        raise ConfigError(
            f"index {index} of an MT1 initial condition: expected 0 to {STARTS_PER_SEED - 1}; fix: use a second benchmark seed for more"
        )
    if not 0 <= benchmark_seed < _SEEDS:
        raise ConfigError(f"MT1 seed {benchmark_seed}: expected 0 to {_SEEDS - 1}")
    return benchmark_seed * STARTS_PER_SEED + index


def drawn_starts(task: str, benchmark_seed: int) -> np.ndarray:
    """The 50 vectors `MT1(task, seed=benchmark_seed)` draws, float64 [50, D]: object and goal positions in metres, as the task orders them."""
    return _drawn_starts(task, benchmark_seed).copy()


@lru_cache(maxsize=256)
def _drawn_starts(task: str, benchmark_seed: int) -> np.ndarray:
    # The draws need the task's rejection rules but no dynamics, so physics is held still: several times faster than MT1, and equal to it (tested).
    env = make_env(task)
    set_start(env, np.zeros(0))
    env._freeze_rand_vec = False
    env.do_simulation = lambda ctrl, n_frames: mujoco.mj_kinematics(env.model, env.data)
    starts = []
    with seeded(benchmark_seed):
        for _ in range(STARTS_PER_SEED):
            env.reset()
            starts.append(np.array(env._last_rand_vec))
    env.close()
    return np.array(starts)


def start_env(env: Any, task: str, seed: int, resets: Resets) -> np.ndarray:
    """Reset `env` to the initial condition of an episode seed; returns the package's observation [39]."""
    if resets == "mt1":
        benchmark_seed, index = divmod(seed, STARTS_PER_SEED)
        if not 0 <= benchmark_seed < _SEEDS:
            raise ConfigError(f"episode seed {seed}: expected 50 * (MT1 seed) + index; fix: build it with episode_seed(benchmark_seed, index)")
        set_start(env, _drawn_starts(task, benchmark_seed)[index])
        return env.reset()[0]
    if not 0 <= seed < _SEEDS:
        raise ConfigError(f"episode seed {seed}: expected 0 to {_SEEDS - 1} for random resets")
    set_start(env, np.zeros(0))
    env._freeze_rand_vec = False
    with seeded(seed):
        return env.reset()[0]


def set_start(env: Any, start: np.ndarray) -> None:
    """Fix the next resets to one vector, through the package's own `set_task` (goal part of the observation, as in its MT benchmarks)."""
    data = {"env_cls": type(env), "rand_vec": start, "partially_observable": False}
    env.set_task(package().Task(env_name=type(env).__name__, data=pickle.dumps(data)))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The package draws from NumPy's global numbers: seed them and put them back afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def shared_starts(task: str, first: int, second: int) -> tuple[tuple[int, int], ...]:
    """Index pairs (in MT1 seed `first`, in MT1 seed `second`) with the same initial condition; empty = no overlap."""
    a, b = _drawn_starts(task, first), _drawn_starts(task, second)
    same = (np.abs(a[:, None] - b[None]) < 1e-9).all(-1)
    return tuple((int(i), int(j)) for i, j in np.argwhere(same))
