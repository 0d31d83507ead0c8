"""Qwen3-VL adapter against `Qwen3VLForConditionalGeneration` and its picture processor."""

import dataclasses

import numpy as np
import pytest
import torch
from backbone_cases import build, compare_with_library, make_batch, micro_specs, padded, pictures, prefix, relative_error, tokenizer_for
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from praxia.errors import CheckpointError
from praxia.models.backbones.qwen3_vision import to_merge_order, to_row_order
from praxia.models.backbones.qwen3_vl import mrope_positions, pixel_rows
from praxia.models.layout import Group, TokenLayout
from praxia.models.states import Want

SPEC = micro_specs()["qwen3_vl"]
IMAGE = "<|image_pad|>"


def library_case(backbone, images, texts, answers=None):
    """What the library's processor would make of the same chat: ids with one image token per merged patch, patches, grids."""
    spec = backbone.spec
    tokenizer = tokenizer_for(spec, (IMAGE,))
    tokens = (spec.image_size // spec.patch_size // spec.merge) ** 2
    view = f"<|vision_start|>{IMAGE * tokens}<|vision_end|>"
    rows = [
        tokenizer.encode(f"<|im_start|>user\n{view * images.shape[1]}{text}<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False)
        + (tokenizer.encode(f"{answers[i]}<|im_end|>", add_special_tokens=False) if answers else [])
        for i, text in enumerate(texts)
    ]
    ids = padded(rows)
    image_id = tokenizer.convert_tokens_to_ids(IMAGE)
    processor = Qwen2VLImageProcessorPil(
        do_resize=False, patch_size=spec.patch_size, merge_size=spec.merge, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    seen = processor([np.asarray(i) for i in images.flatten(0, 1)], return_tensors="pt")
    backbone.model.config.image_token_id = image_id
    return tokenizer, {
        "input_ids": ids.ids,
        "attention_mask": ids.valid.long(),
        "mm_token_type_ids": (ids.ids == image_id).int(),
        "pixel_values": seen["pixel_values"],
        "image_grid_thw": seen["image_grid_thw"],
    }


def our_case(backbone, tokenizer, images, texts, answers=None):
    backbone.bind(tokenizer)
    prompts = padded([backbone.prompt_ids(tokenizer, t) for t in texts])
    return make_batch(images, prompts, padded([backbone.target_ids(tokenizer, a) for a in answers]) if answers else None)


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@pytest.mark.parametrize("views", [1, 2])
@torch.no_grad()
def test_states_scores_keys_and_values_equal_the_library(attention, views):
    backbone = build(SPEC, attention=attention)
    images, texts, answers = pictures(32, 3, views), ("pick the red cube", "reach", "pick"), ("yes", "no the cube", "")
    tokenizer, inputs = library_case(backbone, images, texts)
    states, visual, _ = prefix(backbone, our_case(backbone, tokenizer, images, texts))
    library = backbone.model(**inputs, output_hidden_states=True, use_cache=True)
    compare_with_library(states, backbone, library, inputs["attention_mask"].bool())
    assert visual.grid == (2, 2) and [f.shape for f in visual.extra] == [(3, views, 4, 48)] * 2

    tokenizer, inputs = library_case(backbone, images, texts, answers)
    states, _, _ = prefix(backbone, our_case(backbone, tokenizer, images, texts, answers))
    scores = backbone.model(**inputs).logits[inputs["attention_mask"].bool()]
    assert relative_error(backbone.logits(states.hidden)[states.layout.valid], scores) < 1e-5


@torch.no_grad()
def test_positions_equal_the_library_rope_index():
    backbone = build(SPEC, image_size=64)
    images, texts = pictures(64, 3, 2), ("pick the red cube", "reach", "pick")
    tokenizer, inputs = library_case(backbone, images, texts)
    states, visual, _ = prefix(backbone, our_case(backbone, tokenizer, images, texts))
    theirs, deltas = backbone.model.model.get_rope_index(
        inputs["input_ids"], inputs["mm_token_type_ids"], inputs["image_grid_thw"], attention_mask=inputs["attention_mask"]
    )
    ours, following = mrope_positions(states.layout, visual.grid)
    seen = inputs["attention_mask"].bool()
    assert torch.equal(ours[:, states.layout.valid], theirs[:, seen])
    assert torch.equal(following, seen.sum(1) + deltas[:, 0]) and torch.equal(states.next_position, following)


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@pytest.mark.parametrize(("size", "merge"), [(32, 2), (64, 2), (64, 1), (48, 1)])  # of a table of 4 x 4 positions
@torch.no_grad()
def test_patches_and_deepstack_features_equal_the_library_tower(size, merge, attention):
    backbone = build(SPEC, attention=attention, image_size=size, merge=merge)
    images, side = pictures(size, 2, 2), size // SPEC.patch_size
    _, inputs = library_case(backbone, images, ("reach", "reach"))
    tower = backbone.model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])
    visual = backbone.encode_views(our_case(backbone, tokenizer_for(SPEC), images, ("reach", "reach")))
    assert relative_error(visual.embeddings.flatten(0, 2), tower.pooler_output) < 1e-5
    for ours, theirs in zip(visual.extra, tower.deepstack_features, strict=True):
        assert relative_error(ours.flatten(0, 2), theirs) < 1e-5
    assert relative_error(to_merge_order(visual.patches.flatten(0, 1), (side, side), merge).flatten(0, 1), tower.last_hidden_state) < 1e-5


def test_a_convolutional_stem_makes_the_same_grid_and_has_no_public_weights():
    backbone = build(SPEC, stem="conv", image_size=32)
    batch = our_case(backbone, tokenizer_for(SPEC), pictures(32, 2, 2), ("reach", "pick"))
    visual = backbone.encode_views(batch)
    assert visual.patches.shape == (2, 2, 16, SPEC.vision_width) and visual.grid == (2, 2)
    visual.embeddings.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in backbone.stem.parameters())
    with pytest.raises(CheckpointError, match="no public weights"):
        dataclasses.replace(backbone.spec, checkpoint="anything").build().load_checkpoint()


