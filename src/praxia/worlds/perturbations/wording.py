"""Frames around an instruction: courtesies, and talk that has nothing to do with the scene. They name no object and no colour."""

import numpy as np

POLITE = (
    "please, if it is no trouble: {x}, thank you",
    "may I ask you for something ? {x}",
    "whenever you are ready: {x}, many thanks",
    "there is one thing you could do for me: {x}",
)
INDIRECT = (
    "the next thing on my list is to {x}",
    "I would be glad if somebody could {x}",
    "what is still missing here is for the robot to {x}",
    "it would help me a lot to have the robot {x}",
)
BEFORE = (
    "the weather was lovely this morning.",
    "we have visitors coming in an hour.",
    "I could not sleep last night.",
    "my neighbour has bought a dog.",
)
AFTER = (
    "and then we can all have lunch.",
    "my sister always says that it is easy.",
    "by the way, the trains are late again.",
    "afterwards I will tell you about my holidays.",
)


def pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    """One of them."""
    return choices[int(rng.integers(len(choices)))]


def politely(text: str, rng: np.random.Generator) -> str:
    """A request inside a courtesy."""
    return pick(POLITE, rng).format(x=text)


def indirectly(text: str, rng: np.random.Generator) -> str:
    """An imperative as a wish."""
    return pick(INDIRECT, rng).format(x=text)


def amid_talk(text: str, rng: np.random.Generator, sentences: int = 1) -> str:
    """A request with so many sentences that do not matter before and after it."""
    before, after = ([choices[int(i)] for i in rng.permutation(len(choices))[:sentences]] for choices in (BEFORE, AFTER))
    return " ".join((*before, f"{text}.", *after))
