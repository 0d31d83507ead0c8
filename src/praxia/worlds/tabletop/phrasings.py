"""How tasks are said. Each verb has phrasings for training and others that are held out.

Slots: {object}, {base}, {colour}, {first}, {second}, {giver}, {receiver}.
"""

from typing import Literal

import numpy as np

from praxia.errors import ConfigError, unknown

PhrasingSplit = Literal["train", "held_out"]
SPLITS = ("train", "held_out")

PHRASINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "touch": {
        "train": ("touch the {object}", "reach for the {object}", "move to the {object}", "tap the {object}"),
        "held_out": ("bring the gripper to the {object}", "put the hand on the {object}"),
    },
    "push": {
        "train": (
            "push the {object} to the {colour} zone",
            "push the {object} onto the {colour} circle",
            "slide the {object} to the {colour} zone",
            "move the {object} onto the {colour} zone by pushing it",
        ),
        "held_out": ("shove the {object} over to the {colour} circle", "get the {object} onto the {colour} zone with a push"),
    },
    "place": {
        "train": (
            "put the {object} in the {colour} tray",
            "place the {object} on the {colour} tray",
            "pick up the {object} and put it in the {colour} tray",
            "move the {object} into the {colour} tray",
        ),
        "held_out": ("drop the {object} into the {colour} tray", "the {object} belongs in the {colour} tray"),
    },
    "stack": {
        "train": (
            "stack the {object} on the {base}",
            "put the {object} on top of the {base}",
            "place the {object} on the {base}",
            "pick up the {object} and stack it on the {base}",
        ),
        "held_out": ("set the {object} down on top of the {base}", "the {object} goes on the {base}"),
    },
    "open": {
        "train": ("open the {colour} drawer", "pull the {colour} drawer open", "pull out the {colour} drawer"),
        "held_out": ("slide the {colour} drawer out", "get the {colour} drawer open"),
    },
    "close": {
        "train": ("close the {colour} drawer", "push the {colour} drawer shut", "shut the {colour} drawer"),
        "held_out": ("slide the {colour} drawer back in", "get the {colour} drawer closed"),
    },
    "press": {
        "train": ("press the {colour} button", "push the {colour} button", "push down the {colour} button"),
        "held_out": ("hit the {colour} button", "press down on the {colour} button"),
    },
    "lift": {
        "train": ("lift the {colour} tray", "pick up the {colour} tray with both hands", "raise the {colour} tray"),
        "held_out": ("hold the {colour} tray up", "take the {colour} tray off the table"),
    },
    "hand_over": {
        "train": (
            "hand the {colour} bar from the {giver} hand to the {receiver} hand",
            "pass the {colour} bar from {giver} to {receiver}",
            "take the {colour} bar with the {giver} hand and give it to the {receiver} hand",
        ),
        "held_out": (
            "move the {colour} bar over from the {giver} hand to the {receiver} one",
            "give the {receiver} hand the {colour} bar from the {giver}",
        ),
    },
    "two_step": {
        "train": ("{first}, then {second}", "first {first}, then {second}", "{first} and then {second}"),
        "held_out": ("{first}; after that, {second}", "start: {first}. next: {second}"),
    },
}

# What shall be the case in the end: a request that does not say what to do.
OUTCOMES: dict[str, tuple[str, ...]] = {
    "touch": ("the gripper should be resting against the {object}", "I want to see the fingers on the {object}"),
    "push": (
        "the {colour} zone should be underneath the {object}",
        "I want to see the {object} where the {colour} zone is, without it ever leaving the table",
    ),
    "place": ("the {colour} tray should be holding the {object}", "whoever looks into the {colour} tray should find the {object} there"),
    "stack": ("the {base} should be carrying the {object}", "the {object} should be standing where nothing but the {base} is below it"),
    "open": ("I need to get at what is inside the {colour} drawer", "whoever looks should be able to see into the {colour} drawer"),
    "close": ("nobody should be able to see into the {colour} drawer", "the {colour} drawer should not be sticking out any more"),
    "press": ("the ring around the {colour} button should light up", "the {colour} button should be all the way down"),
    "lift": ("the {colour} tray should be up in the air between both hands", "there should be nothing but air under the {colour} tray"),
    "hand_over": (
        "the {colour} bar, taken by the {giver} hand, should end up in the {receiver} hand alone",
        "the {receiver} hand should be holding the {colour} bar that the {giver} hand has taken",
    ),
    "two_step": ("{first}; once that is so, {second}", "before anything else, {first}; only afterwards, {second}"),
}
# Other things are named, to be left alone.
OTHERS = (
    "never mind the {other}.",
    "I do not care about the {other} today.",
    "leave the {other} as it is.",
    "somebody else will see to the {other}.",
)


def check_split(name: str) -> PhrasingSplit:
    """`name` if it is a phrasing split. Raises ConfigError otherwise."""
    if name not in SPLITS:
        raise ConfigError(unknown("phrasing split", name, SPLITS))
    return name  # type: ignore[return-value]


def say(verb: str, split: PhrasingSplit, words: dict[str, str], rng: np.random.Generator) -> str:
    """One phrasing of `verb` with its slots filled."""
    choices = PHRASINGS[verb][split]
    return choices[int(rng.integers(len(choices)))].format(**words)
