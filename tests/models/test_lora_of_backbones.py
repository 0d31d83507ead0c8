"""Low-rank updates on a Prismatic backbone, towers and projector too: merged = unmerged; queries, goal token and head learn whole (VLA-Adapter)."""

from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro
from torch import nn

from praxia.models.lora import BASE, DOWN, UP, LoRA, inject, merged, remove
from praxia.stages.weights import load_state, owned_state
from praxia.train.optimiser import AdamW
from praxia.train.trainable import apply_trainable

TOWERS = ("backbone.dino.*", "backbone.siglip.*")
LAYERS = "backbone.llm.model.layers.*"  # not lm_head: it is the token embedding
EVERYTHING = LoRA((*TOWERS, "backbone.projector.*", LAYERS), rank=4, alpha=8.0)


def robot(spec: LoRA | None):
    recipe = micro.composition("poke_vla")
    stage = recipe.stages[-1]
    model = micro.build(recipe, stage)
    kept = inject(model, spec) if spec else ()
    return model, micro.batch(recipe, stage), kept


def answers(model, batch):
    with torch.no_grad():
        out = model(batch, micro.draws(model, batch))
    return {"hidden": out.prefix.hidden, "patches": out.visual.patches, "actions": out.heads["action"].prediction} | out.readouts


def test_every_linear_layer_of_towers_projector_and_language_model_gets_an_update():
    plain = robot(None)[0]
    linear = {n for n, m in plain.backbone.named_modules() if isinstance(m, nn.Linear) and n != "llm.lm_head"}
    model, _, _ = robot(EVERYTHING)
    got = {n.removeprefix("backbone.").removesuffix(UP) for n, _ in model.named_parameters() if n.endswith(UP)}
    assert {n.rstrip(".") for n in got} == linear
    assert {n.split(".")[0] for n in linear} == {"dino", "siglip", "projector", "llm"}


def test_merged_weights_answer_as_the_updates_did():
    model, batch, _ = robot(EVERYTHING)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if name.endswith(UP):
            nn.init.normal_(parameter, std=0.1)
    plain, _, _ = robot(None)
    apart, without = answers(model, batch), answers(plain, batch)
    weights = merged(owned_state(model))
    load_state(plain, weights, "merged")
    together = answers(plain, batch)
    assert together.keys() == {"hidden", "patches", "actions", "target_mask", "geometry"}
    for name, value in together.items():
        torch.testing.assert_close(value, apart[name], rtol=1e-4, atol=2e-5, msg=name)
        assert (value - without[name]).abs().max() > 1e-2, f"{name}: the updates count"
    remove(model)
    load_state(model, weights, "merged")
    torch.testing.assert_close(answers(model, batch), together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("projector", ["whole", "update"])
def test_weights_beside_updates_stay_and_queries_goal_and_head_learn_whole(projector):
    spec = EVERYTHING if projector == "update" else replace(EVERYTHING, targets=(*TOWERS, LAYERS))
    model, batch, kept = robot(spec)
    others = ("*norm*", "*embeddings*", "*lambda1")  # of the backbone, what is not linear: as in the public code, it stays
    frozen = (*kept, *(f"backbone.dino.{p}" for p in others), "backbone.siglip.*norm*", "backbone.siglip.*embedding*", "backbone.llm.*norm*")
    frozen += ("backbone.llm.*embed_tokens*",)
    chosen = apply_trainable(model, ("*",), frozen)
    for name, parameter in model.named_parameters():
        if name.endswith(UP):
            nn.init.normal_(parameter, std=0.1)  # at zero, what is before it has no gradient yet
    out = model(batch, micro.draws(model, batch))
    action = out.heads["action"]
    ((action.prediction - action.target).abs().sum() + sum(r.square().sum() for r in out.readouts.values())).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in chosen.values())
    assert {n for n in chosen if n.startswith("backbone.") and not n.endswith((UP, DOWN))} == {
        *(f"backbone.projector.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias") if projector == "whole"),
    }
    assert not any(BASE in n for n in chosen)
    assert {"tokens.learned.queries", "tokens.special.seg", "head.latents"} <= chosen.keys()


def test_the_goal_token_learns_beside_a_frozen_table_and_does_not_decay():
    model, batch, kept = robot(EVERYTHING)
    with torch.no_grad():
        model.tokens.special["seg"].zero_()  # as it starts
    table = model.backbone.language.embed_tokens.weight
    before, words = table.detach().clone(), model.backbone.embed(batch.prompt.ids)
    chosen = apply_trainable(model, ("*",), (*kept, "backbone.llm.*embed_tokens*"))
    optimiser = AdamW(lr=1e-2, weight_decay=0.5).build(chosen)
    (own,) = [group for group in optimiser.param_groups if any(p is chosen["tokens.special.seg"] for p in group["params"])]
    assert own["weight_decay"] == 0.0
    for _ in range(2):
        out = model(batch, micro.draws(model, batch))
        action = out.heads["action"]
        ((action.prediction - action.target).abs().sum() + sum(r.square().sum() for r in out.readouts.values())).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert torch.equal(table, before) and torch.equal(model.backbone.embed(batch.prompt.ids), words)
    vector = model.tokens.special["seg"]
    assert vector.shape == (32,) and (vector != 0).all()
    row = model.tokens("seg", model.backbone, None, batch, micro.draws(model, batch)).embeddings
    assert torch.equal(row[0, 0], table[model.tokens.special_ids["<SEG>"]] + vector)
