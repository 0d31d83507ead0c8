"""Waypoints to tokens and back, and the grammar of an answer."""

import numpy as np
import pytest
import torch

from praxia.errors import ConfigError
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.tokens.motion_grammar import MotionGrammar
from praxia.tokens.motion_vocabulary import AXES, CLOSE, MOTION, NOOP, OPEN, MotionVocabulary
from praxia.tokens.quantity import Quantity, quantity

PUBLISHED, SMALL = MotionVocabulary(), MotionVocabulary(bins=16)


def inside(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform((-0.5, -0.5, 0), (0.5, 0.5, 1), (n, 3))


def test_the_published_vocabulary_adds_3075_tokens():
    assert len(PUBLISHED.tokens) == len(set(PUBLISHED.tokens)) == 3 * 1024 + 3
    assert [len(names) for names, circle in PUBLISHED.scales if not circle] == [1024] * 3


def test_the_round_trip_is_within_half_a_millimetre_inside_the_cube():
    points = inside(15)
    back = PUBLISHED.numbers(PUBLISHED.text((quantity(MOTION, points),)))[MOTION]
    assert back.shape == (1, 15, 3) and np.abs(back[0] - points).max() < 0.0005
    many = inside(20_000, 1)
    assert np.abs(PUBLISHED.decode(PUBLISHED.encode(many)) - many).max() <= 1 / 2048 + 1e-12


def test_every_bin_is_its_own_middle_and_the_ends_are_the_walls():
    bins = np.repeat(np.arange(1024)[:, None], 3, axis=1)
    assert np.array_equal(PUBLISHED.encode(PUBLISHED.decode(bins)), bins)
    assert PUBLISHED.encode(np.array([[-0.5, -0.5, 0.0], [0.5, 0.5, 1.0]])).tolist() == [[0, 0, 0], [1023, 1023, 1023]]


def test_points_outside_the_cube_are_written_at_its_wall_and_counted():
    far = np.array([[-3.0, 0.0, 0.5], [0.0, 7.0, 0.5], [0.0, 0.0, -1.0], [0.1, 0.1, 0.1], [np.nan] * 3])
    assert PUBLISHED.encode(far[:3])[[0, 1, 2], [0, 1, 2]].tolist() == [0, 1023, 0]
    assert PUBLISHED.outside(far) == 0.75 and PUBLISHED.outside(np.full((2, 3), np.nan)) == 0.0


def test_the_order_is_x_y_z_and_a_missing_hand_is_three_noops_a_waypoint():
    text = SMALL.text(("go: ", quantity(MOTION, np.array([[-0.5, 0.0, 0.99], [0.49, -0.5, 0.0]])), quantity(MOTION, np.full((2, 3), np.nan))))
    assert text == "go: <mot><mot_x0000><mot_y0008><mot_z0015><mot_x0015><mot_y0000><mot_z0000></mot>" + OPEN + NOOP * 6 + CLOSE
    said = SMALL.numbers(text)[MOTION]
    assert said.shape == (2, 2, 3) and np.isnan(said[1]).all() and not np.isnan(said[0]).any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_waypoint_without_one_of_its_numbers_is_no_hand(axis):
    points = inside(3)
    points[1, axis] = np.nan
    said = SMALL.numbers(SMALL.text((quantity(MOTION, points),)))[MOTION][0]
    assert np.isnan(said).all(-1).tolist() == [False, True, False] and SMALL.outside(points) == 0


@pytest.mark.parametrize(
    "broken",
    [
        "<mot_x0001><mot_y0002><mot_z0003>",  # no block
        "<mot><mot_x0001><mot_y0002></mot>",  # two of three
        "<mot><mot_y0001><mot_x0002><mot_z0003></mot>",  # another order
        "<mot><mot_x0001><mot_noop><mot_z0003></mot>",
        "<mot></mot>",
        "<mot><mot_x9999><mot_y0002><mot_z0003></mot>",  # no such bin
    ],
)
def test_what_is_no_path_is_not_read(broken):
    assert SMALL.numbers(broken)[MOTION].shape == (0, 0, 3)


@pytest.mark.parametrize("bad", [{"bins": 1}, {"cube": ((0.0, 1.0),)}, {"cube": ((0.0, 0.0), (0.0, 1.0), (0.0, 1.0))}, {"row_noise": -1.0}])
def test_impossible_vocabularies_are_refused(bad):
    with pytest.raises(ConfigError, match=f"MotionVocabulary.{next(iter(bad))}.*expected"):
        MotionVocabulary(**bad)


def test_quantities_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match="motion vocabulary"):
        PUBLISHED.text((Quantity("rotation", (0.0, 0.0, 0.0)),))


def grammar(present=(True, False)):
    tokenizer = local_tokenizer(("go",), ("<|im_end|>", "<|endoftext|>", *SMALL.tokens))
    return tokenizer, MotionGrammar(tokenizer, SMALL, present, steps=2, stop=0)


def test_whatever_the_scores_are_an_answer_under_the_grammar_is_a_path():
    tokenizer, allowed = grammar((True, False, True))
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        ids: list[int] = []
        while not ids or ids[-1] != 0:
            scores = torch.randn(len(tokenizer), generator=generator).masked_fill(~allowed(ids), -torch.inf)
            ids.append(int(scores.argmax()))
        assert len(ids) == len(allowed) == 3 * (2 + 2 * len(AXES)) + 1
        said = SMALL.numbers(tokenizer.decode(ids[:-1], skip_special_tokens=False).replace(" ", ""))[MOTION]
        assert said.shape == (3, 2, 3) and np.isnan(said).all((1, 2)).tolist() == [False, True, False]


def test_the_truth_is_allowed_token_by_token_and_anything_else_is_named():
    tokenizer, allowed = grammar()
    text = SMALL.text((quantity(MOTION, inside(2)), quantity(MOTION, np.full((2, 3), np.nan))))
    ids = [*tokenizer.encode(text, add_special_tokens=False), 0]
    assert all(allowed(ids[:k])[token] for k, token in enumerate(ids))
    with pytest.raises(ConfigError, match="not the motion"):
        allowed([ids[1]])
    with pytest.raises(ConfigError, match="not the motion"):
        allowed(ids)
    with pytest.raises(ConfigError, match="at least 1"):
        grammar(())
