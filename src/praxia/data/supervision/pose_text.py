"""How Pose-VLA lays out a target: one section a view, places over the padded square picture; and how one that is too long is shortened."""

from collections.abc import Callable, Sequence

import numpy as np

from praxia.errors import ConfigError, DataError
from praxia.tokens.locations import square_shares
from praxia.tokens.quantity import Parts, Quantity, quantity

END = ";"  # of a tuple; like a section's delimiters a part of its own


class Sections:
    """Collects what is said of each view, in the order of the views."""

    def __init__(self, delimiters: bool):
        self._delimiters, self._count = delimiters, 0
        self._parts: list[str | Quantity] = []

    def add(self, said: Sequence[str | Quantity]) -> None:
        """The next view's section."""
        self._parts += [f"<image{self._count}>", *said, f"</image{self._count}>"] if self._delimiters else said
        self._count += 1

    def parts(self) -> Parts:
        """The whole target."""
        return tuple(self._parts)


def shortened(target: Parts, most: int, tokens: Callable[[Parts], int]) -> Parts:
    """The target without the last tuples of its fullest sections (the farthest objects), so many that it has at most `most` tokens.

    Raises DataError if it has more without any tuple.
    """
    while (length := tokens(target)) > most:
        tuples = target.count(END)
        if not tuples:
            raise DataError(f"a target has {length} tokens without a single tuple, at most {max(0, most)} are left for it; raise `most_tokens`")
        for _ in range(max(1, (length - most) * tuples // length)):  # never more than needed: tuples are no longer than length / tuples
            target = _without_one(target)
    return target


def _without_one(target: Parts) -> Parts:
    """Without the last tuple of the section that has most of them."""
    ends: list[list[int]] = [[]]
    for i, part in enumerate(target):
        if part == END:
            ends[-1].append(i)
        elif isinstance(part, str) and part.startswith("</image"):
            ends.append([])
    fullest = max(ends, key=len)
    end = fullest[-1]
    begin = fullest[-2] + 1 if len(fullest) > 1 else next((i + 1 for i in range(end, -1, -1) if str(target[i]).startswith("<image")), 0)
    return target[:begin] + target[end + 1 :]


def check_most_tokens(supervision: str, most: int) -> None:
    """ConfigError for a limit that leaves room for nothing."""
    if most < 1:
        raise ConfigError(f"{supervision}.most_tokens is {most}; expected at least 1 (published: 512)")


def pixel_quantity(pixels: np.ndarray, size: tuple[int, int]) -> Quantity:
    """Pixels float [n, 2] (u, v) of a picture of `size` (height, width) as shares of its centred padded square."""
    return quantity("location", square_shares(pixels, size))
