"""How Pose-VLA lays out a target: one section a view, places over the padded square picture."""

from collections.abc import Sequence

import numpy as np

from praxia.tokens.locations import square_shares
from praxia.tokens.quantity import Parts, Quantity, quantity


class Sections:
    """Collects what is said of each view, in the order of the views; neighbouring texts are joined."""

    def __init__(self, delimiters: bool):
        self._delimiters, self._count = delimiters, 0
        self._parts: list[str | Quantity] = []

    def add(self, said: Sequence[str | Quantity]) -> None:
        """The next view's section."""
        if self._delimiters:
            said = [f"<image{self._count}>", *said, f"</image{self._count}>"]
        for part in said:
            if isinstance(part, str) and self._parts and isinstance(self._parts[-1], str):
                self._parts[-1] += part
            else:
                self._parts.append(part)
        self._count += 1

    def parts(self) -> Parts:
        """The whole target."""
        return tuple(self._parts)


def pixel_quantity(pixels: np.ndarray, size: tuple[int, int]) -> Quantity:
    """Pixels float [n, 2] (u, v) of a picture of `size` (height, width) as shares of its centred padded square."""
    return quantity("location", square_shares(pixels, size))
