"""Every answer that the grammar lets through parses, whatever the model prefers."""

import re
from dataclasses import replace

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
STOP, NOTHING = TOKENIZER.eos_token_id, TOKENIZER.convert_tokens_to_ids(NO_OBJECT)


@pytest.fixture(scope="module")
def vocabulary():
    rng = np.random.default_rng(0)
    return SPEC.fitted(
        {"translation": rng.uniform(0, 1, (500, 3)), "extent": rng.uniform(0, 0.2, (500, 3))}, {k: np.ones(500) for k in ("translation", "extent")}
    )


def random_answer(grammar, rng, limit=512):
    """A model that prefers anything."""
    ids = []
    while len(ids) <= limit:
        allowed = torch.nonzero(grammar(ids).numbers)[:, 0]
        assert len(allowed)
        token = NOTHING if NOTHING in allowed and rng.random() < 0.3 else int(rng.choice(allowed))  # one among hundreds of numbers
        if token == STOP:
            return TOKENIZER.decode(ids)
        ids.append(token)
    raise AssertionError("the answer does not end")


@pytest.mark.parametrize(("numbers", "views"), [(OBJECT_BOX, 2), (OBJECT_CENTRE, 0), (OBJECT_BOX, 3)])
def test_random_answers_about_objects_parse(vocabulary, numbers, views):
    most = 40 * max(views, 1)
    grammar = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], numbers, views, STOP, most)
    rng, listed, nothing = np.random.default_rng(0), 0, 0
    for _ in range(100):
        text = random_answer(grammar, rng, most)
        found = vocabulary.numbers(text)
        count = text.count(";")
        assert count == len(found["translation"]) == len(found["extent"]) == len(found["rotation"])
        assert text.count("red mug") == count + text.count("red mug" + NO_OBJECT) and text.count(NO_OBJECT) == text.count("red mug" + NO_OBJECT)
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
    grammar, rng, lists = PoseGrammar(TOKENIZER, vocabulary, names, WAYPOINT, 2, STOP), np.random.default_rng(3), set()
    for _ in range(60):
        text = random_answer(grammar, rng)
        found = vocabulary.numbers(text)
        assert len(found["translation"]) == len(found["rotation"]) == len(found["location"]) == text.count(";") and len(found["extent"]) == 0
        assert NO_OBJECT not in text, "an arm that a view does not show is not listed"
        for section in text.split("<image1>"):
            listed = re.findall(r"(?:left|right) arm \d", section)
            assert listed == sorted(set(listed)), "in order, each once"
            lists.add(len(listed))
    assert lists >= {0, 1, 2}


def test_no_tuple_begins_that_has_no_room_for_its_end(vocabulary):
    """Who wants to list objects for ever is stopped in time, and every section behind is still said."""
    end, frame = len(TOKENIZER.encode(";", add_special_tokens=False)), 6  # three views' delimiters
    tuple_ = 2 + len(OBJECT_CENTRE) + end
    for most in (frame + 2 * tuple_, frame + 3 * tuple_ - 1):
        grammar, ids = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_CENTRE, 3, STOP, most), []
        while not (allowed := grammar(ids).numbers)[STOP]:
            likes = [t for t in torch.nonzero(allowed)[:, 0].tolist() if t not in (NOTHING, TOKENIZER.convert_tokens_to_ids("</image0>"))]
            ids.append(likes[0] if likes else int(torch.nonzero(allowed)[0, 0]))
        text = TOKENIZER.decode(ids)
        assert text.count(";") == 2 and len(ids) == frame + 2 * tuple_ <= most and text.endswith("<image2></image2>")


def test_the_states_of_an_answer_are_remembered_and_another_answer_is_read_anew(vocabulary):
    """One grammar may be asked about several answers in turn, and about a shorter one; what it says depends on the ids alone."""
    grammar, rng = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_BOX, 2, STOP), np.random.default_rng(5)
    answers = []
    for _ in range(4):
        text = random_answer(PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_BOX, 2, STOP), rng)
        answers.append(TOKENIZER.encode(text.replace(" ;", ";"), add_special_tokens=False))
    for length in (7, 3, 12, 12, 0):
        for ids in answers:
            fresh = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_BOX, 2, STOP)
            assert torch.equal(grammar(ids[:length]).numbers, fresh(ids[:length]).numbers)


def test_an_answer_of_several_hundred_tokens_costs_one_step_a_token(vocabulary, monkeypatch):
    steps = []
    after = PoseGrammar._after
    monkeypatch.setattr(PoseGrammar, "_after", lambda self, *state: steps.append(1) or after(self, *state))
    ids = TOKENIZER.encode("<image0>" + _object() * 20, add_special_tokens=False)
    grammar = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_BOX, 2, STOP)
    for k in range(len(ids)):
        assert grammar(ids[:k]).numbers[ids[k]]
    assert len(ids) > 300 and len(steps) == len(ids) - 1


def _object():
    return " red mug" + "<loc0000>" * 4 + "<transXY0000>" * 2 + "<transZ0001>" + "<size0002>" * 3 + "<rot003>" * 3 + ";"


def test_what_supervision_writes_is_what_the_grammar_allows(vocabulary):
    text = f"<image0>{_object() * 2}</image0><image1> red mug{NO_OBJECT}</image1>"
    grammar = PoseGrammar(TOKENIZER, vocabulary, ["red mug"], OBJECT_BOX, 2, STOP)
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    for k in range(len(ids)):
        assert grammar(ids[:k]).numbers[ids[k]]
    assert torch.nonzero(grammar(ids).numbers)[:, 0].tolist() == [STOP]
    with pytest.raises(ConfigError, match="cannot follow"):
        grammar(ids[1:])
    with pytest.raises(ConfigError, match="views is 3"):
        PoseGrammar(TOKENIZER, vocabulary, ["mug"], OBJECT_BOX, 4, STOP)


def test_names_nothing_and_numbers_are_ways_of_their_own_and_angles_have_no_middle(vocabulary):
    def told(said):
        read = replace(vocabulary, spec=replace(vocabulary.spec, said=said))
        return read, PoseGrammar(TOKENIZER, read, ["red mug"], OBJECT_BOX, 1, STOP)

    read, grammar = told("median")
    begun = TOKENIZER.encode("<image0> red mug", add_special_tokens=False)
    behind_the_name = grammar(begun)
    numbers = behind_the_name.numbers
    assert len(numbers[numbers > 0].unique()) == 2 and int((numbers == numbers[NOTHING]).sum()) == 1
    (way,) = behind_the_name.medians
    assert (numbers == way).sum() == 1024
    assert not told("likeliest")[1](begun).medians
    line = TOKENIZER.encode("<loc0001>" * 4 + "<transXY0001>" * 2 + "<transZ0001>" + "<size0001>" * 3, add_special_tokens=False)
    assert all(grammar(begun + line[:k]).medians for k in range(len(line))) and not grammar(begun + line).medians  # angles go round
    assert read != vocabulary and read.meaning == vocabulary.meaning
