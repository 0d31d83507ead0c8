"""Scores of answers, worked by hand; the mask test on real instance masks."""

import numpy as np
import pytest

from praxia.data.supervision import EmbodiedVQA
from praxia.data.supervision.questions.look import Question
from praxia.evaluate.vqa import Answered, box_iou, kind_scores, majority, point_in_mask, vqa_scores
from praxia.tokens.coordinates import pixel_shares, points_text

REGION = np.zeros((4, 8), bool)
REGION[1, 2:4] = True  # x from 0.25 to 0.5, y from 0.25 to 0.5


def point(said, kind="point"):
    return Answered(Question("grounding", kind, "where ?", "[(0.375, 0.375)]", "point", REGION), said)


def words(answer, said, kind="colour"):
    return Answered(Question("general", kind, "what ?", answer), said)


def box(said):
    return Answered(Question("grounding", "box", "box ?", "[0.200, 0.200, 0.400, 0.400]", "box", box=np.array([0.2, 0.2, 0.4, 0.4])), said)


def test_a_point_counts_where_its_pixel_is_in_the_mask():
    assert point("[(0.250, 0.250)]").score == 1 and point("[(0.499, 0.499)]").score == 1
    assert point("[(0.500, 0.300)]").score == 0 and point("[(0.300, 0.249)]").score == 0
    assert point("[(0.3, 0.3), (0.9, 0.9)]").score == 0.5, "the share of several points"
    assert point("[(1.2, 0.3)]").score == 0 and point("[(1.2, 0.3)]").readable, "outside the picture: wrong, but readable"
    assert point("no idea").score == 0 and not point("no idea").readable


def test_boxes_overlap_as_worked_by_hand():
    assert box_iou(np.array([0, 0, 2, 2]), np.array([1, 1, 3, 3])) == pytest.approx(1 / 7)
    assert box_iou(np.array([0, 0, 1, 1]), np.array([2, 0, 3, 1])) == 0
    assert box_iou(np.array([0, 0, 2, 1]), np.array([0, 0, 1, 1])) == 0.5
    assert box("[0.200, 0.200, 0.400, 0.300]").score == 0, "an IoU of exactly a half is not above it"
    assert box("[0.200, 0.200, 0.400, 0.310]").score == 1
    assert box("[0.4, 0.4, 0.2, 0.2]").iou == 0 and not box("[0.4, 0.4, 0.2, 0.2]").readable


def test_scores_by_group_and_in_all():
    answered = [
        point("[(0.3, 0.3)]"), point("?"), box("[0.200, 0.200, 0.400, 0.400]"), box("[0.200, 0.200, 0.300, 0.400]"),
        words("red", " Red "), words("two", "three", "count"), words("yes", "", "presence"),
    ]  # fmt: skip
    scores = vqa_scores(answered)
    expected = {"score": 0.5, "point_in_mask": 0.5, "box_iou_50": 0.5, "box_iou": 0.75, "unreadable": 0.25, "asked": 4}
    assert scores["grounding"] == pytest.approx(expected)
    assert scores["general"] == {"score": 1 / 3, "exact_match": 1 / 3, "unreadable": 1 / 3, "asked": 3}
    assert scores["all"]["score"] == pytest.approx(3 / 7) and scores["all"]["unreadable"] == pytest.approx(2 / 7) and scores["all"]["asked"] == 7
    assert kind_scores(answered) == {"box": 0.5, "colour": 1, "count": 0, "point": 0.5, "presence": 0}


def test_the_majority_answer_is_that_of_the_training_questions():
    training = [words(a, "").question for a in ("red", "blue", "blue")] + [words("one", "", "count").question]
    corner, regions = np.zeros((40, 80), bool), [np.zeros((40, 80), bool) for _ in range(3)]
    corner[30:, 60:] = True
    for region, column in zip(regions, (0, 10, 20), strict=True):  # all share columns 20 to 29
        region[8:12, column : column + 30] = True
    training += [Question("grounding", "point", "", "[(0.9, 0.9)]", "point", region) for region in (corner, *regions)]
    training += [Question("grounding", "box", "", text, "box") for text in ("[0.0, 0.2, 0.4, 0.4]", "[0.4, 0.2, 0.8, 0.8]")]
    usual = majority(training)
    assert usual(words("red", "").question).said == "blue" and usual(words("two", "", "count").question).said == "one"
    said = usual(point("").question).said
    assert [point_in_mask(said, region) for region in (corner, *regions)] == [0, 1, 1, 1], "the mean of the four answers lies in none of them"
    assert usual(box("").question).said == "[0.200, 0.200, 0.600, 0.600]"
    never = usual(words("yes", "", "presence").question)
    assert never.said == "" and not never.readable


def test_every_pixel_of_a_real_mask_is_right_and_no_other(tabletop_source):
    supervision = EmbodiedVQA(("head",))
    sample = tabletop_source.sample(0, supervision.needs)
    seen = supervision.look(sample)
    mask = next(v.mask for v in sample.views if v.role == "head")
    assert len(seen.things) >= 2
    for thing in seen.things:
        area = mask == thing.truth.instance
        for row, column in np.argwhere(np.ones_like(area))[::3]:
            said = points_text(pixel_shares(np.array([column, row]), mask.shape))
            assert point_in_mask(said, thing.area) == area[row, column]
