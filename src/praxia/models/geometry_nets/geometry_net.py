"""GeometryNet: a network that turns pictures into 3-D; one seam for frozen input encoders, for teachers and for those who want depth and poses."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, ViewBatch
from praxia.data.pixels import canvas_transform, view_pixels
from praxia.errors import ConfigError
from praxia.specs import ImageSpec


@dataclass(frozen=True)
class GeometryFeatures:
    """Features of V pictures.

    patches: [B, V, h, w, C]; special: [B, V, s, C] tokens of a whole picture (camera, pose, registers), s may be 0;
    transform: float64 [B, V, 2, 3], pixel of the transformed picture -> pixel of the square the features were computed on; side: of that square.
    """

    patches: Tensor
    special: Tensor
    transform: Tensor
    side: int


@dataclass(frozen=True)
class Reconstruction:
    """What a net makes of V pictures of one scene: several views of a moment, or a video in order.

    depth: float32 [B, V, H, W], z along each optical axis, with depth_confidence of the same shape (larger is surer; 1 where a net has none).
    points: float32 [B, V, H, W, 3] in the camera frame of the first picture, with points_confidence [B, V, H, W].
    T_first_cam: float32 [B, V, 4, 4], frame of each camera -> frame of the first. K: float32 [B, V, 3, 3] of the pictures as the net saw them.
    Lengths are metres if the net is `metric`, else they share one unknown scale. state: what `reconstruct` goes on from; None without memory.
    """

    depth: Tensor
    depth_confidence: Tensor
    points: Tensor
    points_confidence: Tensor
    T_first_cam: Tensor
    K: Tensor
    state: Any = None


class GeometryNet(nn.Module, ABC):
    """A geometry network. width: channels of a feature; licence: tag of its weights; metric: whether its lengths are metres; memory: whether
    `reconstruct` goes on from a state.

    Low precision is by autocast: parameters stay float32, and the heads compute in float32 whatever autocast says.
    """

    image_spec: ImageSpec
    width: int
    licence: str
    metric: bool = False
    memory: bool = False

    @abstractmethod
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels [B, V, 3, H, W] -> patch features [B, V, h, w, C] and special tokens [B, V, s, C]; no dense heads run."""

    def seen(self, pixels: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `forward`, but a view that is not there (valid bool [B, V]) is not looked at, so that its black says nothing to the others; its own
        features are 0. None: all are there, which spares the device a question. (`reconstruct` takes pictures that are all there.)"""
        if valid is None or valid.is_meta or bool(valid.all()):  # on shapes alone nothing is missing
            return self(pixels)
        if not bool(valid.any()):
            patches, special = self(pixels)
            return torch.zeros_like(patches), torch.zeros_like(special)
        found: list[tuple[Tensor, tuple[Tensor, Tensor]]] = []
        for pattern in torch.unique(valid, dim=0):
            if bool(pattern.any()):
                rows = (valid == pattern).all(1)
                found.append((rows[:, None] & pattern, self(pixels[rows][:, pattern])))
        patches, special = (made.new_zeros(*valid.shape, *made.shape[2:]) for made in found[0][1])
        for where, (some_patches, some_special) in found:
            patches[where], special[where] = some_patches.flatten(0, 1), some_special.flatten(0, 1)
        return patches, special

    @abstractmethod
    def reconstruct(self, pixels: Tensor, state: Any = None) -> Reconstruction:
        """Normalised pixels [B, V, 3, H, W] -> depth, points and cameras. state: of an earlier call, for nets that go on from it."""

    def load_checkpoint(self) -> None:
        """Take the weights that the net's spec names (`checkpoint`). Raises CheckpointError, of a net that has none ConfigError."""
        raise ConfigError(f"{type(self).__name__} has no weights to load")

    @torch.no_grad()
    def features(self, batch: Batch) -> GeometryFeatures:
        """Features of the batch's pictures as the sample transforms moved them, in their own colours, without gradients.

        Colour jitter is left out: what a teacher says of a place must not depend on it (PokeVLA: the student's augmentation of geometry alone).
        """
        assert batch.views is not None
        patches, special = self.seen(view_pixels(replace(batch.views, colour=None), self.image_spec), present(batch.views))
        size = batch.views.size
        transform = canvas_transform(size.flatten(0, 1), self.image_spec).unflatten(0, size.shape[:2])
        return GeometryFeatures(patches, special, transform, self.image_spec.size)


def present(views: ViewBatch) -> Tensor | None:
    """Which views are there, bool [B, V]; None where all are known to be, on a device that would have to be waited for."""
    return None if views.whole and views.valid.device.type != "cpu" else views.valid


def check_pixels(pixels: Tensor) -> None:
    """ConfigError unless pixels are [B, V, 3, H, W] with a view."""
    if pixels.ndim != 5 or pixels.shape[1] < 1 or pixels.shape[2] != 3:
        raise ConfigError(f"pixels have shape {list(pixels.shape)}; a geometry net takes [batch, views, 3, height, width] with at least one view")


def refuse_state(name: str, state: Any) -> None:
    """ConfigError if a net without memory is given a state to go on from."""
    if state is not None:
        raise ConfigError(f"{name} has no memory to go on from; give all views at once")


def pretrained(spec: Any) -> GeometryNet:
    """The net of a spec with the weights its `checkpoint` names, frozen. Raises ConfigError without one, CheckpointError if it cannot be read."""
    if not getattr(spec, "checkpoint", ""):
        raise ConfigError(f"{type(spec).__name__}.checkpoint is empty: a geometry net with random weights knows nothing; name a folder or a file")
    net = spec.build()
    net.load_checkpoint()
    return frozen(net)


def frozen(net: GeometryNet) -> GeometryNet:
    """The net with gradients off; its owner keeps it in evaluation mode."""
    return net.eval().requires_grad_(False)
