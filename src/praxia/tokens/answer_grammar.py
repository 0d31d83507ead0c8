"""What may follow in an answer that has a form: one of several texts, a point, or a box."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from praxia.errors import ConfigError
from praxia.tokens.coordinates import DECIMALS, box_text, points_text

Encode = Callable[[str], Sequence[int]]  # an answer's text -> its ids without the end marker


class OneOf:
    """Callable: ids of an answer so far -> bool [size] of the ids that may follow (see `tokens.grammar.Grammar`): the answer is one of `texts`."""

    def __init__(self, texts: Sequence[str], encode: Encode, stop: int, size: int):
        self._rows, self._size = [(*encode(text), stop) for text in texts], size

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Raises ConfigError behind an answer that is none of the texts."""
        count = len(ids)
        return _mask({row[count] for row in self._rows if len(row) > count and row[:count] == tuple(ids)}, ids, self._size)


class Coordinates:
    """As `OneOf`: the answer is one point or one box. form: "point" or "box". Which tokens are digits is read off the tokenizer."""

    def __init__(self, form: str, encode: Encode, stop: int, size: int):
        write = points_text if form == "point" else box_text
        nines = (1 - 10.0**-DECIMALS) / 9  # 0.111
        rows = [tuple(encode(write(np.full(2 if form == "point" else 4, digit * nines)))) for digit in range(10)]
        if len({len(row) for row in rows}) > 1 or any(len(set(slot)) not in (1, 10) for slot in zip(*rows, strict=False)):
            raise ConfigError("this tokenizer does not write every digit as a token of its own: no grammar of coordinates can be read off it")
        self._slots, self._size = [set(slot) for slot in zip(*rows, strict=True)] + [{stop}], size

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Raises ConfigError behind an answer that this grammar does not make."""
        fits = len(ids) < len(self._slots) and all(token in slot for token, slot in zip(ids, self._slots, strict=False))
        return _mask(self._slots[len(ids)] if fits else set(), ids, self._size)


def _mask(allowed: set[int], ids: Sequence[int], size: int) -> Tensor:
    if not allowed:
        raise ConfigError(f"an answer that begins with tokens {list(ids)} has not the form that was asked for")
    mask = torch.zeros(size, dtype=torch.bool)
    mask[list(allowed)] = True
    return mask
