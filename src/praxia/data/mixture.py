"""Mixture: several sources, each with a share of every step; a pure function of the step number.

Within a source samples come as permutations (one per epoch, Philox(seed, source, epoch)), so every sample is seen before any is repeated and
a run resumes to the exact sample without loader state. A sample's own randomness is Philox(seed, sample index, attempt).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from praxia.data.batch import Batch
from praxia.data.collate import Collate
from praxia.data.source import SampleSource
from praxia.data.supervision.supervision import Example
from praxia.errors import DataError, PraxiaError


@dataclass(frozen=True)
class MicroBatch:
    """Samples of one supervision and one layout."""

    batch: Batch
    supervision: str


@dataclass(frozen=True)
class Entry:
    """An opened source with what is drawn and said of it. indices: samples it may draw. share: part of the samples of a step."""

    source: SampleSource
    indices: np.ndarray
    supervision: Any
    transforms: tuple[Any, ...]
    share: float


def temperature_weights(sizes: Sequence[int], exponent: float = 0.43) -> list[float]:
    """Shares proportional to n ** exponent, n = index entries of a source (Pose-VLA's sampling)."""
    raw = np.asarray(sizes, float) ** exponent
    return list(raw / raw.sum())


class Mixture:
    """Stream of micro-batches. `step(k)` is the same at any time, on any machine, in any order of calls."""

    def __init__(self, entries: Sequence[Entry], collate: Collate, batch: int, seed: int, bad_records: int = 100, attempts: int = 8):
        for entry in entries:
            if len(entry.indices) == 0:
                raise DataError(f"source {entry.source.name!r} has no samples to draw; check its episodes and its held-out fraction")
        total = sum(e.share for e in entries)
        self.entries, self.shares = tuple(entries), [e.share / total for e in entries]
        self.collate, self.batch, self.seed = collate, batch, seed
        self.bad_records, self.attempts = bad_records, attempts
        self.bad: dict[str, str] = {}
        self.drawn: Counter[str] = Counter()
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def step(self, step: int) -> list[MicroBatch]:
        """Micro-batches of a step, grouped by supervision and view roles."""
        groups: dict[tuple, list[tuple[int, Example]]] = {}
        for number, entry in enumerate(self.entries):
            first, last = (int(np.floor(k * self.batch * self.shares[number] + 0.5)) for k in (step, step + 1))
            for position in range(first, last):
                index = self._index(number, position)
                example = self._example(number, index, position)
                key = (entry.supervision.name, tuple(v.role for v in example.sample.views), tuple(sorted(example.dense)))
                groups.setdefault(key, []).append((index, example))
            self.drawn[f"{entry.source.name}:{entry.supervision.name}"] += last - first
        return [MicroBatch(self.collate([e for _, e in rows], [i for i, _ in rows]), key[0]) for key, rows in groups.items()]

    def fixed(self, batches: int) -> list[MicroBatch]:
        """The first `batches` steps: a fixed set, for validation."""
        return [micro for step in range(batches) for micro in self.step(step)]

    def table(self) -> list[tuple[str, int, float, int]]:
        """(source:supervision, samples it has, share, samples drawn so far) per entry."""
        names = [f"{e.source.name}:{e.supervision.name}" for e in self.entries]
        return [(n, len(e.indices), s, self.drawn[n]) for n, e, s in zip(names, self.entries, self.shares, strict=True)]

    def _index(self, number: int, position: int) -> int:
        indices = self.entries[number].indices
        epoch, place = divmod(position, len(indices))
        key = (number, epoch)
        if key not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[0] != number or k[1] >= epoch - 1}
            self._orders[key] = np.random.Generator(np.random.Philox([self.seed, number * 1_000_003 + epoch])).permutation(len(indices))
        return int(indices[self._orders[key][place]])

    def _example(self, number: int, index: int, position: int) -> Example:
        """The example of a sample; one that cannot be read or has nothing to say is replaced by the next, and a bad one is counted."""
        entry = self.entries[number]
        for attempt in range(self.attempts):
            rng = np.random.Generator(np.random.Philox([self.seed, (position << 8) + attempt]))
            try:
                sample = entry.source.sample(index, entry.supervision.needs)
                for transform in entry.transforms:
                    sample = transform(sample, rng)
                example = entry.supervision(sample, rng)
            except PraxiaError as error:
                self._count_bad(f"{entry.source.name}[{index}]", str(error))
                example = None
            if example is not None:
                return example
            index = int(entry.indices[rng.integers(len(entry.indices))])
        raise DataError(
            f"source {entry.source.name!r}: {self.attempts} samples in a row gave no example for supervision {entry.supervision.name!r}; "
            f"check that the data has what it needs: {entry.supervision.needs}"
        )

    def _count_bad(self, record: str, message: str) -> None:
        self.bad[record] = message
        if len(self.bad) > self.bad_records:
            shown = "\n  ".join(f"{k}: {v}" for k, v in list(self.bad.items())[:5])
            raise DataError(f"more than {self.bad_records} bad records; the first ones:\n  {shown}\n  fix: run `praxia data verify`")
