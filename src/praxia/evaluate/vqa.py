"""Scores of answers to questions about pictures: point in mask, box IoU, exact match, by group and in all.

What cannot be read as the form that was asked for is wrong and counted. Points that lie outside the picture are wrong.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from praxia.data.supervision.questions.look import Question
from praxia.tokens.coordinates import box_in, box_text, points_in, points_text

ALL = "all"
OVERLAPS = 0.5  # IoU from which a box is right
GRID = 32  # places a side that the predictor which does not look chooses its point from


@dataclass(frozen=True)
class Answered:
    """A question and what was said to it."""

    question: Question
    said: str

    @property
    def readable(self) -> bool:
        """Whether it has the form of an answer."""
        if self.question.form == "point":
            return len(points_in(self.said)) > 0
        return box_in(self.said) is not None if self.question.form == "box" else bool(self.said.strip())

    @property
    def score(self) -> float:
        """0 to 1: share of the said points that are in the mask; whether a box overlaps enough; whether words are the same."""
        if self.question.form == "point":
            return point_in_mask(self.said, self.question.region)
        return float(self.iou > OVERLAPS) if self.question.form == "box" else float(_words(self.said) == _words(self.question.answer))

    @property
    def iou(self) -> float:
        """Of the said box and the true one; 0 without one."""
        said = box_in(self.said)
        return 0.0 if said is None or self.question.box is None else box_iou(said, self.question.box)


def point_in_mask(said: str, region: np.ndarray | None) -> float:
    """Share of the points of a text that lie in a region bool [H, W]; 0 without any point."""
    points = points_in(said)
    if region is None or not len(points):
        return 0.0
    height, width = region.shape
    columns, rows = np.floor(points * (width, height)).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return float(np.mean([ok and region[row, column] for ok, row, column in zip(inside, rows, columns, strict=True)]))


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two upright rectangles (x1, y1, x2, y2)."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    both = float(np.prod(sides))
    return both / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both)


def vqa_scores(answered: Sequence[Answered]) -> dict[str, dict[str, float]]:
    """Group, or `all` -> name -> number.

    score: mean of each question's own measure; point_in_mask, exact_match: the same of points and of words alone; box_iou: mean; box_iou_50: share
    above 0.5; unreadable: share; asked: number of questions. A name is left out where nothing of its form was asked.
    """
    groups = {ALL: list(answered)}
    for one in answered:
        groups.setdefault(one.question.group, []).append(one)
    return {group: _scores(some) for group, some in groups.items() if some}


def kind_scores(answered: Sequence[Answered]) -> dict[str, float]:
    """Kind of question -> mean score."""
    kinds: dict[str, list[float]] = {}
    for one in answered:
        kinds.setdefault(one.question.kind, []).append(one.score)
    return {kind: float(np.mean(scores)) for kind, scores in sorted(kinds.items())}


@dataclass(frozen=True)
class MajorityAnswer:
    """Does not look: the commonest words of a kind of question in a group, the point that is right most often, the mean box; "" for what it never
    met."""

    answers: dict[tuple[str, str], str]

    def __call__(self, question: Question) -> Answered:
        """Its answer."""
        return Answered(question, self.answers.get((question.group, question.kind), ""))


def majority(training: Sequence[Question]) -> MajorityAnswer:
    """Fitted on training questions."""
    kinds: dict[tuple[str, str], list[Question]] = {}
    for question in training:
        kinds.setdefault((question.group, question.kind), []).append(question)
    return MajorityAnswer({kind: _usual(questions) for kind, questions in kinds.items()})


def _usual(questions: list[Question]) -> str:
    answers = [q.answer for q in questions]
    if questions[0].form == "point":
        return points_text(_usual_point([q.region for q in questions if q.region is not None]))
    if questions[0].form == "box":
        return box_text(np.mean([box for answer in answers if (box := box_in(answer)) is not None], axis=0))
    return Counter(sorted(answers)).most_common(1)[0][0]


def _usual_point(regions: list[np.ndarray]) -> np.ndarray:
    """The point, as shares [2] of width and height, that lies in most of the regions bool [H, W], on a grid; the middlemost of equals."""
    at = (np.arange(GRID) + 0.5) / GRID
    hits = sum((region[np.ix_(*((at * side).astype(int) for side in region.shape))].astype(int) for region in regions), np.zeros((GRID, GRID)))
    best = np.argwhere(hits == hits.max())
    row, column = best[np.argmin(np.linalg.norm(best - best.mean(0), axis=1))]
    return np.array([at[column], at[row]])


def _scores(some: list[Answered]) -> dict[str, float]:
    found = {"score": float(np.mean([one.score for one in some]))}
    for form, name in (("point", "point_in_mask"), ("words", "exact_match"), ("box", "box_iou_50")):
        if of_form := [one.score for one in some if one.question.form == form]:
            found[name] = float(np.mean(of_form))
    if boxes := [one.iou for one in some if one.question.form == "box"]:
        found["box_iou"] = float(np.mean(boxes))
    return found | {"unreadable": float(np.mean([not one.readable for one in some])), "asked": float(len(some))}


def _words(text: str) -> list[str]:
    return text.casefold().split()
