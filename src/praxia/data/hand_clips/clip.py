"""Clip: people's hands over time with everything metric that is known of them; ClipSet: where clips come from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from praxia.geometry.hands import HandPair
from praxia.geometry.scene import View


@dataclass(frozen=True)
class Clip:
    """One recording of T steps.

    hands: in the base frame (the world of the recording). T_base_cam: float64 [T, 4, 4]. frames: int64 [n], steps that have a picture of their own.
    objects: names of what the words are about first, then of what else is there; named: whether the words are known to be about the first. instances:
    their ids in the masks, 0 where there are no masks.
    task: kind of activity, for splits. rate_hz: of the steps.
    """

    name: str
    task: str
    instruction: str
    hands: HandPair
    T_base_cam: np.ndarray
    frames: np.ndarray
    rate_hz: float
    objects: tuple[str, ...] = ()
    instances: tuple[int, ...] = ()
    named: bool = True

    def __len__(self) -> int:
        return len(self.T_base_cam)


class ClipSet(Protocol):
    """Clips by number. depth: whether `view` can give depth; masks: likewise; size: (height, width) of the pictures."""

    name: str
    licence: str
    depth: bool
    masks: bool
    size: tuple[int, int]

    def __len__(self) -> int: ...

    def content(self) -> str:
        """Hex name of the files that the clips are read from: other files have another."""
        ...

    def label(self, number: int) -> tuple[str, str]:
        """Name and task of a clip, without reading it."""
        ...

    def clip(self, number: int) -> Clip:
        """What was recorded, without pictures. Raises DataError for a clip that cannot be read."""
        ...

    def view(self, number: int, step: int, depth: bool = False, masks: bool = False) -> View:
        """The picture at a step that has one, with K and T_base_cam of that picture. Raises DataError for one that cannot be read."""
        ...
