"""Who runs trials: worker processes, each with its own world and policy, one trial at a time; or this process."""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from praxia.errors import EvaluationError, PraxiaError
from praxia.evaluate.factory import Factory
from praxia.evaluate.observation import PolicyLike, check_fit
from praxia.evaluate.rollout import Record, Rules, Trial, rollout
from praxia.registry import to_json
from praxia.worlds.world import HoldsTask, World

# One process a core: numerical libraries and the software renderer must not start threads of their own.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS"), "1")
_HEADLESS = {"MUJOCO_GL": "egl"}


@dataclass(frozen=True)
class Setup:
    """What a worker builds once. `identity` in its first answer says what that turned out to be."""

    world: Factory
    policy: Factory
    rules: Rules

    def build(self) -> tuple[World, PolicyLike, dict[str, Any]]:
        """World and policy, checked against each other, and their identity."""
        policy: PolicyLike = self.policy.build()
        world: World = self.world.build()
        check_fit(world, policy)
        return world, policy, {"fingerprint": world.fingerprint(), "metadata": to_json(dict(policy.metadata))}


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    trial: Trial | None = None
    task: str = ""  # of the last trial

    def what(self) -> str:
        """For messages: what it was doing."""
        return _which(self.trial) if self.trial else "while it loaded the world and the policy"


class Judges(Protocol):
    """Whoever runs trials. A context manager; nothing is built before it is needed."""

    setup: Setup

    def __enter__(self) -> "Judges": ...

    def __exit__(self, *error: object) -> None: ...

    def identity(self) -> dict[str, Any]:
        """What is judged where."""
        ...

    def run(self, trials: Sequence[Trial]) -> Iterator[Record]:
        """Records as they come. EvaluationError names the episode that failed."""
        ...


class ThisProcess:
    """Judge without other processes: for debugging, or for a policy that exists only in memory."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._built: tuple[World, PolicyLike, dict[str, Any]] | None = None

    def __enter__(self) -> "ThisProcess":
        return self

    def __exit__(self, *error: object) -> None:
        if self._built:
            self._built[0].close()
            self._built = None

    def identity(self) -> dict[str, Any]:
        """What is judged where."""
        self._built = self._built or self.setup.build()
        return self._built[2]

    def run(self, trials: Sequence[Trial]) -> Iterator[Record]:
        """Records in order; task by task where the world holds its task."""
        self._built = self._built or self.setup.build()
        waiting, task, in_a_row = list(trials), "", isinstance(self._built[0], HoldsTask)
        while waiting:
            trial = next_trial(waiting, task if in_a_row else "", ())
            task = trial.episode.task
            try:
                yield rollout(self._built[0], self._built[1], trial, self.setup.rules)
            except PraxiaError as error:
                raise EvaluationError(f"evaluation stopped {_which(trial)}: {error}") from error


class Pool:
    """`count` worker processes, each with its own world and policy. Leaving the context ends them."""

    def __init__(self, setup: Setup, count: int) -> None:
        self.setup = setup
        self._count = count
        self._workers: list[_Worker] = []
        self._identity: dict[str, Any] = {}
        self._in_a_row = False  # whether the world holds its task

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.connection.close()  # an idle worker sees the end and frees its renderers
            if error[0] is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(10)
            if worker.process.is_alive():
                worker.process.kill()

    def identity(self) -> dict[str, Any]:
        """What is judged where, once every worker is ready. EvaluationError if they differ."""
        if not self._workers:
            self._start()
            told = [self._answer(worker) for worker in self._workers]
            found, self._in_a_row = [identity for identity, _ in told], told[0][1]
            if any(identity != found[0] for identity in found):
                raise EvaluationError("the workers' worlds or policies differ although they were built alike; fix: change no file meanwhile")
            self._identity = found[0]
        return self._identity

    def run(self, trials: Sequence[Trial]) -> Iterator[Record]:
        """Records as they come."""
        self.identity()
        waiting = list(trials)
        for worker in self._workers:
            self._give(worker, waiting)
        while busy := {worker.connection: worker for worker in self._workers if worker.trial}:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                record = self._answer(worker)
                self._give(worker, waiting)
                yield record

    def _give(self, worker: _Worker, waiting: list[Trial]) -> None:
        elsewhere = {other.task for other in self._workers if other is not worker and other.trial} if self._in_a_row else ()
        worker.trial = next_trial(waiting, worker.task if self._in_a_row else "", elsewhere) if waiting else None
        if worker.trial:
            worker.task = worker.trial.episode.task
            worker.connection.send(worker.trial)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        with _environment(_HEADLESS | _ONE_THREAD):
            for _ in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, self.setup), daemon=True)
                process.start()
                theirs.close()
                self._workers.append(_Worker(process, ours))

    def _answer(self, worker: _Worker) -> Any:
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(10)
            raise EvaluationError(
                f"a worker process died {worker.what()}, exit code {worker.process.exitcode} (-9: killed, often for memory; -11: a library crashed); "
                "finished episodes are kept: run the same command again, with fewer workers if memory was short"
            ) from None
        if kind == "error":
            raise EvaluationError(f"evaluation stopped {worker.what()}: {value}")
        return value


def _which(trial: Trial) -> str:
    """For messages: which episode."""
    return f"in episode {trial.index} ({trial.episode.task}, seed {trial.episode.seed}, {trial.condition})"


def next_trial(waiting: list[Trial], task: str, elsewhere: Collection[str]) -> Trial:
    """Take from the waiting the first trial of `task`, else the first of a task that nobody is at elsewhere, else the first."""
    here = (i for i, trial in enumerate(waiting) if trial.episode.task == task)
    free = (i for i, trial in enumerate(waiting) if trial.episode.task not in elsewhere)
    return waiting.pop(next(here, next(free, 0)))


def _serve(connection: Connection, setup: Setup) -> None:
    """A worker's life."""
    try:
        world, policy, identity = setup.build()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        connection.send(("identity", (identity, isinstance(world, HoldsTask))))
        while True:
            try:
                trial = connection.recv()
            except EOFError:
                break
            connection.send(("record", rollout(world, policy, trial, setup.rules)))
        world.close()
    except PraxiaError as error:
        connection.send(("error", str(error)))
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # the parent went away
    except Exception:
        connection.send(("error", "\n" + traceback.format_exc()))


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment for processes started inside; variables the user set stay."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]
