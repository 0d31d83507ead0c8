"""Make a dataset from a world's experts: all cores, resumable after a kill, the same bytes for the same seed with any number of workers."""

import atexit
import importlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from praxia.cores import usable_cores
from praxia.data.cache import one_process
from praxia.data.lerobot.features import Feature
from praxia.data.lerobot.shard import read_shard, write_shard
from praxia.data.lerobot.writer import assemble, work_folder
from praxia.data.progress import progress as progress_bar
from praxia.data.recording import Recording, card_of, features_of, record_success, with_fields
from praxia.data.recovery_noise import RecoveryNoise
from praxia.errors import ConfigError, DataError, unknown
from praxia.files import read_json, write_json
from praxia.processes import end_with
from praxia.registry import to_json
from praxia.specs import DatasetCard
from praxia.worlds.world import Demonstrates, Episode, World

DEMONSTRATION_SEEDS = 1 << 30  # drawn demonstration seeds lie at or above it: plans for evaluation that count from 0 never meet them
MAX_ATTEMPTS = 25  # of a task's first episode
_PATIENCE = 8  # times as many of its others, once that one has succeeded
_MAKING = "praxia.json"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Made:
    """What was made. attempts: per task, episodes that were run to get the kept ones. left_out: tasks without an expert, or with one
    that always failed -> why."""

    root: Path
    episodes: dict[str, int]
    attempts: dict[str, int]
    frames: int
    seconds: float  # 0 if everything was there already
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    """One episode to make: attempts with seeds of their own until the expert succeeds."""

    task: str
    number: int
    seed: int
    fixed_seed: int | None
    factory: str
    kwargs: str
    recording: Recording
    shard: Path
    perturbation: str = ""


def make_dataset(
    world: str,
    world_kwargs: Mapping[str, Any] | None = None,
    *,
    root: Path | str,
    tasks: Sequence[str] | None = None,
    episodes: int = 50,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    noise: RecoveryNoise | None = None,
    picture_every: int = 1,
    depth: bool = False,
    masks: bool = False,
    steps: int = 0,
    perturbations: Sequence[str] = (),
    workers: int = 0,
    resume: bool = True,
    progress: bool = True,
) -> Made:
    """Roll out the experts of `world` ("module:callable", called with world_kwargs) and write the successes as one LeRobotDataset v3.0.

    tasks: all of the world's if None; those that have no expert, or whose expert fails 25 times in a row in the first episode, are left out
    (`Made.left_out`); ConfigError or DataError if none remain.
    seeds: episode seeds to use, one episode of every task for each (an expert that fails there drops that episode); if None, seeds are drawn
    from `seed` until `episodes` a task succeed, 200 attempts each at most (an episode that needs more is dropped). steps: see Recording.
    perturbations: names of the world ("camera:3"; "" = unperturbed) of which every episode draws one, an attempt after a failure the same one. What
    an episode draws from its perturbation follows from its seed, and drawn seeds are no plan's (`DEMONSTRATION_SEEDS`): a judged perturbed episode
    is never among them. So `seeds` that are given cannot be perturbed.
    workers: processes, 0 = all cores.
    resume: go on where a killed run stopped; what is complete is returned as it is. Raises DataError if `root` holds something else.
    """
    root, begin = Path(root), time.monotonic()
    kwargs = json.dumps(dict(world_kwargs or {}), sort_keys=True)
    recording = Recording(noise, picture_every, depth, masks, steps)
    if picture_every < 1 or episodes < 1 or steps < 0 or (seeds is not None and not seeds):
        raise ConfigError(
            f"picture_every {picture_every}, episodes {episodes}, steps {steps}, seeds {seeds}: expected at least one of each (steps 0 = all)"
        )
    if perturbations and seeds is not None:
        raise ConfigError(
            f"perturbations {tuple(perturbations)} with seeds {tuple(seeds)}: a perturbed episode of a given seed may be one that policies are "
            "judged on; leave out seeds, they are drawn from `seed`"
        )
    judged = set(getattr(resolve(world), "judged_seeds", ()))
    if found := sorted(judged & set(seeds or ())):
        raise ConfigError(
            f"seeds {found[0]} to {found[-1]} of {world.rpartition(':')[2]} are the starts that policies are judged on; leave out seeds (--seeds): "
            "starts are drawn from `seed`, and are none of these"
        )
    plan = {
        "world": world,
        "world_kwargs": json.loads(kwargs),
        "tasks": None if tasks is None else list(tasks),
        "episodes": episodes if seeds is None else None,
        "seeds": None if seeds is None else [int(s) for s in seeds],
        "seed": seed,
        "recording": to_json(recording),
    }
    plan |= {"perturbations": list(perturbations)} if perturbations else {}
    with one_process(root):  # two runs that need the same dataset: the second waits and finds it made
        finished = _finished(root, plan, resume)
        if finished is not None:
            return finished
        work = work_folder(root)
        if not resume:
            shutil.rmtree(work, ignore_errors=True)
        with worker_pool(workers) as pool:
            known = pool.submit(_look, world, kwargs, recording).result()
            names, left_out = _demonstrable(_checked_tasks(tasks, known.tasks), known.lacking)
            _begin(work, {"plan": plan, "fingerprint": known.fingerprint, "columns": list(known.features)})
            jobs = [
                _Job(task, k, seed, fixed, world, kwargs, recording, work / "shards" / f"{t:03d}_{k:05d}", _drawn(perturbations, seed, task, k))
                for t, task in enumerate(names)
                for k, fixed in enumerate(seeds if seeds is not None else [None] * episodes)
            ]
            _run_jobs(pool, jobs, known.features, known.card.fps, progress, known.card.name)
        return _publish(root, jobs, known, plan, left_out, time.monotonic() - begin)


