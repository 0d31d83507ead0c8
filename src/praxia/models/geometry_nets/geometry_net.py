"""GeometryNet: a network that turns pictures into 3-D aware features; one seam for frozen input encoders and for teachers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.data.pixels import canvas_transform
from praxia.models.backbones.backbone import view_pixels
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


class GeometryNet(nn.Module, ABC):
    """A geometry network. width: channels of a feature; licence: tag of its weights."""

    image_spec: ImageSpec
    width: int
    licence: str

    @abstractmethod
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, V, 3, S, S] -> patch features [B, V, h, w, C] and special tokens [B, V, s, C]."""

    @torch.no_grad()
    def features(self, batch: Batch) -> GeometryFeatures:
        """Features of the batch's pictures as the sample transforms left them, without gradients."""
        assert batch.views is not None
        patches, special = self(view_pixels(batch.views, self.image_spec))
        size = batch.views.size
        transform = canvas_transform(size.flatten(0, 1), self.image_spec).unflatten(0, size.shape[:2])
        return GeometryFeatures(patches, special, transform, self.image_spec.size)


def frozen(net: GeometryNet) -> GeometryNet:
    """The net with gradients off; its owner keeps it in evaluation mode."""
    return net.eval().requires_grad_(False)
