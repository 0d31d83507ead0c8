"""spatial_vqa: the metric question and answer that a sample of a hand clip brings with it (VIPA-VLA stage 1, arXiv 2512.13080 §3.2)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.registry import register

_WAY = "left and down, 0.44m"
_EXAMPLES = {"distance": "0.44m", "contact": "not in contact", "rotation": "left, 12.384 degrees"}  # by what is asked for; all else is a way


@register("supervision/spatial_vqa")
@dataclass(frozen=True)
class SpatialVQA:
    """Question and answer as they are, about at most `frames` pictures, the last ones (published: 1 to 4 at one a second; at least the
    2 that questions about movement compare).

    example: the question also names an answer of the form that is wanted, for a model that was not taught it (the paper's raw InternVL).
    Answers are words and numbers, `left and down, 0.44m`: what is said is in the last picture's camera frame, so no transform may move a picture
    (`as_taken`).
    """

    frames: int = 4
    example: bool = False
    name: str = "spatial_vqa"
    as_taken: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ConfigError(f"SpatialVQA.frames is {self.frames}; expected at least 2: questions about movement compare two pictures")

    @property
    def needs(self) -> Needs:
        """The pictures alone."""
        return Needs()

    def usual_tokens(self, views: int) -> int:
        """Of an answer such as `left and down and forward, 0.44m`."""
        return 12

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None without question, answer or picture."""
        if not sample.question or not sample.answer or not sample.views:
            return None
        shown = _EXAMPLES.get(sample.form, _WAY)
        question = f"{sample.question} Answer like this: {shown}" if self.example else sample.question
        return Example(replace(sample, views=sample.views[-self.frames :]), question, sample.answer)