@dataclass(frozen=True)
class _Known:
    """What a worker tells of the world."""

    tasks: tuple[str, ...]
    features: dict[str, Feature]
    card: DatasetCard
    fingerprint: dict[str, str]
    lacking: dict[str, str]  # tasks without an expert


def _finished(root: Path, plan: dict[str, Any], resume: bool) -> Made | None:
    """The dataset at `root` if it is the one asked for; DataError if it is another one."""
    if not root.exists():
        return None
    note = root / "meta" / _MAKING
    made = read_json(note) if note.is_file() else {}
    if not resume or made.get("plan") != plan:
        different = [k for k in plan if made and made["plan"].get(k) != plan[k]]
        raise DataError(
            f"{root} exists and was not made with these settings (different: {', '.join(different) or 'all'}); choose another folder or remove it"
        )
    frames = read_json(root / "meta" / "info.json")["total_frames"]
    return Made(root, made["episodes"], made["attempts"], frames, 0.0, made.get("left_out", {}))


def _begin(work: Path, note: dict[str, Any]) -> None:
    """Say what is made in the work folder. DataError where episodes of something else are there."""
    path, shards = work / "plan.json", work / "shards"
    if path.is_file() and read_json(path) != note:
        if any(shards.glob("*/shard.json")):
            raise DataError(
                f"{work} holds an unfinished dataset made with other settings, columns or package versions; remove it or choose another folder"
            )
        shutil.rmtree(shards, ignore_errors=True)
    write_json(path, note)


