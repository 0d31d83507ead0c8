"""Stream: micro-batches as a pure function of the step number; made ready (split, draws) on a background thread, in order."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from praxia.data.batch import Batch, Draws
from praxia.data.mixture import MicroBatch
from praxia.models.vla import VLA
from praxia.train.randomness import generator

T = TypeVar("T")


class Stream(Protocol):
    """Where a stage's data comes from. Random access by step: exact resume needs no loader state."""

    @property
    def bad(self) -> dict[str, str]:
        """Records that were skipped so far, and why."""
        ...

    def met(self, bad: Mapping[str, str]) -> None:
        """Add records that were skipped elsewhere. Raises DataError beyond what is bearable."""
        ...

    def step(self, step: int) -> list[MicroBatch]:
        """Micro-batches of a step; the same at any time, in any order of calls."""
        ...

    def validation(self) -> list[MicroBatch]:
        """Fixed held-out micro-batches."""
        ...


@dataclass(frozen=True)
class Prepared:
    """A micro-batch, or a piece of one, with its draws, ready for a forward. micro: its micro-batch's number in the step."""

    batch: Batch
    draws: Draws
    supervision: str
    micro: int = 0

    def to(self, device: torch.device) -> "Prepared":
        """The same on another device."""
        return replace(self, batch=self.batch.to(device), draws=self.draws.to(device))


def prepare(model: VLA, micros: list[MicroBatch], parts: int, pin: bool, *key: int | str) -> list[Prepared]:
    """Draws for each micro-batch (seeded by key and its number), then each split into up to `parts` pieces.

    Drawn before the split: the number of pieces changes memory, not what is learnt. pin: page-locked copies, for fast transfer.
    """
    ready = []
    for number, micro in enumerate(micros):
        draws = model.draw(micro.batch, generator(*key, number))
        for batch, piece in zip(split(micro.batch, parts, micro.batch.size), split(draws, parts, micro.batch.size), strict=True):
            one = Prepared(batch, piece, micro.supervision, number)
            ready.append(_pinned(one) if pin else one)
    return ready


def split(value: Any, parts: int, size: int) -> list[Any]:
    """A Batch or Draws of `size` samples as at most `parts` pieces of nearly equal size, in order."""
    edges = [size * i // parts for i in range(parts + 1)]
    return [value if parts == 1 else _rows(value, a, b) for a, b in pairwise(edges) if b > a]


def _rows(value: Any, start: int, stop: int) -> Any:
    """Rows start:stop of every tensor inside; a Batch's size follows."""
    if isinstance(value, Batch):
        value = replace(value, size=stop - start)
    return _mapped(value, lambda tensor: tensor[start:stop])


def _pinned(value: Any) -> Any:
    return _mapped(value, lambda tensor: tensor.pin_memory())


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same structure of dataclasses, tuples and dictionaries with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_mapped(v, change) for v in value)
    if isinstance(value, dict):
        return {k: _mapped(v, change) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{f.name: _mapped(getattr(value, f.name), change) for f in fields(value)})
    return value


class Prefetch(Generic[T]):
    """Calls make(first), make(first + 1), ... on a background thread, at most `depth` ahead. `with Prefetch(...) as items: items.next()`.

    An error in `make` is raised by the `next` that would have returned its result. waited: seconds that `next` has waited.
    """

    def __init__(self, make: Callable[[int], T], first: int, depth: int):
        self.waited = 0.0
        self._make, self._queue = make, queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(first,), name="prefetch", daemon=True)

    def __enter__(self) -> "Prefetch[T]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def next(self) -> T:
        """The next result, in order."""
        start = time.perf_counter()
        item, error = self._queue.get()
        self.waited += time.perf_counter() - start
        if error is not None:
            raise error
        return item

    def _run(self, step: int) -> None:
        while not self._stop.is_set():
            try:
                result = (self._make(step), None)
            except BaseException as error:  # handed to the consumer, whatever it is
                result = (None, error)
            while not self._stop.is_set():
                try:
                    self._queue.put(result, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if result[1] is not None:
                return
            step += 1
