"""Scores of metric answers: direction of three, metres, what cannot be read, and the predictor that does not look."""

from itertools import product

import pytest

from praxia.evaluate.hand3d import AXES, Reading, Told, hand3d_scores, majority, read


def told(category: str, truth: str, said: str, kind: str = "") -> Told:
    right = read(truth)
    assert right is not None
    return Told(category, right, read(said), kind)


def test_every_displacement_is_read_as_its_signs():
    for signs in product((-1, 0, 1), repeat=3):
        if any(signs):
            words = " and ".join(pair[(sign + 1) // 2] for pair, sign in zip(AXES, signs, strict=True) if sign)
            assert read(f"{words}, 0.44m") == Reading("displacement", signs, 0.44)


def test_the_published_answers_are_read():
    assert read("left and down and forward, 0.44m") == Reading("displacement", (-1, 1, 1), 0.44)
    assert read("left, 12.384 degrees") == Reading("turn", turn="left", degrees=12.384)
    assert read("0.07m") == Reading("distance", metres=0.07) and read(" In  Contact ") == Reading("contact", contact=True)


@pytest.mark.parametrize(
    ("texts", "reading"),
    [
        (
            ("Left and down, 0.44m.", "left, down, 0.44 meters", "left, and down 0.44 m", "LEFT and down, 0.44 metres!"),
            Reading("displacement", (-1, 1, 0), 0.44),
        ),
        (("In contact.", "in contact!"), Reading("contact", contact=True)),
        (("0.30 meter", "0.30m."), Reading("distance", metres=0.3)),
        (("Left, 12.5°", "left 12.5 degree", "left, 12.5 deg."), Reading("turn", turn="left", degrees=12.5)),
    ],
)
def test_public_models_spell_the_same_answer_in_many_ways(texts, reading):
    assert [read(text) for text in texts] == [reading] * len(texts)


NO_ANSWERS = ("", "left", "left and right, 0.10m", "left and left, 0.10m", "left, m", "sideways, 0.10m", "left0.10m", "0.10", "left, 1 degrees m")


@pytest.mark.parametrize("text", NO_ANSWERS)
def test_other_texts_cannot_be_read(text):
    assert read(text) is None


def test_an_axis_each_is_a_point_and_naming_too_much_costs_one():
    truth = "left and forward, 0.30m"
    points_of = {"left and forward": 3, "left": 2, "left and up and forward": 2, "right and down and backward": 0}
    for words, points in points_of.items():
        said = f"{words}, 0.1m"
        assert told("x", truth, said).direction == points
    assert told("x", truth, "in contact").direction == 0 and told("x", truth, "nonsense").direction == 0


def test_scores_by_category_and_in_all():
    answers = [
        told("task", "left, 0.30m", "left, 0.20m"),
        told("task", "up, 0.10m", "mumble"),
        told("relation", "0.50m", "0.45m"),
        told("relation", "not in contact", "in contact"),
        told("relation", "in contact", "in contact"),
        told("camera", "left, 10.000 degrees", "left, 14.000 degrees"),
    ]
    scores = hand3d_scores(answers)
    assert scores["task"] == pytest.approx({"direction": 1.5, "distance": 0.1, "unreadable": 0.5, "asked": 2})
    assert scores["relation"] == pytest.approx({"distance": 0.05, "contact": 0.5, "unreadable": 0, "asked": 3})
    assert scores["camera"] == pytest.approx({"turn": 1, "degrees": 4, "unreadable": 0, "asked": 1})
    assert scores["all"]["direction"] == 1.5 and scores["all"]["distance"] == pytest.approx(0.25 / 3) and scores["all"]["asked"] == 6


def test_contact_is_scored_where_it_was_asked_and_touches_where_numbers_were():
    answers = [
        told("relation", "in contact", "in contact", "contact"),
        told("relation", "in contact", "left, 0.02m", "position"),
        told("relation", "in contact", "in contact", "distance"),
        told("relation", "left, 0.10m", "in contact", "position"),
    ]
    found = hand3d_scores(answers)["relation"]
    assert (found["contact"], found["touch"], found["direction"], found["distance"]) == (1, 0.5, 0, pytest.approx(0.1))


def test_the_majority_answer_takes_no_look_neither_at_the_form():
    texts = ["left, 0.10m", "left, 0.30m", "left and up, 0.20m", "left, 0.90m", "in contact", "not in contact", "not in contact"]
    usual = majority([("task", "position", read(text)) for text in texts] + [("camera", "", read("up, 4.0 degrees"))])
    said = usual("task", read("right and down, 0.20m"), "position")
    assert said.said == Reading("displacement", (-1, 0, 0), 0.25, "", 0.0, False) and said.direction == 1 and said.distance == pytest.approx(0.05)
    assert usual("task", read("in contact"), "position").said == said.said, "that hand and thing touch cannot be known without looking"
    assert usual("camera", read("left, 1.0 degrees")).said.turn == "up" and usual("task", read("left, 0.1m"), "distance").said is None
