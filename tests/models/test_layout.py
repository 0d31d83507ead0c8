"""Properties of the token layout: what a group cannot see cannot move it; padding is invisible and takes no position."""

import dataclasses

import pytest
import torch
from backbone_cases import build, make_batch, micro_specs, padded, pictures, prefix

from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone, Piece
from praxia.models.layout import Group, TokenLayout

POSE_VLA = (Group("view:head", 4, 0), Group("view:wrist", 4, 0), Group("prompt", 5, 0), Group("target", 6, 1, causal=True))


def layout(groups=POSE_VLA, batch: int = 2, valid: torch.Tensor | None = None) -> TokenLayout:
    length = sum(g.length for g in groups)
    return TokenLayout(groups, torch.ones(batch, length, dtype=torch.bool) if valid is None else valid)


@pytest.fixture(scope="module")
def paligemma():
    return build(micro_specs()["paligemma"])


@pytest.fixture
def batch(paligemma):
    images = pictures(28, 3)
    return make_batch(images, padded([[3, 4, 5, 6, 7], [8, 9], [10, 11, 12]]), padded([[20, 21, 22, 23], [24, 25], [26, 27, 28]]))


def test_prefix_is_one_bidirectional_block_and_the_target_is_causal_behind_it():
    mask = layout().mask()[0, 0]
    assert mask[:13, :13].all() and not mask[:13, 13:].any()
    assert mask[13:, :13].all() and torch.equal(mask[13:, 13:], torch.ones(6, 6).tril().bool())


def test_target_tokens_cannot_change_what_the_prefix_sees(paligemma, batch):
    with torch.no_grad():
        before, _, _ = prefix(paligemma, batch, causal=False)
        other = dataclasses.replace(batch.target, ids=batch.target.ids + 7)
        after, _, _ = prefix(paligemma, batch.with_target(other), causal=False)
    for name in ("view:head", "view:wrist", "prompt"):
        for i in range(len(before.layers)):
            assert torch.equal(before.group(name, i), after.group(name, i))
    rows = before.layout.slice("prompt").stop
    for (key, value), (other_key, other_value) in zip(before.key_values, after.key_values, strict=True):
        assert torch.equal(key[:, :, :rows], other_key[:, :, :rows]) and torch.equal(value[:, :, :rows], other_value[:, :, :rows])
    assert not torch.equal(before.group("target"), after.group("target"))


def test_a_causal_target_row_does_not_see_later_rows(paligemma, batch):
    ids = batch.target.ids.clone()
    ids[:, 2] += 9
    with torch.no_grad():
        before, _, _ = prefix(paligemma, batch, causal=False)
        after, _, _ = prefix(paligemma, batch.with_target(dataclasses.replace(batch.target, ids=ids)), causal=False)
    assert torch.equal(before.group("target")[:, :2], after.group("target")[:, :2])
    moved = (before.group("target") != after.group("target")).any(-1)[:, 2:]
    assert moved[batch.target.valid[:, 2:]].sum() >= 2


def test_what_stands_in_padding_changes_no_valid_row(paligemma, batch):
    noisy = dataclasses.replace(
        batch,
        prompt=dataclasses.replace(batch.prompt, ids=torch.where(batch.prompt.valid, batch.prompt.ids, 99)),
        target=dataclasses.replace(batch.target, ids=torch.where(batch.target.valid, batch.target.ids, 98)),
    )
    with torch.no_grad():
        before, _, _ = prefix(paligemma, batch, causal=False)
        after, _, _ = prefix(paligemma, noisy, causal=False)
    seen = before.layout.valid
    assert not seen.all() and torch.equal(before.hidden[seen], after.hidden[seen])
    assert torch.equal(before.next_position, after.next_position)


def test_a_missing_view_is_hidden_or_attended_as_the_model_says(batch):
    spec = micro_specs()["paligemma"]
    seen = torch.tensor([[True, True], [True, False], [False, True]])
    hidden = dataclasses.replace(batch, views=dataclasses.replace(batch.views, valid=seen))
    other = dataclasses.replace(hidden.views, images=(hidden.views.images[0], 255 - hidden.views.images[1]))
    repainted = dataclasses.replace(hidden, views=other)
    moved = {}
    with torch.no_grad():
        for rule in ("mask", "attend"):
            backbone = build(spec, missing_view=rule)
            a, b = (prefix(backbone, x, causal=False)[0].group("prompt") for x in (hidden, repainted))
            moved[rule] = [not torch.equal(a[i], b[i]) for i in range(3)]
            assert prefix(backbone, hidden, causal=False)[0].layout.valid[1, 4:8].any() == (rule == "attend")
    assert moved == {"mask": [True, False, True], "attend": [True, True, True]}


