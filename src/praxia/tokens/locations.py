"""Location tokens: a pixel of the padded square picture as two of PaliGemma's 1,024 slots, x then y, each floor(v / side * 1023) (Pose-VLA)."""

import re

import numpy as np

BINS = 1023
_PAIR = re.compile(r"<loc(\d{4})>\s*<loc(\d{4})>")


def square_shares(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels float [..., 2] (u, v) of a picture of `size` (height, width) as shares of its centred padded square, float64 [..., 2]."""
    side = max(size)
    return (np.asarray(pixels, np.float64) + _bars(size)) / side


def share_pixels(shares: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The inverse of `square_shares`."""
    return np.asarray(shares, np.float64) * max(size) - _bars(size)


def share_bins(shares: np.ndarray) -> np.ndarray:
    """Shares float [...] -> bins int64 [...] in 0 .. 1023; what lies outside is clipped to the border."""
    return np.clip(np.floor(np.asarray(shares) * BINS), 0, BINS).astype(int)


def bin_shares(bins: np.ndarray) -> np.ndarray:
    """Bins [...] -> the shares of their middles, float64 [...]."""
    return (np.asarray(bins, np.float64) + 0.5) / BINS


def point_text(uv: np.ndarray, size: tuple[int, int]) -> str:
    """Two tokens for the pixel (u, v) of a picture of `size` (height, width), over the centred padded square, clipped to its border."""
    return "".join(f"<loc{i:04d}>" for i in share_bins(square_shares(uv, size)))


def points_in(text: str, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Pixels (u, v) of every pair of location tokens in a text: the middles of their bins in a picture of `size` (height, width)."""
    pairs = np.array([pair.groups() for pair in _PAIR.finditer(text)], dtype=int).reshape(-1, 2)
    return [(float(u), float(v)) for u, v in share_pixels(bin_shares(pairs), size)]


def _bars(size: tuple[int, int]) -> np.ndarray:
    """Width of the bars left and above, in pixels."""
    return np.array([max(size) - size[1], max(size) - size[0]]) / 2
