"""What CUT3R is given and what it keeps: a view (picture, ray map, flags) and the state that goes from frame to frame."""

from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.errors import ConfigError


@dataclass(frozen=True)
class View:
    """One frame of B sequences; a sample shows a picture, asks by a ray map, or both.

    image: [B, 3, H, W] normalised; ray_map: [B, H, W, 6] (`outputs.ray_map`). has_image, has_rays: bool [B], which samples have theirs;
    None = all if it is given. What a flag rules out is never read.
    update: bool [B], False = the frame sees the state and leaves none behind; None = all True. Frames without a picture never leave any.
    reset: bool [B], True = the state starts anew AFTER this frame; None = all False.
    """

    image: Tensor | None = None
    ray_map: Tensor | None = None
    has_image: Tensor | None = None
    has_rays: Tensor | None = None
    update: Tensor | None = None
    reset: Tensor | None = None

    def __post_init__(self) -> None:
        if self.image is None and self.ray_map is None:
            raise ConfigError("View: neither image nor ray_map is given; give one of them")

    @property
    def _given(self) -> Tensor:
        given = self.ray_map if self.image is None else self.image
        assert given is not None
        return given

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return len(self._given)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        shape = self._given.shape
        return (shape[1], shape[2]) if self.image is None else (shape[2], shape[3])

    def shows(self) -> Tensor:
        """bool [B]: samples with a picture."""
        return _flags(self.has_image, self.image is not None, self._given)

    def asks(self) -> Tensor:
        """bool [B]: samples with a ray map."""
        return _flags(self.has_rays, self.ray_map is not None, self._given)

    def commits(self) -> Tensor:
        """bool [B]: samples whose state goes on from this frame."""
        return self.shows() & _flags(self.update, True, self._given)

    def resets(self) -> Tensor:
        """bool [B]: samples whose state starts anew after this frame."""
        return _flags(self.reset, False, self._given)


def _flags(flags: Tensor | None, default: bool, like: Tensor) -> Tensor:
    return torch.full((len(like),), default, dtype=torch.bool, device=like.device) if flags is None else flags.to(like.device)


@dataclass(frozen=True)
class State:
    """What is known after `frames` frames. tokens: [B, S, D]; memory: [B, M, 2 D], of poses.

    T_first_world: [B, 4, 4] of the first frame that was reconstructed, so that later calls answer in the same camera's frame; NaN before that.
    """

    tokens: Tensor
    memory: Tensor
    T_first_world: Tensor
    frames: int = 0
