"""Words and numbers of answers, ways to ask, splits."""

import re
import string

import numpy as np
import pytest

from praxia.annotate.hands import HandRules, ObjectRules, ScaleRules
from praxia.annotate.hands.labels import rotation_text
from praxia.annotate.hands.phrases import OF_CATEGORY, WAYS, as_infinitive, ask
from praxia.annotate.hands.questions import counts
from praxia.annotate.hands.splits import splits
from praxia.data.hand_clips.tables import CATEGORIES
from praxia.errors import ConfigError
from praxia.geometry.directions import directions, displacement_text
from praxia.geometry.rotations import axis_angle_to_matrix

OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up", "forward": "backward", "backward": "forward"}


def test_answers_have_the_published_form():
    assert displacement_text(np.array((-0.3, 0.2, 0.25)), 0.3) == "left and down and forward, 0.44m"
    assert displacement_text(np.array((0.0, -0.1, 0.01)), 0.3) == "up, 0.10m"
    assert rotation_text(np.radians((1.0, -12.0, 2.0))) == "left, 12.207 degrees"


def test_flipping_an_axis_flips_its_word_alone_and_length_changes_no_word():
    rng = np.random.default_rng(0)
    for vector in rng.normal(size=(500, 3)):
        words = directions(vector, 0.3)
        assert 1 <= len(words) <= 3 and directions(vector * rng.uniform(0.01, 50), 0.3) == words
        for axis, names in enumerate((("left", "right"), ("up", "down"), ("forward", "backward"))):
            flipped = directions(vector * np.where(np.arange(3) == axis, -1, 1), 0.3)
            assert flipped == tuple(OPPOSITE[w] if w in names else w for w in words)
        assert len(directions(vector, 0.577)) >= 1


@pytest.mark.parametrize(("axis", "word", "seen"), [(1, "right", (1, 0, 1)), (0, "up", (0, -1, 1)), (2, "clockwise", (0, 0, 1))])
def test_a_camera_that_turns_to_something_turns_that_way(axis, word, seen):
    """After a turn to the right, what was on the right is ahead."""
    rotvec = np.zeros(3)
    rotvec[axis] = np.pi / 4
    assert rotation_text(rotvec).startswith(word) and rotation_text(-rotvec).split(",")[0] != word
    ahead = axis_angle_to_matrix(rotvec) @ (0, 0, 1)
    assert np.allclose(ahead / np.abs(ahead).max(), seen)
    if axis == 2:
        assert np.allclose(axis_angle_to_matrix(rotvec) @ (0, -1, 0), (np.sqrt(0.5), -np.sqrt(0.5), 0)), "the top goes to the right"


def test_every_category_has_twenty_ways_to_ask_that_fill_in():
    assert set(OF_CATEGORY) == set(CATEGORIES)
    for kinds in OF_CATEGORY.values():
        ways = [way for kind in kinds for way in WAYS[kind]]
        assert len(set(ways)) == len(ways) >= 20
    for kind, ways in WAYS.items():
        fields = {name for way in ways for _, name, _, _ in string.Formatter().parse(way) if name}
        assert fields == {"task": {"side", "task"}, "movement": {"side"}, "rotation": set()}.get(kind, {"side", "object"})
    rng = np.random.default_rng(0)
    asked = {ask("task", rng, "left", task=as_infinitive(" Pick up the cup. ")) for _ in range(300)}
    assert len(asked) == len(WAYS["task"]) and all("pick up the cup" in text and not re.search(r"[{}]|cup\.[?,]", text) for text in asked)


def test_splits_hold_out_clips_of_every_task_and_one_task_whole():
    tasks = ["a"] * 40 + ["b"] * 3 + ["c"] * 10
    split, whole = splits(tasks, HandRules())
    assert len(whole) == 1 and all((s == "held_out") for s, t in zip(split, tasks, strict=True) if t in whole)
    for task in set(tasks) - whole:
        held = sum(s == "held_out" for s, t in zip(split, tasks, strict=True) if t == task)
        assert held == max(1, round(0.05 * tasks.count(task)))
    names = [f"{'test/' if i % 10 == 0 else ''}{task}/{i}" for i, task in enumerate(tasks)]
    with_test, _ = splits(tasks, HandRules(held_tasks=("b",), held_out=0.0), names)
    assert [i for i, s in enumerate(with_test) if s == "held_out"] == [0, 10, 20, 30, 40, 41, 42, 50], "a part for testing, and the held task"
    assert splits(tasks, HandRules()) == (split, whole) and splits(tasks, HandRules(seed=1))[0] != split
    assert splits(tasks, HandRules(held_tasks=("b",)))[1] == {"b"} and splits(["a", "b"] * 3, HandRules())[1] == frozenset()
    with pytest.raises(ConfigError, match="did you mean"):
        splits(tasks, HandRules(held_tasks=("bb",)))


def test_bad_rules_are_refused():
    with pytest.raises(ConfigError, match="gamma is 0.6"):
        HandRules(gamma=0.6)
    with pytest.raises(ConfigError, match="4 shares"):
        HandRules(mix=(1.0, 0.0))


@pytest.mark.parametrize(
    ("rules", "field", "value"),
    [
        *((ScaleRules, name, -0.1) for name in ("outlier", "agree", "spread", "behind", "quantile")),
        *((ScaleRules, name, 0) for name in ("least_joints", "least_frames", "low", "high")),
        *((ScaleRules, name, value) for name, value in (("agree", 1.1), ("quantile", 1.1), ("quantile", 1.0))),
        *((ScaleRules, "low", 3.0), (ScaleRules, "spread", float("nan")), (ScaleRules, "least_joints", 2.5)),
        *((ObjectRules, "central", 0.0), (ObjectRules, "central", 1.5), (ObjectRules, "least_points", 0), (ObjectRules, "mads", 0.0)),
        *((HandRules, "seconds", value) for value in ((), (0,), (1, -1))),
        *((HandRules, name, 0.0) for name in ("past_s", "contact", "label_hz")),
        *((HandRules, name, -1) for name in ("extent", "still", "least_turn", "questions", "motions", "seed")),
        *((HandRules, name, 1.5) for name in ("outside", "joint_confidence", "held_out")),
        *((HandRules, "mix", (float("nan"), 1.0, 1.0, 1.0)), (HandRules, "questions", 2.5)),
    ],
)
def test_settings_that_cannot_work_are_named(rules, field, value):
    with pytest.raises(ConfigError, match=rf"{rules.__name__}\.{field} is .*expected"):
        rules(**{field: value})


@pytest.mark.parametrize(
    ("total", "mix"), [(24, HandRules.mix), (75, (0.687, 0.249, 0.063, 0.001)), (1, HandRules.mix), (0, HandRules.mix), (7, (0, 1, 0, 2))]
)
def test_shares_add_up_to_what_is_wanted(total, mix):
    rng = np.random.default_rng(0)
    drawn = np.array([counts(total, mix, rng) for _ in range(4000)])
    exact = total * np.array(mix) / sum(mix)
    assert (drawn.sum(1) == total).all() and (np.abs(drawn - exact) < 1).all()
    assert np.abs(drawn.mean(0) - exact).max() < 0.03, "none is favoured"
