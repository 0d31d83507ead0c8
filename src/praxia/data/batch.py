"""Batch: what a model sees of several samples at once, and Draws: all randomness of one forward, made outside."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

_ON_HOST = ("affine", "size")  # of views: how pictures are moved is planned on the host, which would have to wait to read them back


@dataclass(frozen=True)
class ViewBatch:
    """Pictures of B samples in V view slots. Sizes may differ between slots, not inside one.

    images: V tensors uint8 [B, H_v, W_v, 3]; affine: float32 [B, V, 2, 3] stored pixel -> transformed picture;
    size: float32 [B, V, 2] (height, width) of the transformed picture (affine and size stay on the CPU when a batch is moved);
    valid: bool [B, V], False = the slot is empty;
    K: float32 [B, V, 3, 3] of the transformed picture, NaN if unknown; T_base_cam: float32 [B, V, 4, 4], NaN if unknown;
    depth: V tensors float32 [B, H_v, W_v] in metres, 0 = unknown, or None; time: float32 [B, V] seconds relative to now.
    colour: float32 [B, V, 4] factors of brightness, contrast, saturation, and turns of hue, or None: as stored.
    whole: of a batch that was moved to a device, whether all of `valid` is True: known without asking the device.
    """

    roles: tuple[str, ...]
    images: tuple[Tensor, ...]
    affine: Tensor
    size: Tensor
    valid: Tensor
    K: Tensor
    T_base_cam: Tensor
    time: Tensor
    depth: tuple[Tensor, ...] | None = None
    colour: Tensor | None = None
    whole: bool = False


@dataclass(frozen=True)
class Tokens:
    """Right-padded token ids. ids: int64 [..., L]; valid: bool [..., L]; said: bool [..., L], of a target that is a conversation: what the model
    has to say in it (None: all that is valid)."""

    ids: Tensor
    valid: Tensor
    said: Tensor | None = None

    @property
    def scored(self) -> Tensor:
        """bool [..., L]: rows of a target that are learnt."""
        return self.valid if self.said is None else self.valid & self.said


@dataclass(frozen=True)
class Chunk:
    """States and actions at consecutive steps, normalised. states: float32 [B, T, Ds]; actions: float32 [B, T, Da]; valid: bool [B, T]."""

    states: Tensor
    actions: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Batch:
    """One micro-batch of B samples: one supervision, one layout. Absent parts are None.

    views: pictures; prompt, target: token ids; state: float32 [B, Ds] normalised proprioception now;
    future, past: chunks of H and Hh steps; action_dims: bool [B, Da], dims this robot has;
    embodiment: int64 [B] index into the recipe's embodiments;
    dense: further targets by name (each objective's docstring says which it reads and its shape);
    phrases: token ids [B, n, L] of the texts that dense targets speak of;
    sample_index: int64 [B], position of each sample in the stage's draw (errors and caches name it).
    """

    size: int
    views: ViewBatch | None = None
    prompt: Tokens | None = None
    target: Tokens | None = None
    state: Tensor | None = None
    future: Chunk | None = None
    past: Chunk | None = None
    action_dims: Tensor | None = None
    embodiment: Tensor | None = None
    dense: dict[str, Tensor] = field(default_factory=dict)
    phrases: Tokens | None = None
    sample_index: Tensor | None = None

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return _moved(self, device)

    def with_target(self, target: Tokens | None) -> "Batch":
        """The same batch with another target."""
        return replace(self, target=target)


@dataclass(frozen=True)
class Draws:
    """All noise, times and masks of one forward, made from a seed outside the model so that implementations compare on the same draws.

    noise: float32 [B, K, H, Da]; time: float32 [B, K] in the head's convention; masks: bool tensors [B] by name (dropped priors, dropped history);
    latent: float32 [B, Z] noise on the encoder's latent.
    """

    noise: Tensor | None = None
    time: Tensor | None = None
    latent: Tensor | None = None
    masks: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> "Draws":
        """The same draws on another device."""
        return _moved(self, device)


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple) and value and isinstance(value[0], Tensor):
        return tuple(v.to(device, non_blocking=True) for v in value)
    if isinstance(value, dict):
        return {k: _moved(v, device) for k, v in value.items()}
    if isinstance(value, (Batch, Draws, ViewBatch, Tokens, Chunk)):
        kept = _ON_HOST if isinstance(value, ViewBatch) else ()
        moved = {f.name: getattr(value, f.name) for f in fields(value)}
        if isinstance(value, ViewBatch) and value.valid.device.type == "cpu":
            moved["whole"] = bool(value.valid.all())
        return type(value)(**{name: part if name in kept else _moved(part, device) for name, part in moved.items()})
    return value
