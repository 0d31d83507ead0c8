"""ViT geometry encoder: the embedded default, a plain DINOv2-class ViT seen one picture at a time."""

from dataclasses import dataclass
from typing import Any, NoReturn

from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from praxia.errors import ConfigError
from praxia.models.geometry_nets.geometry_net import GeometryNet
from praxia.registry import register
from praxia.specs import ImageSpec


@register("geometry_net/vit")
@dataclass(frozen=True)
class ViTGeometry:
    """Sizes of the ViT. licence: tag of the weights it is loaded with, kept with every policy that holds them."""

    image_size: int = 96
    patch_size: int = 8
    width: int = 192
    layers: int = 6
    heads: int = 6
    licence: str = "apache-2.0"

    def build(self) -> "ViTGeometryNet":
        """The module with random weights."""
        return ViTGeometryNet(self)


class ViTGeometryNet(GeometryNet):
    """Normalised last states of the library's `Dinov2Model`; the class token is the special token."""

    def __init__(self, spec: ViTGeometry):
        super().__init__()
        self.image_spec = ImageSpec(spec.image_size, "letterbox", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.width, self.licence = spec.width, spec.licence
        self.side = spec.image_size // spec.patch_size
        config = Dinov2Config(
            hidden_size=spec.width,
            num_hidden_layers=spec.layers,
            num_attention_heads=spec.heads,
            image_size=spec.image_size,
            patch_size=spec.patch_size,
            use_mask_token=False,
        )
        self.model = Dinov2Model(config)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        b, v = pixels.shape[:2]
        states = self.model(pixels.flatten(0, 1)).last_hidden_state.unflatten(0, (b, v))
        return states[:, :, 1:].unflatten(2, (self.side, self.side)), states[:, :, :1]

    def reconstruct(self, pixels: Tensor, state: Any = None) -> NoReturn:
        """It has features only."""
        raise ConfigError("geometry net `vit` gives features only, no depth, points or cameras; use `vggt`, `cut3r` or a trained `tabletop` net")
