"""An answer is read back tuple by tuple, with the view it is about and the certainty of its own tokens."""

import numpy as np
import pytest
from test_pose_grammar import SPEC, TOKENIZER

from praxia.tokens.pose_answer import read_answer
from praxia.tokens.quantity import quantity


@pytest.fixture(scope="module")
def vocabulary():
    rng = np.random.default_rng(0)
    values = {"translation": rng.uniform(0, 1, (500, 3)), "extent": rng.uniform(0, 0.2, (500, 3))}
    return SPEC.fitted(values, {kind: np.ones(500) for kind in values})


def pose(translation):
    return quantity("location", [0.1, 0.2]), quantity("translation", translation), quantity("rotation", [0.1, -0.2, 0.3]), ";"


def test_tuples_come_with_their_view_name_numbers_and_certainty(vocabulary):
    places = [[0.2, 0.3, 0.7], [0.4, 0.1, 0.5], [0.6, 0.2, 0.9]]
    parts = ("<image0> left arm", *pose(places[0]), " right arm", *pose(places[1]), "</image0><image1> left arm", *pose(places[2]), "</image1>")
    ids = TOKENIZER.encode(vocabulary.text(parts), add_special_tokens=False)
    certain = np.log(np.linspace(0.2, 0.9, len(ids)))
    said = read_answer(ids, certain, TOKENIZER, vocabulary)
    assert [(s.view, s.name) for s in said] == [(0, "left arm"), (0, "right arm"), (1, "left arm")]
    for s, place in zip(said, places, strict=True):
        assert s.numbers["translation"].shape == (1, 3) and np.abs(s.numbers["translation"][0] - place).max() < 0.05
        assert s.numbers["location"].shape == (1, 2) and s.numbers["rotation"].shape == (1, 3) and len(s.numbers["extent"]) == 0
    ends = [i for i, token in enumerate(ids) if TOKENIZER.decode([token]).strip() == ";"]
    assert said[0].certainty == pytest.approx(np.exp(certain[1 : ends[0] + 1].mean()))
    assert said[1].certainty == pytest.approx(np.exp(certain[ends[0] + 1 : ends[1] + 1].mean()))


def test_nothing_and_unfinished_ends_are_passed_over(vocabulary):
    parts = ("<image0> red mug<no_object></image0><image1> left arm", *pose([0.2, 0.3, 0.7])[:-1])
    ids = TOKENIZER.encode(vocabulary.text(parts), add_special_tokens=False)
    assert read_answer(ids, [0.0] * len(ids), TOKENIZER, vocabulary) == []


def test_an_absent_class_in_one_view_does_not_blur_the_next(vocabulary):
    parts = ("<image0> red mug<no_object></image0><image1> red mug", *pose([0.2, 0.3, 0.7]), "</image1>")
    ids = TOKENIZER.encode(vocabulary.text(parts), add_special_tokens=False)
    (said,) = read_answer(ids, [0.0] * len(ids), TOKENIZER, vocabulary)
    assert (said.view, said.name, said.certainty) == (1, "red mug", 1.0)
