"""placebo: what a spatial supervision asks and shows, answered with words in place of numbers: the control of the claims about pretraining."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.embodied_vqa import EmbodiedVQA
from praxia.data.supervision.hand_motion import HandMotion
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.spatial_vqa import SpatialVQA
from praxia.data.supervision.supervision import Example, Needs
from praxia.data.supervision.waypoints import Waypoints
from praxia.registry import register
from praxia.tokens.motion_vocabulary import MOTION
from praxia.tokens.quantity import Quantity

THINGS = ("mug", "bowl", "box", "can", "bottle", "cube", "ball", "tray")  # said where no names are known
_MARKS = {MOTION: 2}  # tokens around the numbers of a quantity: <mot> and </mot>
_PIECE = re.compile(r"[A-Za-z]+|\d|[^\w\s]| (?=\d)")  # what a tokenizer makes a token each: words, digits, marks, the space before a digit


@register("supervision/placebo")
@dataclass(frozen=True)
class Placebo:
    """The same samples, prompts and sections as `of`, and as many target tokens where a word is a token; every number is a word instead.

    The words are the names of the objects that the views show, in alphabetical order, over and over (where nothing is in sight or no objects are
    known, the target's name, or else `THINGS` from a random one on): what there is, and nothing of where it is. An instruction's words are never
    said: they are the true answer where a motion is described. Answers in plain text (`EmbodiedVQA`, `SpatialVQA`, a motion's description) are
    replaced as a whole, in a conversation every one. An embodied question may have a name or a colour for an answer (what is nearer): none is said
    that shares a word with any answer of its conversation.
    dense: whether the dense targets and phrases of `of` stay, so that nothing but what is said differs; otherwise they are left out.
    """

    of: ObjectPoses | Waypoints | EmbodiedVQA | SpatialVQA | HandMotion
    dense: bool = False
    name: str = "placebo"

    @property
    def as_taken(self) -> bool:
        """As of `of`."""
        return getattr(self.of, "as_taken", False)

    @property
    def needs(self) -> Needs:
        """What `of` needs; for poses also object truths."""
        if isinstance(self.of, SpatialVQA | HandMotion):
            return self.of.needs
        return replace(self.of.needs, objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None where `of` has nothing to say."""
        example = self.of(sample, rng)
        if example is None or example.target is None:
            return None
        words = cycle(self._words(example, rng))
        later = tuple(_instead(text, words) if i % 2 else text for i, text in enumerate(example.later))  # question, answer, question, answer ...
        if isinstance(true := example.target, str):
            said: str | tuple[str, ...] = _instead(true, words)
        else:
            said = tuple(part if isinstance(part, str) else "".join(f" {word}" for word in islice(words, _length(part))) for part in true)
        example = replace(example, target=said, later=later)
        return example if self.dense else replace(example, dense={}, phrases=())

    def _words(self, example: Example, rng: np.random.Generator) -> list[str]:
        """What is said over and over."""
        true = " ".join((str(example.target), *example.later[1::2])).lower()
        answer = set(re.findall(r"[a-z]+", true)) if isinstance(self.of, EmbodiedVQA) else set()
        names = [name.split() for name in self._names(example)]
        words = [word for name in names if not answer & {w.lower() for w in name} for word in name]
        return words or [thing for thing in np.roll(THINGS, -int(rng.integers(len(THINGS)))).tolist() if thing not in answer]

    @staticmethod
    def _names(example: Example) -> list[str]:
        sample, shown = example.sample, ObjectPoses(negatives=0.0)
        names = {v.truth.name for view in sample.views for v in shown.visible(sample.objects, view)} if sample.objects else set()
        return sorted(names) or [sample.target]


def _instead(true: str, words: Iterator[str]) -> str:
    """As many words as a text has pieces."""
    return " ".join(islice(words, len(_PIECE.findall(true))))


def _length(quantity: Quantity) -> int:
    """Tokens that a vocabulary writes it as."""
    return len(quantity.values) + _MARKS.get(quantity.kind, 0)