@torch.no_grad()
def test_deepstack_reaches_the_first_language_layers_at_the_view_rows():
    backbone = build(SPEC)
    batch = our_case(backbone, tokenizer_for(SPEC), pictures(32, 2, 2), ("reach", "pick"))
    visual = backbone.encode_views(batch)
    states, _, embeddings = prefix(backbone, batch)
    silent = dataclasses.replace(visual, extra=[torch.zeros_like(f) for f in visual.extra])
    without = backbone.run(states.layout, embeddings, Want(layers=True), silent)
    assert torch.equal(without.layers[1], states.layers[1]), "the first layer has not seen it"
    moved = (without.layers[2] != states.layers[2]).any(-1).any(0)
    rows = {name: bool(moved[states.layout.slice(name)].any()) for name in states.layout.names}
    assert rows["view:head"] and rows["view:wrist"] and not rows["chat:open"] and not rows["open:head"]
    assert all(moved[states.layout.slice(f"view:{r}")].all() for r in ("head", "wrist"))


@torch.no_grad()
def test_an_adapter_does_not_reach_deepstack():
    backbone = build(SPEC)
    batch = our_case(backbone, tokenizer_for(SPEC), pictures(32, 2, 2), ("reach", "pick"))
    plain, adapted = backbone.encode_views(batch), backbone.encode_views(batch, [lambda patches, batch: patches + 1])
    assert not torch.equal(plain.embeddings, adapted.embeddings)
    assert all(torch.equal(a, b) for a, b in zip(plain.extra, adapted.extra, strict=True))


def test_positions_of_a_known_sequence():
    groups = (Group("open", 2, 0), Group("view:a", 6, 0), Group("prompt", 3, 0), Group("view:b", 6, 0), Group("target", 2, 0))
    valid = torch.ones(2, 19, dtype=torch.bool)
    valid[1, 2:8] = False  # view a is missing
    valid[1, 10] = False  # one word less
    positions, following = mrope_positions(TokenLayout(groups, valid), (2, 3))
    time, row, column = positions[:, 0].tolist()
    assert time == [0, 1, 2, 2, 2, 2, 2, 2, 5, 6, 7, 8, 8, 8, 8, 8, 8, 11, 12]
    assert row == [0, 1, 2, 2, 2, 3, 3, 3, 5, 6, 7, 8, 8, 8, 9, 9, 9, 11, 12]
    assert column == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 8, 9, 10, 8, 9, 10, 11, 12]
    assert positions[0, 1, 8:].tolist() == [2, 3, 3, 4, 4, 4, 4, 4, 4, 7, 8] and following.tolist() == [13, 9]


def test_texts_follow_the_chat_form():
    tokenizer, backbone = tokenizer_for(SPEC), build(SPEC)
    assert tokenizer.decode(backbone.prompt_ids(tokenizer, "pick the cube")) == " pick the cube<|im_end|> \n<|im_start|> assistant\n"
    assert tokenizer.decode(backbone.target_ids(tokenizer, "yes")) == " yes<|im_end|>"
    assert backbone.prompt_ids(tokenizer, "<not a token>")[-1] == backbone.prompt_ids(tokenizer, "x")[-1], "user text is never a literal"


def test_reordering_is_its_own_inverse():
    tokens = torch.arange(24.0)[None, :, None]
    assert torch.equal(to_row_order(to_merge_order(tokens, (4, 6), 2), (4, 6), 2), tokens)
    assert to_merge_order(tokens, (4, 6), 2)[0, :4, 0].tolist() == [0, 1, 6, 7]
    pixels = torch.arange(2 * 3 * 16.0).view(2, 3, 4, 4)
    assert torch.equal(pixel_rows(pixels, 2)[1, 1].view(3, 2, 2), pixels[1, :, :2, 2:])


def test_published_shapes_have_the_published_parameters():
    with torch.device("meta"):
        backbone = type(SPEC)().build()
    assert round(sum(p.numel() for p in backbone.parameters()) / 1e6) == 2128  # the public "2B": 1.72 B text, 0.41 B vision
