"""PaliGemma adapter against `PaliGemmaForConditionalGeneration`: bidirectional images and prompt, causal target."""

import dataclasses

import pytest
import torch
from backbone_cases import build, compare_with_library, make_batch, micro_specs, padded, pictures, prefix, relative_error, tokenizer_for

from praxia.errors import CheckpointError, ConfigError

SPEC = micro_specs()["paligemma"]


def case(backbone, target: bool):
    tokenizer = tokenizer_for(backbone.spec)
    prompts = [backbone.prompt_ids(tokenizer, t) for t in ("pick the red cube", "reach")]
    targets = [backbone.target_ids(tokenizer, t) for t in ("<loc0003><loc1023> cube", "no")]
    batch = make_batch(pictures(28, 2), padded(prompts), padded(targets) if target else None)
    patches = 2 * (28 // 14) ** 2
    rows = [[backbone.spec.vocabulary] * patches + p + (t if target else []) for p, t in zip(prompts, targets, strict=True)]
    ids = padded(rows)
    kinds = padded([[0] * (patches + len(p)) + [1] * (len(t) if target else 0) for p, t in zip(prompts, targets, strict=True)])
    pixels = (torch.stack(batch.views.images, 1).flatten(0, 1).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    return batch, {"input_ids": ids.ids, "attention_mask": ids.valid.long(), "token_type_ids": kinds.ids, "pixel_values": pixels}


@pytest.mark.parametrize("target", [False, True], ids=["prefix", "with target"])
@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@torch.no_grad()
def test_states_scores_keys_and_values_equal_the_library(attention, target):
    backbone = build(SPEC, attention=attention)
    batch, inputs = case(backbone, target)
    library = backbone.model(**inputs, output_hidden_states=True, use_cache=True)
    states, _, _ = prefix(backbone, batch, causal=False)
    compare_with_library(states, backbone, library, inputs["attention_mask"].bool())


@torch.no_grad()
def test_views_between_their_tokens_equal_the_library_given_the_same_sequence():
    delimiters = ("<image0>", "</image0>", "<image1>", "</image1>")
    tokenizer = tokenizer_for(SPEC, delimiters)
    backbone = build(SPEC, view_tokens=True)
    backbone.bind(tokenizer)
    batch, inputs = case(backbone, True)
    opens0, closes0, opens1, closes1 = tokenizer.convert_tokens_to_ids(list(delimiters))
    view = [backbone.spec.vocabulary] * (28 // 14) ** 2
    written = torch.tensor([opens0, *view, closes0, opens1, *view, closes1]).expand(2, -1)
    after = 2 * len(view)  # where the text begins without delimiters
    inputs["input_ids"] = torch.cat([written, inputs["input_ids"][:, after:]], dim=1)
    for name, value in (("attention_mask", 1), ("token_type_ids", 0)):
        inputs[name] = torch.cat([torch.full_like(written, value), inputs[name][:, after:]], dim=1)
    library = backbone.model(**inputs, output_hidden_states=True, use_cache=True)
    states, _, _ = prefix(backbone, batch, causal=False)
    compare_with_library(states, backbone, library, inputs["attention_mask"].bool())
    assert states.layout.names[:4] == ("open:head", "view:head", "close:head", "open:wrist")


@torch.no_grad()
def test_views_without_tokens_of_their_own_are_refused():
    backbone = build(SPEC, view_tokens=True)
    backbone.bind(tokenizer_for(SPEC, ("<image0>", "</image0>")))
    with pytest.raises(ConfigError, match=r"<image1> around view 2.*PoseVocabulary.views to 2"):
        prefix(backbone, case(backbone, False)[0], causal=False)


@torch.no_grad()
def test_positions_start_where_the_model_was_trained():
    """PaliGemma counts from 1, pi0 from 0: keys differ, hidden states (which see differences only) do not."""
    one, zero = build(SPEC, first_position=1), build(SPEC, first_position=0)
    batch, _ = case(one, True)
    a, b = prefix(one, batch, causal=False)[0], prefix(zero, batch, causal=False)[0]
    assert torch.equal(a.next_position, b.next_position + 1)
    assert relative_error(a.key_values[1][0], b.key_values[1][0]) > 1e-2
    assert relative_error(a.hidden[a.layout.valid], b.hidden[b.layout.valid]) < 1e-4


def test_texts_are_bos_prompt_newline_and_answer_eos():
    tokenizer = tokenizer_for(SPEC)
    backbone = build(SPEC)
    assert tokenizer.decode(backbone.prompt_ids(tokenizer, "pick the red cube")) == "<bos> pick the red cube\n"
    answer = backbone.target_ids(tokenizer, "<loc0003><loc1023>")
    assert answer == tokenizer.convert_tokens_to_ids(["<loc0003>", "<loc1023>", "<eos>"])


def test_published_shapes_have_the_published_parameters():
    with torch.device("meta"):
        backbone = type(SPEC)().build()
    # SigLIP-So400m without head 412.4 M + projector 2.4 M + Gemma-2B with the padded table 2,508.5 M
    assert round(sum(p.numel() for p in backbone.parameters()) / 1e6) == 2923


@pytest.mark.parametrize(("stem", "merge"), [("conv", 1), ("patch", 2), ("conv", 2)])
def test_small_tower_options_keep_the_seam(stem, merge):
    backbone = build(SPEC, image_size=32, patch_size=8, stem=stem, merge=merge)
    tokenizer = tokenizer_for(SPEC)
    batch = make_batch(pictures(32, 2), padded([backbone.prompt_ids(tokenizer, "reach")] * 2))
    states, visual, _ = prefix(backbone, batch, causal=False)
    assert visual.patches.shape == (2, 2, 16, 32) and visual.patch_grid == (4, 4)
    assert visual.embeddings.shape == (2, 2, (4 // merge) ** 2, 48) and visual.grid == (4 // merge, 4 // merge)
    states.hidden.sum().backward()
    assert all(p.grad is not None for p in backbone.model.model.vision_tower.parameters())
    with pytest.raises(CheckpointError, match="has no public weights"):
        dataclasses.replace(backbone.spec, checkpoint="anything").build().load_checkpoint()
