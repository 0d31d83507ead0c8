"""Location tokens: a pixel of the padded square picture as two of PaliGemma's 1,024 slots, x then y, each floor(v / side * 1023) (Pose-VLA)."""

import re

import numpy as np

BINS = 1023
_PAIR = re.compile(r"<loc(\d{4})>\s*<loc(\d{4})>")


def point_text(uv: np.ndarray, size: tuple[int, int]) -> str:
    """Two tokens for the pixel (u, v) of a picture of `size` (height, width), over the centred padded square, clipped to its border."""
    side = max(size)
    bars = (side - size[1]) / 2, (side - size[0]) / 2
    bins = (int(np.clip(np.floor((float(x) + bar) / side * BINS), 0, BINS)) for x, bar in zip(uv, bars, strict=True))
    return "".join(f"<loc{i:04d}>" for i in bins)


def points_in(text: str, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Pixels (u, v) of every pair of location tokens in a text: the middles of their bins in a picture of `size` (height, width)."""
    side = max(size)
    bars = (side - size[1]) / 2, (side - size[0]) / 2
    middles = ([(int(i) + 0.5) / BINS * side - bar for i, bar in zip(pair.groups(), bars, strict=True)] for pair in _PAIR.finditer(text))
    return [(u, v) for u, v in middles]
