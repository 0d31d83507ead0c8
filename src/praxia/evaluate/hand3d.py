"""Hand3D-test (VIPA-VLA Table 8): metric answers about hands, scored by direction and distance; and said motions, scored in millimetres.

Direction: a point for each axis on which the sign (right, left, or not named) is the true one, 0 to 3. Distance: mean |said - true| in metres. An
answer that cannot be read has no direction right and counts as 0 m; so does `in contact` where a distance was asked.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from praxia.geometry.directions import AXES

ALL = "all"
TURNS = ("left", "right", "up", "down", "clockwise", "counterclockwise")
_WORDS = {word: (axis, sign) for axis, pair in enumerate(AXES) for word, sign in zip(pair, (-1, 1), strict=True)}
_WAY = rf"(?:{'|'.join(_WORDS)})"
_NUMBER, _METRES, _DEGREES = r"(\d+(?:\.\d+)?)", r"\s*(?:m|meters?|metres?)", r"\s*(?:degrees?|deg|°)"
_JOIN = r"(?:\s*,\s*and\s+|\s*,\s*|\s+and\s+)"  # between the words of a way: public models write any of them
_DISPLACEMENT = re.compile(rf"({_WAY}(?:{_JOIN}{_WAY})*)\s*[, ]\s*{_NUMBER}{_METRES}")
_DISTANCE = re.compile(_NUMBER + _METRES)
_TURN = re.compile(rf"({'|'.join(TURNS)})\s*[, ]\s*{_NUMBER}{_DEGREES}")


@dataclass(frozen=True)
class Reading:
    """What an answer says. form: displacement, distance, turn or contact; signs: of x, y, z, 0 = not named; metres, degrees: 0 without any."""

    form: str
    signs: tuple[int, int, int] = (0, 0, 0)
    metres: float = 0.0
    turn: str = ""
    degrees: float = 0.0
    contact: bool = False


@dataclass(frozen=True)
class Told:
    """An answer beside the truth. said: None where it cannot be read. kind: of the question, "" if nobody says: "contact" asks whether hand and thing
    touch, "position" and "distance" ask for numbers, whose answer may be that they do."""

    category: str
    truth: Reading
    said: Reading | None
    kind: str = ""

    @property
    def direction(self) -> int:
        """Axes right, 0 to 3."""
        if self.said is None or self.said.form != "displacement":
            return 0
        return sum(a == b for a, b in zip(self.said.signs, self.truth.signs, strict=True))

    @property
    def distance(self) -> float:
        """Metres off."""
        return abs((self.said.metres if self.said else 0.0) - self.truth.metres)


def read(text: str) -> Reading | None:
    """An answer as numbers; None where it has none of the forms, whatever its capitals, full stops and spelling of units. One axis named twice is no
    direction."""
    text = " ".join(text.casefold().split()).rstrip(".! ")
    if text in ("in contact", "not in contact"):
        return Reading("contact", contact=text == "in contact")
    if found := _TURN.fullmatch(text):
        return Reading("turn", turn=found[1], degrees=float(found[2]))
    if found := _DISTANCE.fullmatch(text):
        return Reading("distance", metres=float(found[1]))
    if found := _DISPLACEMENT.fullmatch(text):
        named = [_WORDS[word] for word in re.split(_JOIN, found[1])]
        signs = dict(named)
        return Reading("displacement", (signs.get(0, 0), signs.get(1, 0), signs.get(2, 0)), float(found[2])) if len(signs) == len(named) else None
    return None


def hand3d_scores(told: Sequence[Told]) -> dict[str, dict[str, float]]:
    """Category, or `all` -> name -> number; a name is left out where nothing of its form was asked.

    direction: mean of 0 to 3; distance: mean error, m; contact: share right of what was asked about it; touch: share of touches that were noticed
    where numbers were asked for; turn: share of right directions; degrees: mean error; unreadable: share; asked: number.
    """
    groups: dict[str, list[Told]] = {ALL: list(told)}
    for one in told:
        groups.setdefault(one.category, []).append(one)
    return {name: _scores(some) for name, some in groups.items() if some}


def _scores(some: Sequence[Told]) -> dict[str, float]:
    of = {form: [one for one in some if one.truth.form == form] for form in ("displacement", "distance", "turn", "contact")}
    same = lambda one: one.said is not None and one.said.form == "contact" and one.said.contact == one.truth.contact  # noqa: E731
    measures = {
        "direction": [one.direction for one in of["displacement"]],
        "distance": [one.distance for one in (*of["displacement"], *of["distance"])],
        "contact": [same(one) for one in of["contact"] if one.kind in ("contact", "")],
        "touch": [same(one) for one in of["contact"] if one.kind not in ("contact", "")],
        "turn": [one.said is not None and one.said.turn == one.truth.turn for one in of["turn"]],
        "degrees": [abs((one.said.degrees if one.said else 0.0) - one.truth.degrees) for one in of["turn"]],
        "unreadable": [one.said is None for one in some],
    }
    return {name: float(np.mean(values)) for name, values in measures.items() if values} | {"asked": float(len(some))}


@dataclass(frozen=True)
class MajorityReading:
    """Does not look: of each category and kind of question the commonest form of the training answers, and in it the commonest signs, turn and
    contact, and the median numbers."""

    usual: Mapping[tuple[str, str], Reading]

    def __call__(self, category: str, truth: Reading, kind: str = "") -> Told:
        """Its answer; nothing for a kind of question that training never had."""
        return Told(category, truth, self.usual.get((category, kind)), kind)


def majority(training: Sequence[tuple[str, str, Reading]]) -> MajorityReading:
    """Fitted on (category, kind, answer) of training questions."""
    groups: dict[tuple[str, str], list[Reading]] = {}
    for category, kind, reading in training:
        groups.setdefault((category, kind), []).append(reading)
    return MajorityReading({key: _usual(readings) for key, readings in groups.items()})


def _usual(readings: Sequence[Reading]) -> Reading:
    form = Counter(sorted(r.form for r in readings)).most_common(1)[0][0]
    readings = [r for r in readings if r.form == form]
    return Reading(
        form,
        Counter(sorted(r.signs for r in readings)).most_common(1)[0][0],
        float(np.median([r.metres for r in readings])),
        Counter(sorted(r.turn for r in readings)).most_common(1)[0][0],
        float(np.median([r.degrees for r in readings])),
        Counter(sorted(r.contact for r in readings)).most_common(1)[0][0],
    )
