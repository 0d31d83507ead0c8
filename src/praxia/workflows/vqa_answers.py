"""Held-out scenes put to a model that answers questions: its answers beside the truth, a predictor that does not look, and blank pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture
from praxia.data.supervision.embodied_vqa import EmbodiedVQA
from praxia.data.supervision.question_answer import QuestionAnswer
from praxia.data.supervision.questions.look import GROUPS, Question
from praxia.data.supervision.supervision import Example
from praxia.evaluate.vqa import ALL, Answered, kind_scores, majority, vqa_scores
from praxia.geometry.scene import View
from praxia.models.vla import VLA
from praxia.tokens.answer_grammar import Coordinates, OneOf
from praxia.tokens.grammar import Grammar

_AT_ONCE = 32
_LIMIT = 48  # tokens of an answer
_GREY = 127
LEARNT_FROM = 500  # training samples that the predictor which does not look is fitted on


@dataclass(frozen=True)
class Asked:
    """A question with the example that puts it."""

    question: Question
    example: Example


@dataclass(frozen=True)
class Speaker:
    """A model with what turns its answers into texts."""

    model: VLA
    collate: Collate
    tokenizer: Any

    def says(self, asked: Sequence[Asked]) -> list[Answered]:
        """Its answers, the likeliest allowed token at a time. Questions about equally large pictures go together."""
        alike: dict[tuple, list[int]] = {}
        for i, one in enumerate(asked):
            alike.setdefault(tuple((v.role, v.image.shape) for v in one.example.sample.views), []).append(i)
        said: dict[int, str] = {}
        for some in (rows[k : k + _AT_ONCE] for rows in alike.values() for k in range(0, len(rows), _AT_ONCE)):
            batch = self.collate([asked[i].example.question for i in some]).to(next(self.model.parameters()).device)
            answers = self.model.generate(batch, self._stop, _LIMIT, [self._grammar(asked[i].question) for i in some])
            for i, ids, valid in zip(some, answers.ids, answers.valid, strict=True):
                said[i] = self.tokenizer.decode(ids[valid].tolist(), skip_special_tokens=False).strip()
        return [Answered(one.question, said[i]) for i, one in enumerate(asked)]

    @property
    def _stop(self) -> int:
        assert self.model.backbone is not None
        return self.model.backbone.stop_id(self.tokenizer)

    def _ids(self, text: str) -> list[int]:
        """An answer without its end marker."""
        assert self.model.backbone is not None
        ids = self.model.backbone.target_ids(self.tokenizer, text)
        return ids[: ids.index(self._stop)]

    def _grammar(self, question: Question) -> Grammar:
        size, encode = len(self.tokenizer), self._ids
        if question.form != "words":
            return Coordinates(question.form, encode, self._stop, size)
        return OneOf(question.choices, encode, self._stop, size) if question.choices else _anything


def vqa_metrics(training: Mixture, held_out: Mixture, model: VLA, tokenizer: Any, samples: int) -> dict[str, float]:
    """Scores of what the model says to questions about `samples` held-out samples of every source of questions.

    `SUPERVISION/GROUP/SCORE` (`evaluate.vqa.vqa_scores`) and `SUPERVISION/kind/KIND`, the same with `/majority` and `/blank` behind; {} without
    any source of questions.
    """
    speaker = Speaker(model.eval(), held_out.collate, tokenizer)
    found: dict[str, float] = {}
    for name in dict.fromkeys(entry.supervision.name for entry in training.entries if asks(entry.supervision)):
        taught, tested = ([e for e in mixture.entries if e.supervision.name == name] for mixture in (training, held_out))
        found |= {f"{name}/{key}": value for key, value in _scores(speaker, taught, tested, samples).items()}
    return found


def asks(supervision: Any) -> bool:
    """Whether it puts questions that are scored here: made ones, or those that were recorded."""
    return isinstance(supervision, EmbodiedVQA | QuestionAnswer)


def _scores(speaker: Speaker, taught: Sequence[Entry], tested: Sequence[Entry], samples: int) -> dict[str, float]:
    """Of the sources of one supervision."""
    asked = [one for entry in tested for one in ask(entry, samples)]
    if not asked:
        return {}
    usual = majority([one.question for entry in taught for one in ask(entry, LEARNT_FROM // len(taught))])
    told = {
        "": speaker.says(asked),
        "/majority": [usual(one.question) for one in asked],
        "/blank": speaker.says([Asked(one.question, blanked(one.example)) for one in asked]),
    }
    said = {control: vqa_scores(answers) for control, answers in told.items()}
    found = {f"{g}/{score}{control}": v for control, groups in said.items() for g, scores in groups.items() for score, v in scores.items()}
    found = {key: value for key, value in found.items() if not key.endswith(("asked/majority", "asked/blank"))}
    return found | {f"kind/{kind}{c}": value for c, answers in told.items() for kind, value in kind_scores(answers).items()}


def ask(entry: Entry, samples: int) -> list[Asked]:
    """A question of every group about up to `samples` samples of a source of questions, as the entry shows them; of recorded conversations the first
    question of each, if its answer can be scored, in the group of their source; [] of another source."""
    supervision = entry.supervision
    if isinstance(supervision, QuestionAnswer):
        group = entry.source.name if entry.source.name != ALL else f"{ALL}.json"
        return [Asked(q, example) for example in entry.examples(samples) if (q := supervision.question(example, group)) is not None]
    if not isinstance(supervision, EmbodiedVQA):
        return []
    found = []
    for sample, rng in entry.shown(samples):
        for group in (g for g, size in zip(GROUPS, supervision.sizes, strict=True) if size > 0):
            if (question := supervision.question(sample, rng, (group,))) is not None:
                found.append(Asked(question, supervision.example(sample, question)))
    return found


def blanked(example: Example) -> Example:
    """The same question about grey pictures of unknown depth."""

    def blank(view: View) -> View:
        return replace(view, image=np.full_like(view.image, _GREY), depth=None if view.depth is None else np.zeros_like(view.depth))

    return replace(example, sample=replace(example.sample, views=tuple(map(blank, example.sample.views))))


def _anything(ids: Sequence[int]) -> None:
    """No grammar."""
