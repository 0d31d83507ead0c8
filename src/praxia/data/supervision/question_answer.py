"""question_answer: the question and the answer that a sample brings with it (LLaVA-style data)."""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, picture_size
from praxia.registry import register
from praxia.tokens.coordinates import Moved, rewritten


@register("supervision/question_answer")
@dataclass(frozen=True)
class QuestionAnswer:
    """Texts as recorded, but for points and boxes (shares of the first view's stored picture): they follow crops and shifts, with three decimals."""

    name: str = "question_answer"

    @property
    def needs(self) -> Needs:
        """The picture alone."""
        return Needs()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None without question, answer or picture, or where a place that the texts speak of is not in the shown picture."""
        if not sample.question or not sample.answer or not sample.views:
            return None
        view = sample.views[0]
        moved = Moved(view.affine, (view.image.shape[0], view.image.shape[1]), picture_size(view))
        question, answer = rewritten(sample.question, moved), rewritten(sample.answer, moved)
        return None if question is None or answer is None else Example(sample, question, answer)