def _checked_tasks(tasks: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    for task in tasks or ():
        if task not in known:
            raise ConfigError(unknown("task", task, known))
    return tuple(dict.fromkeys(known if tasks is None else tasks))


def _demonstrable(names: Sequence[str], lacking: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Tasks that have an expert, and why the others have none."""
    left_out = {task: lacking[task] for task in names if task in lacking}
    if len(left_out) == len(names):
        raise ConfigError(f"no task has an expert ({'; '.join(f'{task}: {why}' for task, why in left_out.items())}); fix: name others")
    return tuple(task for task in names if task not in left_out), left_out


def _run_jobs(pool: ProcessPoolExecutor, jobs: Sequence[_Job], features: Mapping[str, Feature], fps: float, show: bool, name: str) -> None:
    left = [job for job in jobs if not _solved(job) and not _failure(job).is_file()]
    # The other episodes of a task wait for its first, and end with it.
    first = [job for job in jobs if job.fixed_seed is None and job.number == 0 and not _solved(job)]
    behind = {job.task: [other for other in left if other.task == job.task and other.number] for job in first}
    waiting = {job for some in behind.values() for job in some}
    futures: dict[Future[None], _Job] = {}

    def begin(some: Iterable[_Job]) -> None:
        futures.update({pool.submit(_make, job, dict(features), fps): job for job in some})

    with progress_bar(f"making {name} (episodes)", len(jobs)) if show else _silent() as advance:
        advance(len(jobs) - len(left))
        try:
            begin(job for job in left if job not in waiting)
            while futures:
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    job = futures.pop(future)
                    future.result()
                    advance(1)
                    if _solved(job):
                        begin(behind.pop(job.task, ()))
            advance(sum(map(len, behind.values())))
        except BrokenProcessPool as error:
            raise DataError(
                "a worker process died (out of memory, or the graphics driver failed); run again to resume, with fewer workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _publish(root: Path, jobs: Sequence[_Job], known: _Known, plan: dict[str, Any], left_out: dict[str, str], seconds: float) -> Made:
    kept = [(job, read_shard(job.shard)) for job in jobs if _solved(job)]
    episodes = {job.task: 0 for job in jobs}
    attempts = dict(episodes)
    for job, shard in kept:
        episodes[job.task] += 1
        attempts[job.task] += shard.fields["attempts"]
    for job in jobs:
        if _failure(job).is_file():
            attempts[job.task] += read_json(_failure(job))["attempts"]
    hopeless = {task: f"the expert failed {attempts[task]} times and never succeeded" for task, count in episodes.items() if not count}
    if not kept:
        raise DataError(
            f"{root}: nothing to write: {'; '.join(f'{task}: {why}' for task, why in hopeless.items())}; use weaker noise (RecoveryNoise) or check "
            f"expert and step limit, then remove {work_folder(root)}"
        )
    episodes, left_out = {task: count for task, count in episodes.items() if count}, left_out | hopeless
    extra = {"plan": plan, "fingerprint": known.fingerprint, "episodes": episodes, "attempts": attempts} | (
        {"left_out": left_out} if left_out else {}
    )
    shards = [shard for _, shard in kept]
    assemble(root, shards, known.features, known.card.fps, known.card.embodiment, known.card, extra)
    return Made(root, episodes, attempts, sum(s.length for s in shards), seconds, left_out)


def _drawn(perturbations: Sequence[str], seed: int, task: str, number: int) -> str:
    """The perturbation of an episode; "" where there are none."""
    if not perturbations:
        return ""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, zlib.crc32(task.encode()), number))))
    return perturbations[int(rng.integers(len(perturbations)))]


def _solved(job: _Job) -> bool:
    return (job.shard / "shard.json").is_file()


def _failure(job: _Job) -> Path:
    return job.shard.with_suffix(".failed.json")


# What runs in a worker process.


@lru_cache(maxsize=1)
def _world(factory: str, kwargs: str) -> World:
    """One world a process, made when first needed, closed before GL is shut down (handlers run in reverse order)."""
    world = resolve(factory)(**json.loads(kwargs))
    atexit.register(world.close)
    return world


def resolve(factory: str) -> Callable[..., World]:
    """ "module:callable" -> the callable. Raises ConfigError naming what is missing."""
    module, _, name = factory.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"world {factory!r} cannot be imported ({error}); give it as 'module:callable', e.g. 'praxia.worlds.tabletop:Tabletop'"
        ) from error
    return found


def _look(factory: str, kwargs: str, recording: Recording) -> _Known:
    world = _world(factory, kwargs)
    if recording.noise is not None:
        recording.noise.check(world.action_spec)
    world.reset(Episode(world.tasks()[0], 0))
    world.render(depth=recording.depth, masks=recording.masks)  # no GL, no work: said before the first episode
    truth = world.truth()
    lacking = world.without_expert() if isinstance(world, Demonstrates) else {}
    return _Known(tuple(world.tasks()), features_of(world, truth, recording), card_of(world, truth, recording), world.fingerprint(), lacking)


def _make(job: _Job, features: dict[str, Feature], fps: float) -> None:
    """Try until the expert succeeds, then write the shard. Each attempt depends on the job alone, never on what ran before."""
    drawn_anew = job.fixed_seed is None
    most = MAX_ATTEMPTS if drawn_anew or job.recording.noise is not None else 1
    most *= _PATIENCE if drawn_anew and job.number else 1
    world = _world(job.factory, job.kwargs)
    for attempt in range(most):
        key = (job.seed, zlib.crc32(job.task.encode()), job.number, attempt)
        drawn = DEMONSTRATION_SEEDS | int(np.random.SeedSequence(key).generate_state(1)[0]) >> 2
        episode = Episode(job.task, drawn if job.fixed_seed is None else job.fixed_seed, job.perturbation)
        data = record_success(world, episode, job.recording, key, scout=attempt > 0)  # after a failure the next one is likelier
        if data is not None:
            write_shard(job.shard, with_fields(data, attempts=attempt + 1), features, fps)
            return
    write_json(_failure(job), {"attempts": most})


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes with one thread each: the work is split by episode, threads inside would only fight."""
    count = count or usable_cores()
    before = {name: os.environ.get(name) for name in (*_ONE_THREAD, "MUJOCO_GL")}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=end_with, initargs=(os.getpid(),)) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _silent() -> Iterator[Callable[[int], None]]:
    yield lambda count: None
