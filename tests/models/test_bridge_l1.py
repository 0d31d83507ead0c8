"""Bridge attention head: what each block looks at, how it starts, and its block against the published formula computed another way."""

import json
import math
from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro

from praxia.errors import ConfigError
from praxia.models.heads.bridge_l1 import BridgeBlock, BridgeL1, rotated
from praxia.registry import from_json, to_json

SIZES = {"horizon": micro.HORIZON, "action_width": micro.ACTION, "state_width": micro.STATE, "width": 32, "heads": 4}
FORMS = [BridgeL1(**SIZES, form=form, gate=gate) for form in ("base", "pro") for gate in ("logits", "outputs")]
GROUPS = ("prompt", "queries", "seg", "view:head", "view:wrist")


def robot(head: BridgeL1):
    recipe = micro.composition("poke_vla")
    stage = recipe.stages[-1]
    return micro.build(recipe, stage, spec=replace(recipe.model, head=head)), micro.batch(recipe, stage)


def looked(model, batch):
    with torch.no_grad():
        return model.prefix(batch, micro.draws(model, batch))[0]


def nudged(prefix, name: str, layer: int):
    """The same states with one group of one layer moved."""
    layers = [states.clone() for states in prefix.layers]
    layers[layer][:, prefix.layout.slice(name)] += 1
    return replace(prefix, layers=tuple(layers), hidden=layers[-1])


def reads(model, batch, layer: int) -> set[str]:
    prefix = looked(model, batch)
    with torch.no_grad():
        before = model.head.actions(prefix, batch.state)
        return {g for g in GROUPS if not torch.equal(before, model.head.actions(nudged(prefix, g, layer), batch.state))}


@pytest.mark.parametrize("head", FORMS, ids=lambda h: f"{h.form}-{h.gate}")
def test_every_block_reads_queries_goal_and_views_of_its_own_layer(head):
    model, batch = robot(head)
    layers = model.backbone.geometry.layers
    assert len(model.head.blocks) == layers
    for layer in range(1, layers + 1):
        assert reads(model, batch, layer) == {"queries", "seg", "view:head", "view:wrist"}
    assert reads(model, batch, 0) == set(), "embeddings"
    plain, _ = robot(replace(head, goal=""))
    assert "seg" not in reads(plain, batch, 2)


@pytest.mark.parametrize(("gate", "at_start"), [("logits", {"queries", "seg", "view:head", "view:wrist"}), ("outputs", {"queries", "seg"})])
def test_views_start_with_a_score_of_zero_or_without_a_say(gate, at_start):
    head = BridgeL1(**SIZES, gate=gate)
    model, batch = robot(head)
    torch.manual_seed(3)
    model.head = head.build(model.backbone.geometry, model.backbone.text_width)
    assert reads(model, batch, 1) == at_start
    with torch.no_grad():
        for block in model.head.blocks:
            block.view_gate += 0.5
    assert reads(model, batch, 1) == {"queries", "seg", "view:head", "view:wrist"}


