"""embodied_vqa: questions with exact answers about a scene whose truth is known (PokeVLA stage 1, arXiv 2604.20834)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.places import place_targets
from praxia.data.supervision.questions import affordance, general, grounding, reasoning
from praxia.data.supervision.questions.look import GROUPS, Look, Question, look, shuffled
from praxia.data.supervision.supervision import Example, Needs, posed_view
from praxia.errors import ConfigError
from praxia.geometry.scene import Contact
from praxia.registry import register

_TOLD = ("colour", "presence")  # kinds whose answers stand in other questions: a name says both
_DRAWS = 3  # of a question, on average, before a conversation stays shorter


@register("supervision/embodied_vqa")
@dataclass(frozen=True)
class EmbodiedVQA:
    """Questions about one view, each of one of four groups: general, grounding, affordance, reasoning.

    A group is drawn by `sizes` (published: thousands of samples a group), a kind evenly inside it. A kind that has no unambiguous question about
    the sample gives way to another of its group, a group without any to another group.

    Coordinates are texts, `[(0.412, 0.733)]` or `[0.1.., ..]` (`tokens.coordinates`): shares of the shown picture with three decimals, the form the
    paper's normalisation and its grounding data give. Every tokenizer can write digits, so no token is added to a public one; a small model
    learns them, because a digit is one of ten and the first of a number already says where within a tenth of the picture.

    roles: views that are shown, all if empty; the first of them whose camera pose is known is asked about.
    absent: names and categories to ask for where they are not there; without any, presence is not asked.
    contacts: where things are acted on (a world's own table). surface: mask id of what things stand on.
    least_area: share of the picture that a thing must show to be asked about (12 pixels of 64 x 64).
    positions: views in whose frames register tokens also learn where tool and asked things are (`supervision.places`), 0 = none, as published.
    turns: questions of a conversation about the picture, of which every answer is learnt (fewer where it offers no more); scores ask one at a time.
    No answer stands in what was said before: whether something is there, or its colour, is asked at most once and first, a place once.
    beside: supervision that asks nothing (`SceneGrounding`), whose dense targets are taught on the same pictures in the same forward.

    Things are told apart by names. Target and goal must be those of now (recorded row by row, or of tasks of one step).
    """

    roles: tuple[str, ...] = ()
    sizes: tuple[float, float, float, float] = (665.0, 694.0, 553.0, 511.0)
    absent: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    surface: int = 0
    least_area: float = 12 / 64**2
    positions: int = 0
    turns: int = 1
    beside: Any = None
    name: str = "embodied_vqa"

    def __post_init__(self) -> None:
        if len(self.sizes) != len(GROUPS) or min(self.sizes) < 0 or sum(self.sizes) <= 0:
            raise ConfigError(f"EmbodiedVQA.sizes is {self.sizes}; expected one number for each of {', '.join(GROUPS)}, none below 0, not all 0")
        if not 0 <= self.least_area < 1:
            raise ConfigError(f"EmbodiedVQA.least_area is {self.least_area}; expected a share of the picture from 0 to below 1")
        if self.turns < 1:
            raise ConfigError(f"EmbodiedVQA.turns is {self.turns}; expected at least one question about a picture")
        if self.positions < 0:
            raise ConfigError(f"EmbodiedVQA.positions is {self.positions}; expected a number of views, 0 for none")

    @property
    def needs(self) -> Needs:
        """Object truths, masks, and where the tool is."""
        return Needs(objects=True, masks=True, tool_path=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if the view is missing, uncalibrated or without a mask, or nothing can be asked about it or taught beside."""
        seen = self.look(sample)
        asked = self.conversation(seen, rng)
        if not asked:
            return None
        first, *further = asked
        example = replace(self.example(sample, first), later=tuple(text for one in further for text in (one.text, one.answer)))
        if self.beside is None:
            return example
        taught: Example | None = self.beside(example.sample, rng)
        return replace(example, dense=example.dense | taught.dense, phrases=taught.phrases) if taught is not None else None

    def conversation(self, seen: Look | None, rng: np.random.Generator) -> list[Question]:
        """Up to `turns` questions, none of whose answers another gives away."""
        asked: list[Question] = []
        for _ in range(_DRAWS * self.turns if self.turns > 1 else 1):
            question = self._one_of(seen, rng, self._groups(rng))
            if question is None or len(asked) == self.turns:
                break
            told = question.kind in _TOLD
            again = any(q.text == question.text or (q.form != "words" and q.answer == question.answer) for q in asked)
            if not again and not (told and any(q.kind in _TOLD for q in asked)):
                asked.insert(0 if told else len(asked), question)
        return asked

    def question(self, sample: Sample, rng: np.random.Generator, groups: tuple[str, ...] = GROUPS) -> Question | None:
        """A question of the first of the groups that has one; None if none has."""
        return self._one_of(self.look(sample), rng, groups)

    def _groups(self, rng: np.random.Generator) -> tuple[str, ...]:
        """All that are asked, in an order drawn by `sizes`."""
        weights = np.array(self.sizes)
        return tuple(map(str, rng.choice(GROUPS, size=int((weights > 0).sum()), replace=False, p=weights / weights.sum())))

    def _one_of(self, seen: Look | None, rng: np.random.Generator, groups: tuple[str, ...]) -> Question | None:
        if seen is None or not seen.things:
            return None
        for group in groups:
            for kind in shuffled(rng, list(self._kinds(group))):
                if (found := self.ask(seen, kind, rng)) is not None:
                    return found
        return None

    def ask(self, seen: Look, kind: str, rng: np.random.Generator) -> Question | None:
        """A question of one kind (a key of `KINDS`)."""
        ask, facts = KINDS[kind]
        return ask(seen, getattr(self, facts), rng)

    def look(self, sample: Sample) -> Look | None:
        """What the view that is asked about shows."""
        view = posed_view(self.shown(sample), "")
        return None if view is None else look(sample, view, self.least_area)

    def shown(self, sample: Sample) -> Sample:
        """The sample with the views that are shown."""
        return replace(sample, views=tuple(v for v in sample.views if v.role in self.roles)) if self.roles else sample

    def example(self, sample: Sample, question: Question) -> Example:
        """What the model is given for a question."""
        shown = self.shown(sample)
        if not self.positions:
            return Example(shown, question.text, question.answer)
        tool = next((path[0, :3, 3] for path in sample.tool_path.values() if len(path)), np.full(3, np.nan))
        where = np.concatenate([tool[None], question.about[:2], np.full((2, 3), np.nan)])[:3]
        return Example(shown, question.text, question.answer, place_targets(shown, where, self.positions))

    @staticmethod
    def _kinds(group: str) -> tuple[str, ...]:
        return tuple(kind for kind in KINDS if kind.startswith(f"{group}/"))


# group/kind -> who asks it, and which field of the supervision says what only the data's makers know
KINDS = {
    "general/colour": (general.colour, "absent"),
    "general/count": (general.count, "absent"),
    "general/presence": (general.presence, "absent"),
    "general/relation": (general.relation, "absent"),
    "grounding/point": (grounding.point, "surface"),
    "grounding/box": (grounding.box, "surface"),
    "grounding/free": (grounding.free, "surface"),
    "grounding/beside": (grounding.beside, "surface"),
    "affordance/interact": (affordance.interact, "contacts"),
    "reasoning/nearer": (reasoning.nearer, "contacts"),
    "reasoning/next": (reasoning.next_step, "contacts"),
    "reasoning/block": (reasoning.block, "contacts"),
    "reasoning/there": (reasoning.there, "contacts"),
}
