"""Loaders: processes that make a stream's steps ahead of the loop. In a thread of the loop's own process they would hold up its interpreter."""

import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections import deque
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch import Tensor

from praxia.data.mixture import MicroBatch
from praxia.errors import ConfigError, DataError
from praxia.processes import end_with
from praxia.train.stream import Stream


@dataclass
class _Loader:
    process: BaseProcess
    pipe: Connection
    asked: deque[int] = field(default_factory=deque)  # steps it has not given yet, in the order it makes them


class Loaders:
    """A stream whose steps are made by `count` processes, each at most one step ahead of what was taken. `with Loaders(stream, 1) as loaders:`.

    The processes are forked (no dataset is opened twice), where the system forks safely: on Linux. Elsewhere, and with count 0, every step is made
    where it is asked for. An error is raised by the `step` that it belongs to. Raises ConfigError for a count below 0.
    """

    def __init__(self, stream: Stream, count: int):
        if count < 0:
            raise ConfigError(f"TrainSettings.loaders is {count}; expected a number of processes, 0 for none")
        self._stream, self._count = stream, count if sys.platform == "linux" else 0
        self._loaders: list[_Loader] = []

    def __enter__(self) -> "Loaders":
        context = multiprocessing.get_context("fork")
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(self._stream, theirs, os.getpid()), name="loader", daemon=True)
            process.start()
            theirs.close()  # its end is then open in the loader alone: when it dies, we notice
            self._loaders.append(_Loader(process, ours))
        return self

    def __exit__(self, *_: object) -> None:
        for loader in self._loaders:
            loader.process.kill()  # it holds nothing that could be lost
            loader.process.join()
            loader.pipe.close()
        self._loaders = []

    def step(self, step: int) -> list[MicroBatch]:
        """Micro-batches of a step; fastest when asked for in order. Raises DataError if a loader died."""
        if not self._loaders:
            return self._stream.step(step)
        try:
            for ahead in range(step, step + self._count + 1):
                self._ask(ahead)
            made, bad = pickle.loads(self._take(step))
        except (EOFError, OSError) as error:
            raise DataError(
                "a process that makes batches died, perhaps for want of memory\n"
                "  fix: run the same command again to go on; smaller pictures (--size) or batches need less"
            ) from error
        if isinstance(made, Exception):
            raise made
        self._stream.met(bad)
        return made

    def _ask(self, step: int) -> None:
        loader = self._loaders[step % self._count]
        if step not in loader.asked:
            loader.pipe.send(step)
            loader.asked.append(step)

    def _take(self, step: int) -> bytes:
        """What the loader gives for a step; what it was asked for before is thrown away."""
        loader = self._loaders[step % self._count]
        while True:
            given = loader.pipe.recv_bytes()
            if loader.asked.popleft() == step:
                return given


def _serve(stream: Stream, pipe: Connection, parent: int) -> None:
    """In a loader: alone on one thread, deaf to the signals that stop the loop, which saves first and then ends its loaders."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    end_with(parent)
    while True:
        step = pipe.recv()
        try:
            made: Any = stream.step(step)
        except Exception as error:  # whatever it is: it belongs to who asks for the step
            made = _sendable(error)
        packed = BytesIO()
        _Packer(packed, pickle.HIGHEST_PROTOCOL).dump((made, stream.bad))
        pipe.send_bytes(packed.getbuffer())


def _sendable(error: Exception) -> Exception:
    """The error with the traceback it has here; a RuntimeError that says both where it cannot be sent."""
    said = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does to itself
        return RuntimeError(said)
    error.add_note(f"in a loader:\n{said}")
    return error


class _Packer(pickle.Pickler):
    """Tensors as arrays: in one block of bytes, and not through shared memory, of which containers have little."""

    def reducer_override(self, value: Any) -> Any:
        return (torch.from_numpy, (value.numpy(),)) if isinstance(value, Tensor) else NotImplemented
