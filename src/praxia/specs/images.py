"""CameraSpec: what a view is; ImageSpec: what a consumer of pixels wants."""

from dataclasses import dataclass
from typing import Literal

from praxia.registry import register


@register("spec/camera")
@dataclass(frozen=True)
class CameraSpec:
    """A view by role. Role is identity; size is adaptable (pixels are resampled for each consumer)."""

    role: str  # "head", "wrist", "wrist_left", "wrist_right", ...
    height: int
    width: int
    calibrated: bool = False  # K and T_base_cam come with every frame
    mirrored: bool = False  # left and right are exchanged, as in most public pictures of LIBERO: then never calibrated


@register("spec/image")
@dataclass(frozen=True)
class ImageSpec:
    """Pixels as one consumer (backbone, teacher, encoder) wants them: square size, fit, normalisation of [0, 1] RGB.

    filter: of a picture that is scaled. `bicubic` is Pillow's, rounded to 8-bit levels: what public weights were trained on.
    """

    size: int
    fit: Literal["letterbox", "stretch"] = "letterbox"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    filter: Literal["bilinear", "bicubic"] = "bilinear"
