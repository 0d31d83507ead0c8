"""Generation over the cached prefix says what repeated full forwards say."""

from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro

from praxia.data.batch import Tokens
from praxia.errors import ConfigError
from praxia.tokens.grammar import Ways

LIMIT = 5


@pytest.fixture(params=["pose_vla", "poke_vla", "vipa_vla", "action_priors"])
def case(request):
    recipe = micro.composition(request.param)
    stage = next((s for s in recipe.stages if s.sees == "text"), recipe.stages[-1])
    model = micro.build(recipe, stage)
    batch = micro.batch(recipe, stage)
    return model, replace(batch, target=None, future=None), model.backbone.stop_id(micro.tokenizer(recipe.name))


def slowly(model, batch, stop: int, limit: int) -> list[list[int]]:
    """One full forward a token, one sample at a time."""
    answers = []
    for i in range(batch.size):
        one, ids = micro.sample_of(batch, i), []
        while len(ids) < limit:
            with torch.no_grad():
                target = torch.tensor([[*ids, 0]])  # the last row is not read: it only asks for one more prediction
                out = model(one.with_target(Tokens(target, torch.ones_like(target, dtype=torch.bool))), micro.Draws())
            token = int(out.logits(out.target_hidden[0, -1]).argmax())
            if token == stop:
                break
            ids.append(token)
        answers.append(ids)
    return answers


def lists(tokens: Tokens) -> list[list[int]]:
    return [row[ok].tolist() for row, ok in zip(tokens.ids, tokens.valid, strict=True)]


def test_generated_tokens_are_the_argmax_of_repeated_full_forwards(case):
    model, batch, stop = case
    assert lists(model.generate(batch, stop, LIMIT)) == slowly(model, batch, stop, LIMIT)


def test_each_answer_ends_at_its_own_end_marker(case):
    model, batch, _ = case
    free = slowly(model, batch, -1, LIMIT)
    stop = free[0][2]  # a token that some answer gives in the middle
    expected = [a[: a.index(stop)] if stop in a else a for a in free]
    assert lists(model.generate(batch, stop, LIMIT)) == expected


def test_a_grammar_decides_what_may_follow(case):
    model, batch, stop = case
    vocabulary = model.backbone.vocabulary_size()

    def even_then_stop(ids):
        if len(ids) == 3:
            return torch.arange(vocabulary) == stop
        return (torch.arange(vocabulary) % 2 == 0) & (torch.arange(vocabulary) != stop)

    answers = lists(model.generate(batch, stop, 10, even_then_stop))
    assert all(len(a) == 3 and all(t % 2 == 0 for t in a) for a in answers)
    assert lists(model.generate(batch, stop, LIMIT, lambda ids: None)) == lists(model.generate(batch, stop, LIMIT))


def test_each_answer_may_have_a_grammar_of_its_own_and_says_how_sure_it_was(case):
    model, batch, stop = case
    vocabulary = model.backbone.vocabulary_size()

    def only(token):
        return lambda ids: torch.arange(vocabulary) == (stop if ids else token)

    tokens = [stop + 1 + i for i in range(batch.size)]
    forced = model.generate(batch, stop, 4, [only(token) for token in tokens])
    assert lists(forced) == [[token] for token in tokens] and torch.equal(forced.log_probs, torch.zeros(batch.size, 1))
    free = model.generate(batch, stop, 3)
    one = batch.with_target(None)
    with torch.no_grad():
        target = torch.zeros(batch.size, 1, dtype=torch.long)
        out = model(one.with_target(Tokens(target, torch.ones_like(target, dtype=torch.bool))), micro.Draws())
    first = out.logits(out.target_hidden[:, 0]).log_softmax(-1).max(-1).values
    begun = free.valid[:, 0]
    torch.testing.assert_close(free.log_probs[begun, 0], first[begun])
    assert (free.log_probs[~free.valid] == 0).all()


def test_a_grammar_that_allows_nothing_is_an_error(case):
    model, batch, stop = case
    with pytest.raises(ConfigError, match="allows no token"):
        model.generate(batch, stop, LIMIT, lambda ids: torch.zeros(model.backbone.vocabulary_size(), dtype=torch.bool))


def test_a_way_of_many_bins_wins_against_a_likelier_word_if_together_they_are_likelier(case):
    model, batch, stop = case
    vocabulary = model.backbone.vocabulary_size()
    free = model.generate(batch, -1, 1)  # each answer's likeliest token
    word = lists(free)[0][0]
    bins = [token for token in range(vocabulary) if token not in (word, stop)]

    def ways(ids, whole=True, medians=()):
        found = torch.zeros(vocabulary, dtype=torch.int64)
        if ids:
            found[stop] = 1
        else:
            found[bins], found[word] = 1, 2 if whole else 1
        return Ways(found, frozenset(medians))

    assert float(free.log_probs[0, 0].exp()) < 0.5, "the other tokens together are likelier"
    likeliest = lists(model.generate(batch, stop, 2, ways))[0]
    assert likeliest != [word]
    assert lists(model.generate(batch, stop, 2, lambda ids: ways(ids, whole=False)))[0] == [word]

    with torch.no_grad():
        target = torch.zeros(batch.size, 1, dtype=torch.long)
        out = model(batch.with_target(Tokens(target, torch.ones_like(target, dtype=torch.bool))), micro.Draws())
    shares = out.logits(out.target_hidden[0, 0])[bins].softmax(-1)
    (middle,) = lists(model.generate(batch, stop, 2, lambda ids: ways(ids, medians=(1,))))[0]
    place = bins.index(middle)
    assert shares[:place].sum() < 0.5 < shares[: place + 1].sum() + 1e-6
    assert bins[int(shares.argmax())] == likeliest[0]


def test_scores_are_told_apart_more_finely_than_bfloat16_does(case):
    model, batch, _ = case
    plain = model.generate(batch, -1, 1)
    rows = model.backbone.causal_lm.lm_head.weight
    word = lists(plain)[0][0]
    with torch.no_grad():
        kept = rows.clone()
        rows[word + 1] = rows[word] * (1 - 1e-4)  # a hair less likely, the same in bfloat16
        rows[word - 1] = rows[word] * (1 - 1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            chosen = lists(model.generate(batch, -1, 1))[0][0]
        rows.copy_(kept)
    assert chosen == word
