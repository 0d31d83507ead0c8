"""LIBERO's instructions said otherwise: a small grammar of all 130 of them, by hand. What they are about keeps its name and place."""

import re
from dataclasses import dataclass

import numpy as np

from praxia.errors import ConfigError
from praxia.worlds.libero.scene import Scene
from praxia.worlds.perturbations import Perturbation
from praxia.worlds.perturbations.wording import amid_talk, pick, politely
from praxia.worlds.tabletop.phrasings import OTHERS, OUTCOMES

_VERBS = "pick up|put|place|push|stack|open|close|turn on|turn off"
_WHERE = r"(?:in|on|inside|under|to)\b.*"
_FORMS = (  # (verb, pattern); the first that fits
    ("carry", rf"pick up (?P<x>.+) and (?:put|place) it (?P<where>{_WHERE})"),
    ("push", rf"push (?P<x>.+?) (?P<where>{_WHERE})"),
    ("carry", rf"(?:put|place|stack) (?P<x>.+?) (?P<where>{_WHERE})"),
    ("open", r"open (?P<x>.+)"),
    ("close", r"close (?P<x>.+)"),
    ("on", r"turn on (?P<x>.+)"),
    ("off", r"turn off (?P<x>.+)"),
)
# {x}: what is acted on; {they}: the same as a subject; {them}: it or them.
_OTHERWISE: dict[str, tuple[str, ...]] = {
    "carry": ("take {x} and set {them} down {where}", "get hold of {x} and leave {them} {where}", "grasp {x}, then bring {them} to rest {where}"),
    "push": ("shove {x} {where}", "slide {x} over the table {where}"),
    "open": ("get {x} open", "pull at {x} until nothing keeps it shut"),
    "close": ("shut {x}", "get {x} closed"),
    "on": ("switch {x} on", "set {x} going"),
    "off": ("switch {x} off", "make {x} stop heating"),
}
_OUTCOME: dict[str, tuple[str, ...]] = {
    "carry": ("{they} should end up {where}", "{they} should be resting {where} in the end"),
    "push": ("{they} should end up {where} without ever leaving the table", "{they} should have been slid {where}"),
    "open": ("I need to get at what is inside {x}", "whoever looks should be able to see into {x}"),
    "close": ("nobody should be able to get at what is inside {x}", "{they} should not be open any more"),
    "on": ("{they} should be getting hot", "{they} should be running"),
    "off": ("{they} should be getting cold", "{they} should not be running any more"),
}


@dataclass(frozen=True)
class Clause:
    """One thing to do: verb of `_OTHERWISE`, what with, and where to ("" for verbs without)."""

    verb: str
    x: str
    where: str

    def say(self, forms: dict[str, tuple[str, ...]], rng: np.random.Generator) -> str:
        """In one of the verb's forms."""
        several = self.x.startswith("both ") or self.x == "them"
        they = {"it": "it", "them": "they"}.get(self.x, self.x)
        return pick(forms[self.verb], rng).format(x=self.x, they=they, them="them" if several else "it", where=self.where)


_SPOKEN = {  # where a category is not what instructions call it
    "akita_black_bowl": "black bowl",
    "chefmate_8_frypan": "frying pan",
    "glazed_rim_porcelain_ramekin": "ramekin",
    "porcelain_mug": "white mug",
    "red_coffee_mug": "red mug",
    "white_yellow_mug": "yellow and white mug",
}


def clauses(said: str) -> tuple[Clause, ...]:
    """What an instruction asks for, in order. ConfigError for one that is not of LIBERO's forms."""
    whole = _clause(said) if said.startswith("pick up ") else None
    if whole:
        return (whole,)
    found = [_clause(part) for part in re.split(rf" and (?={_VERBS})", said)]
    if None in found:
        raise ConfigError(f"instruction {said!r}: no wording of it is known; fix: leave the language perturbations out")
    return tuple(clause for clause in found if clause)


def _clause(text: str) -> Clause | None:
    for verb, pattern in _FORMS:
        if found := re.fullmatch(pattern, text):
            return Clause(verb, found["x"], found.groupdict().get("where", ""))
    return None


def reworded(said: str, found: Perturbation, scene: Scene) -> str:
    """The instruction, further from LIBERO's own with every level."""
    rng = found.rng()
    if found.level <= 3:
        frame = {1: lambda text, _: text, 2: politely, 3: amid_talk}[found.level]
        return frame(", and then ".join(clause.say(_OTHERWISE, rng) for clause in clauses(said)), rng)
    outcome = _all([clause.say(_OUTCOME, rng) for clause in clauses(said)], rng)
    if found.level == 4:
        return outcome
    others = unnamed(said, scene)
    return amid_talk(f"{pick(OTHERS, rng).format(other=others[int(rng.integers(len(others)))])} {outcome}" if others else outcome, rng)


def _all(outcomes: list[str], rng: np.random.Generator) -> str:
    return outcomes[0] if len(outcomes) == 1 else pick(OUTCOMES["two_step"], rng).format(first=outcomes[0], second=outcomes[1])


def unnamed(said: str, scene: Scene) -> tuple[str, ...]:
    """Kinds of things in the scene of which the instruction says nothing, as people call them."""
    asked = {thing.category for thing in scene.interesting()}
    words = {word.rstrip("s") for word in said.split()}
    kinds = dict.fromkeys(thing.category for thing in scene.things.values())
    return tuple(
        _SPOKEN.get(kind, kind.replace("_", " ")) for kind in kinds if kind not in asked and kind.rsplit("_", 1)[-1].rstrip("s") not in words
    )
