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
    """Texts as recorded, a whole conversation, but for points and boxes (shares of the first view's stored picture): they follow crops and shifts,
    with three decimals."""

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
        texts = [text for text in (rewritten(text, moved) for text in (sample.question, sample.answer, *sample.later)) if text is not None]
        return Example(sample, texts[0], texts[1], later=tuple(texts[2:])) if len(texts) == 2 + len(sample.later) else None
