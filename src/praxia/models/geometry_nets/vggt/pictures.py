"""How VGGT's own loader prepares pictures; policies go through `data.pixels` instead, as everywhere.

All give RGB in [0, 1]; the mean and standard deviation come after. Pictures that differ in size are made one size with white bars.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

PATCH = 14


def load_pictures(pictures: Sequence[Image.Image], fit: Literal["crop", "pad"] = "crop", size: int = 518) -> Tensor:
    """[V, 3, H, W]. crop: width `size`, rows beyond `size` cut off above and below; pad: longer side `size`, white bars to a square."""
    loaded = [_cropped(_rgb(p), size) if fit == "crop" else _padded(_rgb(p), size) for p in pictures]
    height, width = (max(p.shape[i] for p in loaded) for i in (1, 2))
    return torch.stack([_barred(p, height, width) for p in loaded])


def load_squares(pictures: Sequence[Image.Image], size: int = 1024) -> tuple[Tensor, Tensor]:
    """[V, 3, size, size] with black bars drawn before scaling, and [V, 6]: x1, y1, x2, y2 of the content in it, width and height before."""
    squares, places = [], []
    for picture in map(_rgb, pictures):
        width, height = picture.size
        side = max(width, height)
        left, top = (side - width) // 2, (side - height) // 2
        square = Image.new("RGB", (side, side))
        square.paste(picture, (left, top))
        squares.append(_tensor(square.resize((size, size), Image.Resampling.BICUBIC)))
        scale = size / side
        places.append((left * scale, top * scale, (left + width) * scale, (top + height) * scale, width, height))
    return torch.stack(squares), torch.tensor(places, dtype=torch.float32)


def _rgb(picture: Image.Image) -> Image.Image:
    """Transparent pictures lie on white."""
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), picture)
    return picture.convert("RGB")


def _whole(length: float) -> int:
    """The nearest multiple of a patch; ties go to the even one."""
    return PATCH * round(length / PATCH)


def _cropped(picture: Image.Image, size: int) -> Tensor:
    width, height = picture.size
    pixels = _tensor(picture.resize((size, _whole(height * (size / width))), Image.Resampling.BICUBIC))
    start = max(0, (pixels.shape[1] - size) // 2)
    return pixels[:, start : start + size]


def _padded(picture: Image.Image, size: int) -> Tensor:
    width, height = picture.size
    scaled = (size, _whole(height * (size / width))) if width >= height else (_whole(width * (size / height)), size)
    return _barred(_tensor(picture.resize(scaled, Image.Resampling.BICUBIC)), size, size)


def _barred(pixels: Tensor, height: int, width: int) -> Tensor:
    """White around [3, H, W]; of an odd number of rows or columns the larger share is at the bottom and right."""
    down, across = height - pixels.shape[1], width - pixels.shape[2]
    return F.pad(pixels, (across // 2, across - across // 2, down // 2, down - down // 2), value=1.0)


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
