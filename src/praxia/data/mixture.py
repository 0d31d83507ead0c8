"""Mixture: several sources, each with a share of every step; a pure function of the step number.

Within a source samples come as permutations (one per epoch), so every sample is seen before any is repeated and a run resumes to the exact
sample without loader state. A draw's own randomness is Philox of (seed, source, number of the draw, attempt).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np

from praxia.data.batch import Batch
from praxia.data.collate import Collate
from praxia.data.sample import Sample
from praxia.data.sample_transforms import without_chance
from praxia.data.source import SampleSource, spread
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError, DataError

_ORDER, _DRAW = 0, 1  # streams of randomness: the order of an epoch, what a draw does with its sample


@dataclass(frozen=True)
class MicroBatch:
    """Samples of one supervision and one layout."""

    batch: Batch
    supervision: str


@dataclass(frozen=True)
class Entry:
    """An opened source with what is drawn and said of it. indices: samples it may draw. share: part of the samples of a step.

    depth: the model looks at depth, whatever the supervision needs.
    """

    source: SampleSource
    indices: np.ndarray
    supervision: Any
    transforms: tuple[Any, ...]
    share: float
    depth: bool = False

    @property
    def needs(self) -> Needs:
        """What is read of each sample."""
        needs = self.supervision.needs
        return replace(needs, depth=needs.depth or (self.depth and needs.pictures))

    def shown(self, count: int, needs: Needs | None = None) -> Iterator[tuple[Sample, np.random.Generator]]:
        """Up to `count` samples, evenly spread, as a test shows them, each with randomness of its own; without those that cannot be read (training
        counts and names them). needs: what is read of them, all that the supervision and the model look at if None."""
        for index in self.indices[spread(len(self.indices), count)]:
            rng = np.random.default_rng(int(index))
            try:
                sample = self.source.sample(int(index), needs or self.needs)
            except DataError:
                continue
            for transform in without_chance(self.transforms):
                sample = transform(sample, rng)
            yield sample, rng

    def examples(self, count: int) -> Iterator[Example]:
        """What the supervision says of them."""
        return (example for sample, rng in self.shown(count) if (example := self.supervision(sample, rng)) is not None)


def temperature_weights(sizes: Sequence[int], exponent: float = 0.43) -> list[float]:
    """Shares proportional to n ** exponent, n = index entries of a source (Pose-VLA's sampling)."""
    raw = np.asarray(sizes, float) ** exponent
    return list(raw / raw.sum())


class Mixture:
    """Stream of micro-batches. `step(k)` is the same at any time, on any machine, in any order of calls.

    bad_records: after so many samples that cannot be read it stops; 0 = a thousandth of all, at least 100.
    """

    def __init__(self, entries: Sequence[Entry], collate: Collate, batch: int, seed: int, cycle: int = 1, bad_records: int = 0, attempts: int = 8):
        for entry in entries:
            if len(entry.indices) == 0:
                raise DataError(f"source {entry.source.name!r} has no samples to draw; check its episodes and its held-out fraction")
            if entry.share <= 0:
                raise ConfigError(f"source {entry.source.name!r} has share {entry.share}; give a weight above 0, or leave the source out")
        total = sum(e.share for e in entries)
        self.entries, self.shares = tuple(entries), [e.share / total for e in entries]
        self.collate, self.batch, self.seed, self.cycle = collate, batch, seed, cycle
        self.bad_records = bad_records or max(100, sum(len(e.indices) for e in entries) // 1000)
        self.attempts = attempts
        self.bad: dict[str, str] = {}
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def open(self) -> None:
        """Read one sample of every source as a step will: what that decodes for later is then there, for all processes."""
        for entry in self.entries:
            for index in entry.indices[: self.attempts]:
                try:
                    entry.source.sample(int(index), entry.needs)
                    break
                except DataError:
                    continue  # a bad record is counted when it is drawn

    def step(self, step: int) -> list[MicroBatch]:
        """Micro-batches of a step, `batch` samples in all, grouped by supervision and by the shapes of their parts."""
        groups: dict[tuple, list[tuple[int, Example]]] = {}
        for number, position in self._draws(step):
            entry = self.entries[number]
            index, example = self._example(number, position)
            groups.setdefault((entry.supervision.name, *_shapes(example)), []).append((index, example))
        return [MicroBatch(self.collate([e for _, e in rows], [i for i, _ in rows]), key[0]) for key, rows in groups.items()]

    def fixed(self, batches: int) -> list[MicroBatch]:
        """The first `batches` steps, or as many as show every sample once: a fixed set, for validation."""
        once = max(len(e.indices) / share for e, share in zip(self.entries, self.shares, strict=True)) / self.batch
        return [micro for step in range(min(batches, ceil(once))) for micro in self.step(step)]

    def table(self) -> list[tuple[str, int, float]]:
        """(source:supervision, samples it has, share) per entry."""
        return [(f"{e.source.name}:{e.supervision.name}", len(e.indices), share) for e, share in zip(self.entries, self.shares, strict=True)]

    def _draws(self, step: int) -> list[tuple[int, int]]:
        """(entry, position) of a step's samples: those of its cycle, cut into steps; what can share micro-batches stands together."""
        cycle, place = divmod(step, self.cycle)
        before, after = (self._counts(k * self.cycle * self.batch) for k in (cycle, cycle + 1))
        names = [(e.supervision.name, *(camera.role for camera in e.source.cameras)) for e in self.entries]
        laid_out = [
            (names.index(names[n]), (p + 0.5 - before[n]) / (after[n] - before[n]), n, p)
            for n in range(len(names))
            for p in range(before[n], after[n])
        ]
        return [(n, p) for _, _, n, p in sorted(laid_out)[place * self.batch : (place + 1) * self.batch]]

    def _counts(self, draws: int) -> list[int]:
        """How many of the first `draws` samples come from each source: their sum is exact, each is its share to within one, none ever shrinks."""
        counts, left, mass = [], draws, 1.0
        for share in self.shares[:-1]:
            counts.append(floor(left * min(1.0, share / mass) + 0.5))
            left, mass = left - counts[-1], mass - share
        return [*counts, left]

    def _index(self, number: int, position: int) -> int:
        indices = self.entries[number].indices
        epoch, place = divmod(position, len(indices))
        key = (number, epoch)
        if key not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[0] != number or k[1] >= epoch - 1}
            self._orders[key] = self._random(_ORDER, number, epoch).permutation(len(indices))
        return int(indices[self._orders[key][place]])

    def _example(self, number: int, position: int) -> tuple[int, Example]:
        """Index and example of a draw; a sample that cannot be read or has nothing to say is replaced by another, and a bad one is counted."""
        entry, index, fault = self.entries[number], self._index(number, position), ""
        for attempt in range(self.attempts):
            rng = self._random(_DRAW, number, position, attempt)
            try:
                sample = entry.source.sample(index, entry.needs)
                for transform in entry.transforms:
                    sample = transform(sample, rng)
                example = entry.supervision(sample, rng)
            except DataError as error:
                fault = f"; the last one: {error}"
                self.met({f"{entry.source.name}[{index}]": str(error)})
                example = None
            if example is not None:
                return index, example
            index = int(entry.indices[rng.integers(len(entry.indices))])
        raise DataError(
            f"source {entry.source.name!r}: {self.attempts} samples in a row gave no example for supervision {entry.supervision.name!r}{fault}\n"
            f"  fix: check that the data has what it needs, {entry.needs}, and run `praxia data verify`"
        )

    def _random(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox([self.seed, *key]))

    def met(self, bad: Mapping[str, str]) -> None:
        """Count bad records. Raises DataError if they are more than `bad_records` by now."""
        self.bad.update(bad)
        if len(self.bad) > self.bad_records:
            shown = "\n  ".join(f"{k}: {v}" for k, v in list(self.bad.items())[:5])
            raise DataError(f"more than {self.bad_records} bad records; the first ones:\n  {shown}\n  fix: run `praxia data verify`")


def _shapes(example: Example) -> tuple:
    """What examples must share to be stacked into one micro-batch."""
    sample = example.sample
    views = tuple((v.role, v.image.shape) for v in sample.views)
    windows = tuple(None if w is None else w.actions.shape for w in (sample.past, sample.future))
    return views, windows, sample.state is None, example.target is None, tuple((k, v.shape) for k, v in sorted(example.dense.items()))
