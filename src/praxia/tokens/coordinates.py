"""Coordinates as text: shares of the shown picture with three decimals, `[(0.412, 0.733)]` for points and `[0.100, 0.200, 0.300, 0.400]` for a box.

x is before y, (0, 0) is the upper left corner of the picture and (1, 1) its lower right corner, so that the middle of pixel u of W is at
(u + 0.5) / W. PokeVLA normalises to [0, 1] and its grounding data writes points this way (RoboPoint); no number tokens are added, because every
tokenizer can write digits and reads them as tokens of their own. What lies on the far border is written 0.999, so that every number is `0.` and
three digits.
"""

import re

import numpy as np

from praxia.errors import ConfigError

_NUMBER = r"\s*(\d*\.?\d+)\s*"
_POINT = re.compile(rf"\({_NUMBER},{_NUMBER}\)")
_BOX = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")
DECIMALS = 3


def pixel_shares(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels float [..., 2] (u, v), integer = pixel centre, of a picture of `size` (height, width) -> shares float64 [..., 2]."""
    return (np.asarray(pixels, np.float64) + 0.5) / np.array([size[1], size[0]])


def share_pixels(shares: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The inverse of `pixel_shares`."""
    return np.asarray(shares, np.float64) * np.array([size[1], size[0]]) - 0.5


def points_text(shares: np.ndarray) -> str:
    """Points float [n, 2] as text."""
    return "[" + ", ".join(f"({_number(x)}, {_number(y)})" for x, y in np.reshape(shares, (-1, 2))) + "]"


def box_text(shares: np.ndarray) -> str:
    """Corners (x1, y1, x2, y2) float [4] as text."""
    return "[" + ", ".join(map(_number, np.ravel(shares))) + "]"


def points_in(text: str) -> np.ndarray:
    """All points of a text as shares float64 [n, 2], in order."""
    return np.array([found.groups() for found in _POINT.finditer(text)], np.float64).reshape(-1, 2)


def box_in(text: str) -> np.ndarray | None:
    """The first box of a text as shares float64 [4]; None without one whose corners are in order."""
    for found in _BOX.finditer(text):
        box = np.array(found.groups(), np.float64)
        if (box[:2] < box[2:]).all():
            return box
    return None


def shares_alone(text: str) -> bool:
    """Whether a text is nothing but points, or one box, in shares of a picture (by the rule of `rewritten` for what is a share)."""
    numbers = [float(number) for number in re.findall(r"\d*\.?\d+", text)]
    places = _BOX.sub("", text, count=1) if _BOX.search(text) else _POINT.sub("", text)
    return bool(numbers) and not places.strip("[], .\n") and max(numbers) <= 1 and "." in text


def rewritten(text: str, moved: "Moved") -> str | None:
    """The text with all its points and boxes moved; None if one of them leaves the picture.

    Corners of a box are moved as they are: no transform that turns pictures may stand between. Numbers above 1, and those of which none has a decimal
    point, are no shares and are left alone.
    """
    for pattern, write in ((_POINT, lambda shares: points_text(shares)[1:-1]), (_BOX, box_text)):
        written, end = "", 0
        for found in pattern.finditer(text):
            shares = np.array(found.groups(), np.float64).reshape(-1, 2)
            if shares.max() > 1 or "." not in found[0]:
                continue
            shares = moved(shares)
            if shares is None:
                return None
            written += text[end : found.start()] + write(shares)
            end = found.end()
        text = written + text[end:]
    return text


class Moved:
    """Shares of a stored picture -> shares of the shown one, by the affine [2, 3] between their pixels; sizes are (height, width)."""

    def __init__(self, affine: np.ndarray, stored: tuple[int, int], shown: tuple[int, int]):
        if np.abs(affine[[0, 1], [1, 0]]).max() > 1e-9:
            raise ConfigError("coordinates in a text cannot follow a picture that is turned: boxes would no longer be upright; leave the turn out")
        self._affine, self._stored, self._shown = affine, stored, shown

    def __call__(self, shares: np.ndarray) -> np.ndarray | None:
        """Points [n, 2], or the two corners of a box; None if a point, or the whole box's middle, leaves the picture. Boxes are cut at the border."""
        pixels = share_pixels(shares, self._stored) @ self._affine[:, :2].T + self._affine[:, 2]
        found = pixel_shares(pixels, self._shown)
        middle = found.mean(0)
        if (middle < 0).any() or (middle > 1).any():
            return None
        return np.clip(found, 0, 1)


def _number(share: float) -> str:
    return f"{min(max(float(share), 0.0), 1 - 10**-DECIMALS):.{DECIMALS}f}"
