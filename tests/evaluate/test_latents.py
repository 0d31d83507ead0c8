"""Diagnostics of a latent: what is turned, blended or taken from another is what the functions say."""

from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro

from praxia.data.batch import Chunk
from praxia.evaluate.latents import DEGREES, SHARES, _others, _pairs, history_errors, smoothness, step_errors


@pytest.fixture(scope="module")
def prior():
    """The micro prior and a batch of six chunks of two robots in turn."""
    recipe = micro.composition("action_priors")
    stage = recipe.stages[0]
    batch = micro.batch(recipe, stage)
    twice = replace(batch, size=6, embodiment=torch.tensor([0, 1, 0, 1, 0, 1]), future=_doubled(batch.future))
    return micro.stirred(micro.build(recipe, stage)).eval(), twice


def _doubled(chunk):
    return replace(chunk, **{name: torch.cat([getattr(chunk, name), getattr(chunk, name).flip(0)]) for name in ("states", "actions", "valid")})


def test_the_error_begins_with_that_of_the_latent_itself_and_the_way_leads_from_one_chunk_to_the_other(prior):
    model, batch = prior
    found = smoothness(model, [batch], torch.Generator().manual_seed(0))
    noise = model.head.noise(batch.size, torch.Generator().manual_seed(0))
    latent = model.encoder(batch.future, batch.embodiment)
    chunk = model.head.sample(None, latent, None, noise, model.head.steps, batch.action_dims).detach()
    valid = batch.future.valid[..., None].expand_as(chunk)
    assert found.degrees == DEGREES and found.error[0] == pytest.approx(float((chunk - batch.future.actions).abs()[valid].mean()), rel=1e-5)
    assert found.shares == SHARES and found.to_first[0] == 0 and found.to_second[-1] == 0
    assert found.to_first[-1] == pytest.approx(found.to_second[0]) == found.apart > 0
    assert all(a <= b + 1e-6 for a, b in zip(found.to_first, found.to_first[1:], strict=False)), "of a linear-like decoder it grows along the way"


def test_a_model_without_an_encoder_has_no_latent_to_look_at(prior):
    model, batch = prior
    encoder, model.encoder = model.encoder, None
    assert smoothness(model, [batch], torch.Generator()) is None
    model.encoder = encoder
    two = replace(batch, size=2, embodiment=torch.arange(2), future=Chunk(batch.future.states[:2], batch.future.actions[:2], batch.future.valid[:2]))
    assert smoothness(model, [two], torch.Generator()) is None, "no two chunks of one robot"


def test_neighbours_and_strangers_are_of_the_same_robot(prior):
    _, batch = prior
    robots = batch.embodiment.tolist()
    assert [(robots[a], robots[b]) for a, b in _pairs(batch)] == [(0, 0), (1, 1)]
    others = _others(batch)
    assert sorted(others) == list(range(6)) and all(robots[i] == robots[j] and i != j for i, j in enumerate(others))
    far = replace(batch, embodiment=torch.zeros(6, dtype=torch.long), sample_index=torch.tensor([3, 1, 2, 60, 61, 62]))
    assert all((i < 3) != (j < 3) for i, j in enumerate(_others(far))), "neighbours in the dataset are mostly of one episode"


def test_numbers_of_integration_steps_are_compared_on_the_same_noise(prior):
    model, batch = prior
    found = step_errors(model, [batch], torch.Generator().manual_seed(0), (1, 3))
    noise = model.head.noise(batch.size, torch.Generator().manual_seed(0))
    valid = batch.future.valid[..., None].expand_as(noise)
    expected = [float((model.sample(batch, noise, steps=n) - batch.future.actions).abs()[valid].mean()) for n in (1, 3)]
    assert list(found.values()) == pytest.approx(expected, rel=1e-5) and found[1] != found[3]
    assert step_errors(model, [replace(batch, future=None)], torch.Generator()) == {}


def test_history_is_taken_away_blanked_and_swapped():
    recipe = micro.composition("action_priors")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    batch = replace(batch, embodiment=torch.zeros(3, dtype=torch.long))
    found = history_errors(model, [batch], torch.Generator().manual_seed(0))
    assert list(found) == ["true", "none", "zeros", "another's"] and len(set(found.values())) == 4
    noise = model.head.noise(3, torch.Generator().manual_seed(0))
    chunk = model.sample(batch, noise)
    known = batch.past.valid.any(dim=1)
    assert known.tolist().count(False) == 1, "whoever has no past tells nothing of what a past is worth"
    valid = (batch.future.valid & known[:, None])[..., None].expand_as(chunk)
    assert found["true"] == pytest.approx(float((chunk - batch.future.actions).abs()[valid].mean()), rel=1e-5)
    assert history_errors(model, [replace(batch, past=None)], torch.Generator()) == {}
    some = replace(
        batch, embodiment=torch.tensor([0, 1, 1]), past=replace(batch.past, valid=torch.tensor([True, False, False])[:, None] & batch.past.valid)
    )
    assert history_errors(model, [some], torch.Generator()) == {}, "the only one with a past is alone of its robot"
