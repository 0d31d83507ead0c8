"""Quantities: numbers inside a target text that a vocabulary writes as tokens. Supervisions speak in quantities and know no vocabulary."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Quantity:
    """Numbers of one kind; what a kind means is said by the vocabulary that writes it."""

    kind: str
    values: tuple[float, ...]


Parts = tuple[str | Quantity, ...]  # a target text with numbers in it, in order


class FittedVocabulary(Protocol):
    """Writes quantities as tokens and reads them back."""

    def text(self, parts: Parts) -> str:
        """The whole target as text; ConfigError for a kind of quantity it does not have."""
        ...

    def numbers(self, text: str) -> dict[str, np.ndarray]:
        """All quantities in a text, by kind."""
        ...


def quantity(kind: str, values: np.ndarray) -> Quantity:
    """A quantity of an array's numbers, flattened."""
    return Quantity(kind, tuple(float(v) for v in np.ravel(values)))
