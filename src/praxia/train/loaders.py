"""Loaders: processes that make a stream's steps ahead of the loop. In a thread of the loop's own process they would hold up its interpreter."""

import multiprocessing
import os
import pickle
import signal
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from praxia.data.mixture import MicroBatch
from praxia.errors import ConfigError, DataError
from praxia.processes import end_with
from praxia.train.stream import Stream


class Loaders:
    """A stream whose steps are made by `count` processes, up to `depth` of them ahead of the one asked for. `with Loaders(...) as loaders:`.

    The processes are forked (nothing is opened twice), where the system forks safely: on Linux. Elsewhere, and with count 0, every step is made
    where it is asked for. An error is raised by the `step` that it belongs to.
    Raises ConfigError for a count below 0.
    """

    def __init__(self, stream: Stream, count: int, depth: int):
        if count < 0:
            raise ConfigError(f"TrainSettings.loaders is {count}; expected a number of processes, 0 for none")
        self._stream, self._depth = stream, depth
        self._count = count if sys.platform == "linux" else 0
        self._pool: ProcessPoolExecutor | None = None
        self._asked: dict[int, Future[tuple[bytes, dict[str, str]]]] = {}

    def __enter__(self) -> "Loaders":
        if self._count:
            setup = (self._stream, os.getpid())
            self._pool = ProcessPoolExecutor(self._count, multiprocessing.get_context("fork"), initializer=_begin, initargs=setup)
            self._pool.submit(os.getpid).result()  # all are forked now, before the loop starts threads
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def step(self, step: int) -> list[MicroBatch]:
        """Micro-batches of a step. Raises DataError if a process died."""
        if self._pool is None:
            return self._stream.step(step)
        try:
            for ahead in range(step, step + self._depth + 1):
                if ahead not in self._asked:
                    self._asked[ahead] = self._pool.submit(_made, ahead)
            packed, bad = self._asked.pop(step).result()
        except BrokenProcessPool as error:
            raise DataError(
                "a process that makes batches died, perhaps for want of memory\n"
                "  fix: run the same command again to go on; smaller pictures (Recorded.size) or batches need less"
            ) from error
        self._stream.bad.update(bad)
        return pickle.loads(packed)


_stream: Stream  # in a loader


def _begin(stream: Stream, parent: int) -> None:
    """In a loader: alone on one thread, deaf to the signals that stop the loop, which saves first and then ends its loaders."""
    global _stream
    _stream = stream
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with(parent)


def _made(step: int) -> tuple[bytes, dict[str, str]]:
    """In a loader: a step, packed, and the bad records so far."""
    packed = BytesIO()
    _Packer(packed, pickle.HIGHEST_PROTOCOL).dump(_stream.step(step))
    return packed.getvalue(), _stream.bad


class _Packer(pickle.Pickler):
    """Tensors as arrays: in one block of bytes, and not through shared memory, of which containers have little."""

    def reducer_override(self, value: Any) -> Any:
        return (torch.from_numpy, (value.numpy(),)) if isinstance(value, Tensor) else NotImplemented