def test_positions_count_valid_tokens_only():
    valid = torch.tensor([[1, 1, 1, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 1, 0, 1, 0, 0]]).bool()
    groups = (Group("view:head", 2, 0), Group("prompt", 4, 0), Group("target", 3, 1, True))
    made = layout(groups, valid=valid)
    for first in (0, 1):
        positions = made.positions(first)
        for row, flags in zip(positions, valid, strict=True):
            assert row[flags].tolist() == list(range(first, first + int(flags.sum())))
        assert made.next_position(first).tolist() == [6 + first, 4 + first]


def test_every_row_sees_itself_so_padded_rows_stay_finite():
    valid = torch.zeros(1, 19, dtype=torch.bool)
    assert layout(valid=valid).mask()[0, 0].equal(torch.eye(19, dtype=torch.bool))


def test_the_mask_of_some_groups_is_those_rows_of_the_whole_mask():
    valid = torch.rand(3, 19, generator=torch.Generator().manual_seed(0)) > 0.3
    made = layout(batch=3, valid=valid)
    rows = made.rows(("target", "view:wrist"))
    assert torch.equal(made.mask(("target", "view:wrist")), made.mask()[:, :, rows])


def test_head_rows_see_the_prefix_and_the_prefix_does_not_see_them():
    made = layout().extended((Group("state", 1, 2), Group("action", 3, 3)), torch.ones(2, 4, dtype=torch.bool))
    mask = made.mask()[0, 0]
    assert not mask[:19, 19:].any() and mask[19, :20].all() and not mask[19, 20:].any() and mask[20:].all()


def test_a_causal_prefix_is_plainly_causal():
    groups = tuple(dataclasses.replace(g, block=0, causal=True) for g in POSE_VLA)
    assert torch.equal(layout(groups).mask()[0, 0], torch.ones(19, 19).tril().bool())


def test_repeated_samples_stand_side_by_side():
    valid = torch.rand(2, 19, generator=torch.Generator().manual_seed(0)) > 0.5
    assert torch.equal(layout(valid=valid).repeated(3).valid, valid[[0, 0, 0, 1, 1, 1]])


def test_the_description_says_what_each_group_sees():
    lines = layout().describe().splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "view:head 4 tokens block 0 bidirectional sees view:wrist, prompt",
        "view:wrist 4 tokens block 0 bidirectional sees view:head, prompt",
        "prompt 5 tokens block 0 bidirectional sees view:head, view:wrist",
        "target 6 tokens block 1 causal sees view:head, view:wrist, prompt",
    ]
    causal = tuple(dataclasses.replace(g, block=0, causal=True) for g in POSE_VLA)
    assert " ".join(layout(causal).describe().splitlines()[1].split()) == "view:wrist 4 tokens block 0 causal sees view:head"
    assert layout((Group("queries", 3, 0),)).describe().endswith("sees itself")


def test_description_agrees_with_the_mask():
    groups = (Group("soft", 1, 1), Group("view:head", 2, 0), Group("prompt", 2, 0, True), Group("queries", 2, 1), Group("target", 2, 1, True))
    made = layout(groups)
    mask = made.mask()[0, 0]
    for group, line in zip(groups, made.describe().splitlines(), strict=True):
        said = line.rpartition("sees ")[2].split(", ")
        for other in groups:
            sees = mask[made.slice(group.name), made.slice(other.name)].any()
            assert sees == (other.name in said or other.name == group.name), (group.name, other.name)


def test_bad_layouts_are_refused():
    with pytest.raises(ConfigError, match="different names"):
        layout((Group("prompt", 2, 0), Group("prompt", 3, 0)))
    with pytest.raises(ConfigError, match=r"7 columns.*19 tokens"):
        layout(valid=torch.ones(2, 7, dtype=torch.bool))
    with pytest.raises(ConfigError, match="prompt"):
        layout().slice("promt")


def test_pieces_join_in_order():
    pieces = [Piece(n, torch.full((2, 3, 8), float(i)), torch.ones(2, 3, dtype=torch.bool), i) for i, n in enumerate("ab")]
    made, embeddings = Backbone.join(pieces)
    assert made.names == ("a", "b") and embeddings[0, :, 0].tolist() == [0, 0, 0, 1, 1, 1]
