"""Coordinates as text: they come back to half a thousandth, and the grammar makes nothing that cannot be read."""

import numpy as np
import pytest
import torch

from praxia.errors import ConfigError
from praxia.recipes.embodied_vqa import vqa_words
from praxia.tokens.answer_grammar import Coordinates, OneOf
from praxia.tokens.coordinates import Moved, box_in, box_text, pixel_shares, points_in, points_text, rewritten, share_pixels
from praxia.tokens.local_tokenizer import local_tokenizer

STOP = 1


@pytest.fixture(scope="module")
def tokenizer():
    return local_tokenizer(vqa_words(), ("<bos>", "<eos>", "<pad>", "<unk>"))


def encode(tokenizer):
    return lambda text: tokenizer.encode(text, add_special_tokens=False)


def test_points_and_boxes_come_back_to_half_a_thousandth(tokenizer):
    rng = np.random.default_rng(0)
    for _ in range(200):
        points, corners = rng.uniform(0, 1, (3, 2)), np.sort(rng.uniform(0, 1, (2, 2)), axis=0).ravel()
        for text, read, truth in ((points_text(points), points_in, points), (box_text(corners), box_in, corners)):
            said = tokenizer.decode(encode(tokenizer)(text))
            assert np.abs(read(said) - truth).max() <= (0.0005 if truth.max() < 0.9985 else 0.001) + 1e-12
    assert points_text(np.array([1.0, 0.0])) == "[(0.999, 0.000)]" and points_text(np.array([0.5, 0.25])) == "[(0.500, 0.250)]"


def test_a_share_is_of_the_picture_from_edge_to_edge():
    assert pixel_shares(np.array([-0.5, 29.5]), (30, 60)).tolist() == [0, 1] and pixel_shares(np.array([0, 0]), (1, 2)).tolist() == [0.25, 0.5]
    pixels = np.random.default_rng(0).uniform(-0.5, 60, (20, 2))
    np.testing.assert_allclose(share_pixels(pixel_shares(pixels, (48, 64)), (48, 64)), pixels)


@pytest.mark.parametrize("text", ["", "somewhere", "(0.1)", "[0.1, 0.2, 0.3]", "[0.5, 0.5, 0.4, 0.6]", "[a, b, c, d]"])
def test_what_is_no_box_and_no_point_is_not_read(text):
    assert box_in(text) is None and len(points_in(text)) == 0


def test_other_spellings_are_read():
    assert points_in("at ( 1 ,.25), maybe (0.5,0.75)").tolist() == [[1, 0.25], [0.5, 0.75]]
    assert box_in("the box is [0, 0.1,1, .9].").tolist() == [0, 0.1, 1, 0.9]


def test_places_in_a_text_follow_a_crop_and_are_refused_outside():
    crop = Moved(np.array([[1.0, 0, -20], [0, 1.0, -10]]), (100, 100), (50, 50))  # columns 20 to 69, rows 10 to 59
    assert rewritten("it is at [(0.30, 0.40)], a ball", crop) == "it is at [(0.200, 0.600)], a ball"
    assert rewritten("[0.1, 0.2, 0.5, 0.3]", crop) == "[0.000, 0.200, 0.600, 0.400]", "cut at the border"
    assert rewritten("at [(0.1, 0.5)]", crop) is None and rewritten("[0.7, 0.7, 0.9, 0.9]", crop) is None
    assert rewritten("the answer is [(412, 733)]", crop) == "the answer is [(412, 733)]", "no shares"
    assert rewritten("f(0, 1) and [0, 1, 1, 0]", crop) == "f(0, 1) and [0, 1, 1, 0]", "nothing says that these are places"
    with pytest.raises(ConfigError, match="turned"):
        Moved(np.array([[0.0, -1, 0], [1, 0, 0]]), (10, 10), (10, 10))


@pytest.mark.parametrize("form", ["point", "box"])
def test_whatever_the_grammar_lets_through_can_be_read(tokenizer, form):
    grammar, rng = Coordinates(form, encode(tokenizer), STOP, len(tokenizer)), np.random.default_rng(1)
    for _ in range(20):
        ids: list[int] = []
        while not ids or ids[-1] != STOP:
            allowed = torch.nonzero(grammar(ids))[:, 0].tolist()
            assert len(allowed) in (1, 10)
            ids.append(int(rng.choice(allowed)))
        said = tokenizer.decode(ids[:-1])
        read = points_in(said) if form == "point" else np.array(said.strip(" []").split(", "), float)
        assert read.size == (2 if form == "point" else 4) and read.max() < 1
    truth = points_text(np.array([0.412, 0.037])) if form == "point" else box_text(np.array([0.1, 0.25, 0.412, 0.999]))
    ids = encode(tokenizer)(truth)
    assert all(grammar(ids[:k])[token] for k, token in enumerate([*ids, STOP]))


def test_one_of_several_texts_and_no_other(tokenizer):
    grammar = OneOf(("red mug", "red cube", "bowl"), encode(tokenizer), STOP, len(tokenizer))
    red, mug, bowl = encode(tokenizer)("red mug bowl")
    assert set(torch.nonzero(grammar([]))[:, 0].tolist()) == {red, bowl} and int(grammar([red]).sum()) == 2
    assert torch.nonzero(grammar([red, mug]))[:, 0].tolist() == [STOP]
    with pytest.raises(ConfigError, match="form"):
        grammar([bowl, red])


def test_a_tokenizer_that_joins_digits_has_no_grammar_of_coordinates(tokenizer):
    joined = local_tokenizer(("111",), ("<bos>", "<eos>", "<pad>", "<unk>"))

    def encode_joined(text):
        return joined.encode(text.replace("0.111", " 111"), add_special_tokens=False)

    with pytest.raises(ConfigError, match="digit"):
        Coordinates("point", encode_joined, STOP, len(joined))
