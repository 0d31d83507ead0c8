"""What may follow in an answer of poses, so that every generation parses: sections of views, tuples of a name and its numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from praxia.errors import ConfigError
from praxia.tokens.grammar import Ways
from praxia.tokens.pose_vocabulary import LOCATIONS, NO_OBJECT, PoseTokens, kind_names

OBJECT_BOX = ("loc",) * 4 + ("transXY", "transXY", "transZ") + ("size",) * 3 + ("rot",) * 3
OBJECT_CENTRE = OBJECT_BOX[2:]
WAYPOINT = ("loc", "loc", "transXY", "transXY", "transZ", "rot", "rot", "rot")
MOST_TOKENS = 512  # of an answer, as published


class _Slot:
    """Tokens of which any may stand at one place."""

    def __init__(self, ids: Iterable[int]):
        self.ids = frozenset(ids)
        self.rows = torch.tensor(sorted(self.ids))


@dataclass(frozen=True)
class _Line:
    """A tuple. follows: numbers of the lines that may come after it in its section."""

    slots: tuple[_Slot, ...]
    follows: tuple[int, ...]


@dataclass(frozen=True)
class _State:
    """Where an answer stands. follows: lines that may begin, None before the section's delimiter. lines, place: what the open tuple may be, and
    its tokens so far."""

    section: int
    follows: tuple[int, ...] | None
    lines: tuple[int, ...] = ()
    place: int = 0


class PoseGrammar:
    """Callable: ids of an answer so far -> Ways to go on: a name, `<no_object>`, the end, a bin of a number (see `tokens.grammar`).

    The states along the last answer are remembered: one token more costs one step.

    names: what tuples may be called (the class that was asked, or the waypoints of all arms). numbers: kinds of a tuple's numbers, in order; with
    sizes it is an object: any number of them stand in a section, or the name with `<no_object>`. Waypoints stand there in order, each at most once.
    views: sections between <imageK> and </imageK>; 0 = no delimiters. stop: id that ends the answer. most: tokens of an answer; no tuple begins
    that would not leave room for its end and the sections behind it.
    """

    def __init__(
        self, tokenizer: Any, vocabulary: PoseTokens, names: Sequence[str], numbers: Sequence[str], views: int, stop: int, most: int = MOST_TOKENS
    ):
        if views > vocabulary.spec.views:
            raise ConfigError(f"an answer about {views} views needs as many delimiters; PoseVocabulary.views is {vocabulary.spec.views}")
        self._views, self._most, self._size = views, most, len(tokenizer)
        counts = {"transXY": vocabulary.xy.count, "transZ": vocabulary.z.count, "size": vocabulary.size.count}
        counts |= {"loc": LOCATIONS, "rot": vocabulary.spec.rotation}
        widths = {"transXY": vocabulary.spec.xy, "transZ": vocabulary.spec.z, "size": vocabulary.spec.size}
        kinds = {  # tokens beyond the fitted bins mean nothing
            kind: _Slot(tokenizer.convert_tokens_to_ids(kind_names(kind, widths.get(kind, counts[kind]))[: counts[kind]])) for kind in set(numbers)
        }

        self._medians = [slot for kind, slot in kinds.items() if kind != "rot"] if vocabulary.spec.said == "median" else []  # angles have no middle

        def token(name: str) -> _Slot:
            return _Slot([tokenizer.convert_tokens_to_ids(name)])

        self._stop = _Slot([stop])
        self._open, self._close = [token(f"<image{k}>") for k in range(views)], [token(f"</image{k}>") for k in range(views)]
        spoken = [[_Slot([i]) for i in tokenizer.encode(f" {name}", add_special_tokens=False)] for name in names]
        end = [_Slot([i]) for i in tokenizer.encode(";", add_special_tokens=False)]
        objects, count = "size" in numbers, len(names)
        follows = [tuple(range(count)) if objects else tuple(range(i + 1, count)) for i in range(count)]
        self._lines = [_Line((*name, *(kinds[k] for k in numbers), *end), after) for name, after in zip(spoken, follows, strict=True)]
        if objects:
            self._lines += [_Line((*name, token(NO_OBJECT)), ()) for name in spoken]
        self._first = tuple(range(len(self._lines)))
        self._ids: list[int] = []
        self._states = [_State(0, None if views else self._first)]

    def __call__(self, ids: Sequence[int]) -> Ways:
        """Raises ConfigError for an answer that this grammar does not make."""
        if list(ids[: len(self._ids)]) != self._ids:
            del self._ids[:], self._states[1:]
        for token in ids[len(self._ids) :]:
            self._states.append(self._after(self._states[-1], token, len(self._ids)))
            self._ids.append(token)
        numbers, slots = torch.zeros(self._size, dtype=torch.int64), self._slots(self._states[-1], len(ids))
        for number, slot in enumerate(slots, start=1):
            numbers[slot.rows] = number
        return Ways(numbers, frozenset(number for number, slot in enumerate(slots, start=1) if slot in self._medians))

    def _slots(self, state: _State, said: int) -> list[_Slot]:
        """What may come next, `said` tokens into the answer."""
        if state.lines:
            return [self._lines[i].slots[state.place] for i in state.lines]
        if state.follows is None:
            return [self._open[state.section] if state.section < self._views else self._stop]
        return [self._end(state), *(self._lines[i].slots[0] for i in self._begin(state, said))]

    def _after(self, state: _State, token: int, said: int) -> _State:
        """The state behind a token."""
        if not any(token in slot.ids for slot in self._slots(state, said)):
            raise ConfigError(f"token {token} cannot follow in an answer of poses")
        if not state.lines:
            if state.follows is None:
                return replace(state, follows=self._first)
            if token in self._end(state).ids:
                return _State(state.section + 1, None)
        lines = tuple(i for i in state.lines or self._begin(state, said) if token in self._lines[i].slots[state.place].ids)
        for i in lines:
            if len(self._lines[i].slots) == state.place + 1:
                return _State(state.section, self._lines[i].follows)
        return replace(state, lines=lines, place=state.place + 1)

    def _end(self, state: _State) -> _Slot:
        """What ends the section."""
        return self._close[state.section] if self._views else self._stop

    def _begin(self, state: _State, said: int) -> list[int]:
        """Lines that may begin between tuples: those with room for themselves and for what must stand behind them."""
        behind = 2 * (self._views - state.section) - 1 if self._views else 0
        return [i for i in state.follows or () if said + len(self._lines[i].slots) + behind <= self._most]
