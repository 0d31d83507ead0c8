"""What a grammar says: how an answer that has begun may go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Ways:
    """Several ways to go on: a name, the end, one of the bins of a number.

    Whole ways are weighed, then the tokens of the likeliest: a number spread over many bins else loses against a single word that is less likely.

    numbers: int64 [vocabulary], 0 = may not follow, equal numbers = one way. medians: ways whose ids are the bins of one quantity in order, of which
    the middle one of the probability is said in place of the likeliest.
    """

    numbers: Tensor
    medians: frozenset[int] = frozenset()


# Ids of one answer so far -> which ids may follow: bool [vocabulary] if they are all of one way, Ways, or None if all may.
Grammar = Callable[[Sequence[int]], Tensor | Ways | None]
