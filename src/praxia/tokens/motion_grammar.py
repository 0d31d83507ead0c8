"""What may follow in an answer of motion, so that every generation is a path: x, y, z in turn, a fixed number of blocks (VIPA-VLA, open point 30)."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from praxia.errors import ConfigError
from praxia.tokens.motion_vocabulary import AXES, CLOSE, NOOP, OPEN, MotionVocabulary, axis_names


class MotionGrammar:
    """Callable: ids of an answer so far -> bool [vocabulary] of the ids that may follow (see `tokens.grammar.Grammar`).

    present: for each block, in order, whether its hand is there. steps: waypoints of a block. stop: id that ends the answer.
    """

    def __init__(self, tokenizer: Any, vocabulary: MotionVocabulary, present: Sequence[bool], steps: int, stop: int):
        if not present or steps < 1:
            raise ConfigError(f"a motion of {len(present)} blocks with {steps} waypoints each says nothing; expected at least 1 of each")
        names = {"open": (OPEN,), "close": (CLOSE,), "noop": (NOOP,)} | {axis: axis_names(axis, vocabulary.bins) for axis in AXES}
        self._ids = {name: frozenset(tokenizer.convert_tokens_to_ids(list(tokens))) for name, tokens in names.items()} | {"stop": frozenset([stop])}
        self._masks = {name: _mask(ids, len(tokenizer)) for name, ids in self._ids.items()}
        self._slots = [slot for there in present for slot in ("open", *(AXES if there else ("noop",) * 3) * steps, "close")]
        self._slots.append("stop")

    def __len__(self) -> int:
        """Tokens of an answer, the end marker included."""
        return len(self._slots)

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Raises ConfigError behind an answer that this grammar does not make."""
        if len(ids) >= len(self._slots) or not all(token in self._ids[slot] for slot, token in zip(self._slots, ids, strict=False)):
            raise ConfigError(f"an answer that begins with tokens {list(ids)[:8]} is not the motion that was asked for")
        return self._masks[self._slots[len(ids)]]


def _mask(ids: Iterable[int], size: int) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[list(ids)] = True
    return mask