def published(block: BridgeBlock, rows, queries, views, seen):
    """The block a latent, a head and a key at a time: ReLU(W LN(o(attention) + x)), rotations as complex numbers."""
    spec, d = block.spec, block.spec.width // block.spec.heads
    gate = math.tanh(float(block.view_gate))

    def turned(row, place):
        if spec.form == "base":
            return row
        pairs = torch.complex(row[: d // 2], row[d // 2 :])
        pairs = pairs * torch.exp(1j * torch.tensor([place / 10000 ** (2 * i / d) for i in range(d // 2)]))
        return torch.cat([pairs.real, pairs.imag])

    def weighed(scores, values):
        return torch.stack(scores).softmax(0) @ torch.stack(values)

    out = torch.zeros_like(rows)
    for sample in range(len(rows)):
        for i, row in enumerate(rows[sample]):
            heads = []
            for head in range(spec.heads):
                cut = slice(head * d, (head + 1) * d)
                query = turned(block.q_proj(row)[cut], i)
                scores, values = [[], [], []], [[], [], []]
                for number, group in enumerate((rows, queries, views)):
                    keys, contents = (p[number] if spec.form == "pro" else p[0] for p in (block.k_proj, block.v_proj))
                    for place, source in enumerate(group[sample]):
                        if number < 2 or seen[sample, place]:
                            scores[number].append(query @ turned(keys(source)[cut], place) / math.sqrt(d))
                            values[number].append(contents(source)[cut])
                if spec.gate == "logits":
                    heads.append(weighed([*scores[0], *scores[1], *(s * gate for s in scores[2])], [*values[0], *values[1], *values[2]]))
                else:
                    heads.append(weighed(scores[0] + scores[1], values[0] + values[1]) + gate * weighed(scores[2], values[2]))
            out[sample, i] = block.mlp(block.o_proj(torch.cat(heads)) + row)
    return out


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@pytest.mark.parametrize("head", FORMS, ids=lambda h: f"{h.form}-{h.gate}")
def test_a_block_equals_the_published_formula(head, attention):
    torch.manual_seed(0)
    block = BridgeBlock(replace(head, attention=attention), head.width)
    with torch.no_grad():
        block.view_gate += 0.7
        rows, queries, views = (torch.randn(2, n, head.width) for n in (3, 4, 5))
        seen = torch.tensor([[True] * 5, [True, True, False, False, False]])
        torch.testing.assert_close(block(rows, queries, views, seen), published(block, rows, queries, views, seen), rtol=1e-4, atol=1e-5)


def test_rotated_rows_meet_by_distance_alone():
    a, b = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    queries, keys = rotated(a.expand(6, 8)), rotated(b.expand(6, 8))
    scores = queries @ keys.T
    for shift in range(-4, 5):
        diagonal = scores.diagonal(shift)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    torch.testing.assert_close(queries.norm(dim=1), a.norm().expand(6))


@pytest.mark.parametrize("head", FORMS, ids=lambda h: f"{h.form}-{h.gate}")
def test_it_takes_and_gives_what_the_four_module_head_does(head):
    model, batch = robot(head)
    with torch.no_grad():
        out = model(batch, micro.draws(model, batch)).heads["action"]
    sampled = model.sample(replace(batch, future=None, dense={}), model.head.noise(batch.size, torch.Generator()))
    assert sampled.dtype == torch.float32 and torch.equal(sampled, out.prediction[:, 0])
    other = micro.build(micro.composition("poke_vla"), micro.composition("poke_vla").stages[-1])
    with torch.no_grad():
        same = other(batch, micro.draws(other, batch)).heads["action"]
    assert out.prediction.shape == same.prediction.shape and torch.equal(out.target, same.target) and torch.equal(out.valid, same.valid)
    assert from_json(json.loads(json.dumps(to_json(head)))) == head


def test_gradients_reach_every_weight_and_an_empty_view_changes_nothing():
    model, batch = robot(BridgeL1(**SIZES))
    out = model(batch, micro.draws(model, batch)).heads["action"]
    (out.prediction - out.target).abs().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.head.parameters())
    wrist = 255 - batch.views.images[1]
    changed = replace(batch, views=replace(batch.views, images=(batch.views.images[0], wrist)))
    with torch.no_grad():
        gap = (model(changed, micro.draws(model, batch)).heads["action"].prediction - out.prediction).abs().flatten(1).amax(1)
    assert (gap[:-1] > 0).all() and gap[-1] < 1e-6


def test_sizes_that_cannot_be_are_refused():
    geometry = robot(FORMS[0])[0].backbone.geometry
    with pytest.raises(ConfigError, match="36 over 5 heads"):
        BridgeL1(width=36, heads=5)
    for field, value, expected in (
        ("horizon", 0, "at least 1"),
        ("heads", 0, "at least 1"),
        ("action_width", -1, "at least 0"),
        ("form", "plus", "base, pro"),
        ("gate", "keys", "logits, outputs"),
    ):
        with pytest.raises(ConfigError, match=rf"BridgeL1\.{field} is {value!r}; expected .*{expected}"):
            BridgeL1(**(SIZES | {field: value}))
    with pytest.raises(ConfigError, match="even number"):
        BridgeL1(width=12, heads=4)
    with pytest.raises(ConfigError, match="'base' shares its projections with the states, which are 32 wide"):
        BridgeL1(width=24, heads=4, form="base").build(geometry, 32)
    with pytest.raises(ConfigError, match="no backbone"):
        BridgeL1().build(None, 0)
    model, batch = robot(FORMS[0])
    with pytest.raises(ConfigError, match="state"):
        model(replace(batch, state=None), micro.draws(model, batch))
