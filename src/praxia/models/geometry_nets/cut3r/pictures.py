"""How CUT3R's own loader prepares pictures; policies go through `data.pixels` instead, as everywhere."""

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

PATCH = 16
SMALL = 224  # the one size that crops to a square


def load_picture(picture: Image.Image, size: int = 512) -> Tensor:
    """RGB in [-1, 1], [3, H, W]. size: of the long side, then cut about the centre to whole patches; 224: of the square that is cut out.

    A square picture is cut to 4 : 3, as no square was trained on.
    """
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    width, height = picture.size
    picture = _scaled(picture, round(size * max(width / height, height / width)) if size == SMALL else size)
    width, height = picture.size
    x, y = width // 2, height // 2
    if size == SMALL:
        across = down = min(x, y)
    else:
        across, down = (PATCH // 2 * (2 * half // PATCH) for half in (x, y))
        down = 3 * across // 4 if width == height else down
    cut = picture.crop((x - across, y - down, x + across, y + down))
    return (torch.from_numpy(np.array(cut)).permute(2, 0, 1).float() / 255 - 0.5) / 0.5


def _scaled(picture: Image.Image, long_side: int) -> Image.Image:
    longest = max(picture.size)
    kind = Image.Resampling.LANCZOS if longest > long_side else Image.Resampling.BICUBIC
    width, height = (round(side * long_side / longest) for side in picture.size)
    return picture.resize((width, height), kind)
