"""Action Priors with its history token (§III-E): the policy also reads what was done, compressed to one token by the prior's own encoder."""

from dataclasses import replace
from typing import Literal

from praxia.data.numbers import Numbers
from praxia.errors import ConfigError
from praxia.models.spec import HistoryToken
from praxia.recipes import action_priors
from praxia.recipes.action_priors import HORIZON
from praxia.stages.recipe import Recipe

NAME = "action_priors_history"


def with_history(recipe: Recipe, form: Literal["encoder", "mlp"] = "encoder") -> Recipe:
    """A recipe with an action encoder and a latent query, whose last stage acts: with a history token of as many steps as a chunk, before the query.

    Every sample is learnt with and without it (Eq. 13), so that the policy does not lean on it. Past actions are relative to the
    start of the past, so that the encoder reads a chunk as it learnt to. Raises ConfigError for another recipe, or one that has the token.
    """
    model, (*before, robot) = recipe.model, recipe.stages
    if any(isinstance(tokens, HistoryToken) for tokens in model.tokens):
        raise ConfigError(f"recipe {recipe.name!r} has a history token already")
    if model.encoder is None or model.conditioner is None:
        raise ConfigError(f"recipe {recipe.name!r} has no action encoder with a latent query, which a history token is made for (ModelSpec.encoder)")
    order = list(model.order)
    order.insert(order.index(model.conditioner.query), "history")
    sources = tuple(replace(source, supervision=replace(source.supervision, history=HORIZON)) for source in robot.sources)
    numbers = replace(recipe.numbers or Numbers(), past="start")
    return replace(
        recipe,
        numbers=numbers,
        model=replace(model, tokens=(*model.tokens, HistoryToken(form=form, steps=HORIZON)), order=tuple(order)),
        stages=(*before, replace(robot, sources=sources, passes=((), ("history",)))),
    )


def tiny() -> Recipe:
    """`action_priors`' `tiny` with the token. A pass with and one without take twice the time: half the updates in the same minutes."""
    return replace(with_history(action_priors.tiny()), name=NAME)


def paper() -> Recipe:
    """`action_priors`' `paper` with the token, the published system at its best."""
    return replace(with_history(action_priors.paper()), name=NAME)
