"""One pinhole camera for all pictures: metres read off one picture need one focal length (VIPA-VLA default 27; UniHand, §3.7)."""

from dataclasses import dataclass

import numpy as np

from praxia.errors import ConfigError
from praxia.geometry.image_transform import ImageTransform, apply_to_view
from praxia.geometry.scene import View
from praxia.registry import register


@register("data/common_camera")
@dataclass(frozen=True)
class CommonCamera:
    """Fields of view in degrees of the square that every picture becomes: f' = side / (2 tan(fov / 2)) on each axis, u' = s u + (c' - s c).

    UniHand's is 105 by 72.5 (f = 736.63 px at 1920 x 1080, squashed to a square). Where the recording camera did not look, the border of its picture
    is repeated.
    """

    side: int
    horizontal: float = 105.0
    vertical: float = 72.5

    def __post_init__(self) -> None:
        if self.side < 1 or not 0 < self.horizontal < 180 or not 0 < self.vertical < 180:
            raise ConfigError(f"CommonCamera has side {self.side}, {self.horizontal} x {self.vertical} degrees; expected 1 or more, below 180")

    def seen(self, view: View) -> View:
        """The view as this camera sees it; K follows. Positions in the camera frame stay as they are."""
        assert view.camera is not None
        K, side = view.camera.K, self.side
        fov = np.radians((self.horizontal, self.vertical))
        scale = side / (2 * np.tan(fov / 2)) / (K[0, 0], K[1, 1])
        shift = (side - 1) / 2 - scale * K[:2, 2]
        size = view.size if view.size != (0, 0) else (view.image.shape[0], view.image.shape[1])
        return apply_to_view(view, ImageTransform(np.column_stack([np.diag(scale), shift]), size, (side, side)))
