"""What may follow in an answer of poses, so that every generation parses: sections of views, tuples of a name and its numbers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from praxia.errors import ConfigError
from praxia.tokens.pose_vocabulary import LOCATIONS, NO_OBJECT, PoseTokens, kind_names

OBJECT_BOX = ("loc",) * 4 + ("transXY", "transXY", "transZ") + ("size",) * 3 + ("rot",) * 3
OBJECT_CENTRE = OBJECT_BOX[2:]
WAYPOINT = ("loc", "loc", "transXY", "transXY", "transZ", "rot", "rot", "rot")


class PoseGrammar:
    """Callable: ids of an answer so far -> bool [vocabulary] of the ids that may follow (see `models.generate.Grammar`).

    names: what a tuple may be called (the class that was asked, or the waypoints of the arms). numbers: kinds of its numbers, in order.
    views: sections between <imageK> and </imageK>; 0 = no delimiters. most: tuples of a section. stop: id that ends the answer.
    """

    def __init__(self, tokenizer: Any, vocabulary: PoseTokens, names: Sequence[str], numbers: Sequence[str], views: int, stop: int, most: int = 20):
        if views > vocabulary.spec.views:
            raise ConfigError(f"an answer about {views} views needs as many delimiters; PoseVocabulary.views is {vocabulary.spec.views}")
        self._views, self._stop, self._most, self._numbers = views, stop, most, tuple(numbers)
        self._size = len(tokenizer)
        counts = {"transXY": vocabulary.xy.count, "transZ": vocabulary.z.count, "size": vocabulary.size.count}
        counts |= {"loc": LOCATIONS, "rot": vocabulary.spec.rotation}
        widths = {"transXY": vocabulary.spec.xy, "transZ": vocabulary.spec.z, "size": vocabulary.spec.size} | counts
        self._kinds = {  # tokens beyond the fitted bins mean nothing
            kind: tokenizer.convert_tokens_to_ids(kind_names(kind, widths.get(kind, counts[kind]))[: counts[kind]]) for kind in set(numbers)
        }
        self._open = [tokenizer.convert_tokens_to_ids(f"<image{k}>") for k in range(views)]
        self._close = [tokenizer.convert_tokens_to_ids(f"</image{k}>") for k in range(views)]
        self._nothing = tokenizer.convert_tokens_to_ids(NO_OBJECT)
        self._names = [tuple(tokenizer.encode(f" {name}", add_special_tokens=False)) for name in names]
        self._end = tokenizer.encode(";", add_special_tokens=False)

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Replays the answer and says what may come next. Raises ConfigError for an answer that this grammar does not make."""
        allowed = self._start(0)
        section = tuples = 0
        inside: list[int] | None = None  # the open tuple
        for token in ids:
            if token not in allowed:
                raise ConfigError(f"token {token} cannot follow in an answer of poses")
            if inside is None and token in self._open:
                allowed = self._tuple_or_end(section, 0)
            elif inside is None and (token in self._close or token == self._nothing):
                if token == self._nothing:
                    allowed = {self._close[section]} if self._views else {self._stop}
                    continue
                section, tuples = section + 1, 0
                allowed = self._start(section)
            else:
                inside = [*(inside or []), token]
                allowed = self._inside(inside)
                if not allowed:  # the tuple is complete
                    inside, tuples = None, tuples + 1
                    allowed = self._tuple_or_end(section, tuples)
        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[list(allowed)] = True
        return mask

    def _start(self, section: int) -> set[int]:
        """Before a section."""
        if not self._views:
            return self._tuple_or_end(0, 0)
        return {self._open[section]} if section < self._views else {self._stop}

    def _tuple_or_end(self, section: int, tuples: int) -> set[int]:
        """Inside a section, between tuples."""
        allowed = {self._close[section] if self._views else self._stop}
        if tuples == 0:
            allowed.add(self._nothing)
        return allowed | ({name[0] for name in self._names} if tuples < self._most else set())

    def _inside(self, tokens: list[int]) -> set[int]:
        """Inside a tuple; empty behind its semicolon."""
        allowed: set[int] = set()
        for name in self._names:
            count = len(tokens) - len(name)
            if count < 0 and tuple(tokens) == name[: len(tokens)]:
                allowed.add(name[len(tokens)])
            elif count >= 0 and tuple(tokens[: len(name)]) == name:
                if count < len(self._numbers):
                    allowed.update(self._kinds[self._numbers[count]])
                elif count < len(self._numbers) + len(self._end):
                    allowed.add(self._end[count - len(self._numbers)])
        return allowed
