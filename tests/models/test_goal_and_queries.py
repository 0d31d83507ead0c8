"""PokeVLA's sequence: one goal token over all views and the instruction, then action queries that see each other, under causal text and views."""

from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro

from praxia.models.layout import Group, TokenLayout
from praxia.models.states import Want

SEES = {
    "prompt:first": (),
    "view:head": ("prompt:first",),
    "view:wrist": ("prompt:first", "view:head"),
    "prompt": ("prompt:first", "view:head", "view:wrist"),
    "seg": ("prompt:first", "view:head", "view:wrist", "prompt"),
    "queries": ("prompt:first", "view:head", "view:wrist", "prompt", "seg"),
}


@pytest.fixture(scope="module")
def robot():
    recipe = micro.composition("poke_vla")
    stage = recipe.stages[-1]
    return micro.build(recipe, stage), micro.batch(recipe, stage, 2)


def test_the_mask_of_the_published_sizes():
    """256 patches a view and 64 queries: later groups see earlier ones whole, text and views are causal inside, the queries are not."""
    lengths = {"prompt:first": 1, "view:head": 256, "view:wrist": 256, "prompt": 20, "seg": 1, "queries": 64}
    blocks = {"seg": 1, "queries": 2}
    groups = tuple(Group(n, size, blocks.get(n, 0), n not in blocks) for n, size in lengths.items())
    layout = TokenLayout(groups, torch.ones(1, sum(lengths.values()), dtype=torch.bool))
    mask = layout.mask()[0, 0]
    for name in lengths:
        for other in lengths:
            seen = mask[layout.slice(name), layout.slice(other)]
            if name == other:
                size = lengths[name]
                expected = torch.ones(size, size, dtype=torch.bool)
                assert torch.equal(seen, expected if name in blocks else expected.tril()), name
            else:
                assert bool(seen.all() if other in SEES[name] else not seen.any()), (name, other)


def test_the_model_s_layout_is_that_one(robot):
    model, batch = robot
    layout = model.layout(batch)
    assert layout.names == tuple(SEES)
    assert {g.name: (g.block, g.causal) for g in layout.groups} == {
        n: ({"seg": 1, "queries": 2}.get(n, 0), n not in ("seg", "queries")) for n in SEES
    }


@torch.no_grad()
def test_what_moves_when_one_row_of_a_group_does(robot):
    """Measured on the language model itself, at every layer: the last row of a group is moved in the embeddings."""
    model, batch = robot
    backbone, draws = model.backbone, micro.draws(model, batch)
    visual = model._encoded(backbone, batch, draws)
    layout, embeddings = backbone.join(backbone.arrange(model._pieces(batch, draws, (), visual)))
    before = backbone.run(layout, embeddings, Want(layers=True), visual)
    for name in SEES:
        last = layout.slice(name).stop - 1
        if name == "prompt":  # right-padded: the last row that both samples have
            last = layout.slice(name).start + int(layout.valid[:, layout.slice(name)].sum(1).min()) - 1
        moved = embeddings.clone()
        moved[:, last] += 1
        after = backbone.run(layout, moved, Want(layers=True), visual)
        for layer in range(1, len(before.layers)):
            changed = ((before.layers[layer] - after.layers[layer]).abs().amax(2) > 0) & layout.valid
            for other in SEES:
                if other == name:
                    rows = changed[0, layout.slice(other)]
                    assert rows.all() if name == "queries" else not rows[: last - layout.slice(name).start].any(), (name, layer)
                else:
                    assert bool(changed[:, layout.slice(other)].any()) == (name in SEES[other]), (name, other, layer)


@torch.no_grad()
def test_every_query_moves_every_other_one_and_nothing_before_them(robot):
    """The learned table itself, through the whole model: the first query sees the last one."""
    model, batch = robot
    prefix, _ = model.prefix(batch, micro.draws(model, batch))
    table = model.tokens.learned["queries"]
    kept = table.clone()
    for row in range(table.shape[1]):
        table.copy_(kept)
        table[:, row] += 1
        other, _ = model.prefix(batch, micro.draws(model, batch))
        assert ((other.group("queries") - prefix.group("queries")).abs().amax((0, 2)) > 0).all()
        assert torch.equal(other.group("seg"), prefix.group("seg")) and torch.equal(other.views(), prefix.views())
    table.copy_(kept)


@torch.no_grad()
def test_the_goal_sees_both_views_and_every_word(robot):
    model, batch = robot
    draws = micro.draws(model, batch)
    goal = model.prefix(batch, draws)[0].group("seg")
    for slot in range(2):
        images = [image.clone() for image in batch.views.images]
        images[slot] = 255 - images[slot]
        seen = replace(batch, views=replace(batch.views, images=tuple(images)))
        changed = (model.prefix(seen, draws)[0].group("seg") - goal).abs().amax((1, 2)) > 0
        assert changed.tolist() == batch.views.valid[:, slot].tolist()
    for word in range(int(batch.prompt.valid.sum(1).min())):
        ids = batch.prompt.ids.clone()
        ids[:, word] = (ids[:, word] + 1) % 100
        told = replace(batch, prompt=replace(batch.prompt, ids=ids))
        assert not torch.equal(model.prefix(told, draws)[0].group("seg"), goal)
