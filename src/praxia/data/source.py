"""SampleSource: an indexed, map-style source of samples, and what a run gives to open one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, Supervision
from praxia.errors import DataError
from praxia.specs import CameraSpec
from praxia.specs.dims import ActionSpec, StateSpec


class SampleSource(Protocol):
    """Samples by index. `episodes[i]` is the episode of sample i (held-out splits are by episode).

    given: what comes with every picture beside it, as `depth/ROLE` and `cameras/ROLE` (intrinsics).
    """

    name: str
    licence: str
    embodiment: str
    action_spec: ActionSpec
    state_spec: StateSpec
    cameras: tuple[CameraSpec, ...]
    given: frozenset[str]
    episodes: np.ndarray

    def __len__(self) -> int: ...

    def sample(self, index: int, needs: Needs) -> Sample:
        """The sample with the parts `needs` names."""
        ...

    def numbers(self) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """All actions float32 [N, Da] and states float32 [N, Ds], episode after episode, and the rows of each episode: for statistics."""
        ...

    def texts(self) -> tuple[str, ...]:
        """All different instructions."""
        ...


def examples_of(source: SampleSource, indices: Iterable[int], supervision: Supervision) -> Iterator[Example]:
    """What a supervision makes of samples, without those it has nothing to say of and those that cannot be read (training counts and names them).

    Raises the last sample's DataError if not one can be read.
    """
    rng, fault, read = np.random.default_rng(0), None, False
    for index in indices:
        try:
            example = supervision(source.sample(int(index), supervision.needs), rng)
        except DataError as error:
            fault = error
            continue
        read = True
        if example is not None:
            yield example
    if fault is not None and not read:
        raise fault


def spread(count: int, most: int) -> np.ndarray:
    """Up to `most` different indices below `count`, evenly spread, ascending."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def held_out_split(episodes: Sequence[int] | np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and of held-out samples; whole episodes are held out, at least one if fraction > 0 and there are two."""
    episodes = np.asarray(episodes)
    names = np.unique(episodes)
    count = 0 if fraction <= 0 or len(names) < 2 else max(1, round(fraction * len(names)))
    held = np.random.Generator(np.random.Philox(seed)).permutation(names)[:count]
    out = np.isin(episodes, held)
    return np.flatnonzero(~out), np.flatnonzero(out)
