"""Every answer that the grammar lets through parses, whatever the model prefers."""

import numpy as np
import pytest
import torch

from praxia.errors import ConfigError
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.tokens.pose_grammar import OBJECT_BOX, OBJECT_CENTRE, WAYPOINT, PoseGrammar
from praxia.tokens.pose_vocabulary import NO_OBJECT, PoseVocabulary

SPEC = PoseVocabulary(xy=32, z=32, size=16, rotation=12)
LOCS = tuple(f"<loc{i:04d}>" for i in range(1024))
TOKENIZER = local_tokenizer(("red", "mug", "left", "right", "arm"), ("<pad>", "<eos>", "<bos>", *LOCS, *SPEC.tokens))
STOP = TOKENIZER.eos_token_id


@pytest.fixture(scope="module")
def vocabulary():
    rng = np.random.default_rng(0)
    return SPEC.fitted(
        {"translation": rng.uniform(0, 1, (500, 3)), "extent": rng.uniform(0, 0.2, (500, 3))}, {k: np.ones(500) for k in ("translation", "extent")}
    )


def random_answer(grammar, rng, limit=600):
    """A model that prefers anything."""
    ids = []
    while len(ids) < limit:
        allowed = torch.nonzero(grammar(ids))[:, 0]
        assert len(allowed)
        token = int(rng.choice(allowed))
        if token == STOP:
            return TOKENIZER.decode(ids)
        ids.append(token)
    raise AssertionError("the answer does not end")


@pytest.mark.parametrize(("numbers", "views"), [(OBJECT_BOX, 2), (OBJECT_CENTRE, 0), (OBJECT_BOX, 3)])
def test_random_answers_about_objects_parse(vocabulary, numbers, views):
    grammar = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], numbers, views, STOP, most=3)
    rng, listed, nothing = np.random.default_rng(0), 0, 0
    for _ in range(60):
        text = random_answer(grammar, rng)
        found = vocabulary.numbers(text)
        count = text.count(";")
        assert count == len(found["translation"]) == len(found["extent"]) == len(found["rotation"]) == text.count("red mug") <= 3 * max(views, 1)
        assert len(found["location"]) == count * numbers.count("loc") // 2
        assert all(text.count(f"<image{k}>") == text.count(f"</image{k}>") == 1 for k in range(views))
        listed, nothing = listed + count, nothing + text.count(NO_OBJECT)
        assert (
            vocabulary.xy.edges[0] <= found["translation"][:, :2].min(initial=0.5)
            and found["translation"].max(initial=0.5) <= vocabulary.xy.edges[-1] + 1
        )
    assert listed > 20 and nothing > 10


def test_waypoints_of_two_arms(vocabulary):
    names = [f"{side} arm {i}" for side in ("left", "right") for i in range(2)]
    text = random_answer(PoseGrammar(TOKENIZER, vocabulary, names, WAYPOINT, 1, STOP, most=4), np.random.default_rng(3))
    found = vocabulary.numbers(text)
    assert len(found["translation"]) == len(found["rotation"]) == len(found["location"]) == text.count(";") and len(found["extent"]) == 0


def test_what_supervision_writes_is_what_the_grammar_allows(vocabulary):
    text = (
        "<image0> red mug"
        + "<loc0000>" * 4
        + "<transXY0000>" * 2
        + "<transZ0001>"
        + "<size0002>" * 3
        + "<rot003>" * 3
        + ";</image0><image1></image1>"
    )
    grammar = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_BOX, 2, STOP)
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    for k in range(len(ids)):
        assert grammar(ids[:k])[ids[k]]
    assert torch.nonzero(grammar(ids))[:, 0].tolist() == [STOP]
    with pytest.raises(ConfigError, match="cannot follow"):
        grammar(ids[1:])
    with pytest.raises(ConfigError, match="views is 3"):
        PoseGrammar(TOKENIZER, vocabulary, ["mug"], OBJECT_BOX, 4, STOP)
