"""question_answer: the question and the answer that a sample brings with it (LLaVA-style data)."""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.questions.look import Question
from praxia.data.supervision.supervision import Example, Needs, picture_size
from praxia.registry import register
from praxia.tokens.coordinates import Moved, box_in, points_in, rewritten, shares_alone

NEAR = 0.05  # of a picture's sides: how far a said point may be from a recorded one
SHORT = 3  # words of an answer that can be asked for literally
_GRID = 64  # cells a side of the region that counts as near


@register("supervision/question_answer")
@dataclass(frozen=True)
class QuestionAnswer:
    """Texts as recorded, a whole conversation, but for points and boxes (shares of the stored picture): they follow crops and shifts, with three
    decimals."""

    name: str = "question_answer"

    @property
    def needs(self) -> Needs:
        """The picture alone."""
        return Needs()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None without question or answer, or where a place that the texts speak of is not in the shown picture."""
        if not sample.question or not sample.answer:
            return None
        if not sample.views:
            return Example(sample, sample.question, sample.answer, later=sample.later)
        view = sample.views[0]
        moved = Moved(view.affine, (view.image.shape[0], view.image.shape[1]), picture_size(view))
        texts = [text for text in (rewritten(text, moved) for text in (sample.question, sample.answer, *sample.later)) if text is not None]
        return Example(sample, texts[0], texts[1], later=tuple(texts[2:])) if len(texts) == 2 + len(sample.later) else None

    def question(self, example: Example, group: str) -> Question | None:
        """The first question of a conversation, for scoring, if its answer is a box, points, or up to three words: longer ones no two people give
        alike. None without a picture."""
        text, answer = example.prompt, example.target
        if not isinstance(text, str) or not isinstance(answer, str) or not example.sample.views:
            return None
        if shares_alone(answer):
            if (box := box_in(answer)) is not None:
                return Question(group, "box", text, answer, "box", box=box)
            if len(points := points_in(answer)):
                return Question(group, "point", text, answer, "point", region=_near(points))
        return Question(group, "words", text, answer) if len(answer.split()) <= SHORT else None


def _near(points: np.ndarray) -> np.ndarray:
    """Cells bool [64, 64] of a picture within NEAR of one of the points (shares [n, 2])."""
    at = (np.arange(_GRID) + 0.5) / _GRID
    cells = np.stack(np.meshgrid(at, at), axis=-1)
    return np.linalg.norm(cells[:, :, None] - points, axis=-1).min(-1) <= NEAR
