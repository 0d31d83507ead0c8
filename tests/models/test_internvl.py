"""InternVL adapter against `InternVLForConditionalGeneration`, with both families of language model."""

import dataclasses

import pytest
import torch
from backbone_cases import build, compare_with_library, make_batch, micro_specs, padded, pictures, prefix, relative_error, tokenizer_for

from praxia.errors import ConfigError

SPEC = micro_specs()["internvl"]
QWEN2 = dataclasses.replace(SPEC, text="qwen2", text_head_dim=12)
CONTEXT = "<IMG_CONTEXT>"


def case(backbone, views: int, answers=None):
    spec = backbone.spec
    tokenizer = tokenizer_for(spec, (CONTEXT,))
    backbone.bind(tokenizer)
    texts, images = ("pick the red cube", "reach", "pick"), pictures(spec.image_size, 3, views)
    tokens = (spec.image_size // spec.patch_size // 2) ** 2

    def ids(part: str) -> list[int]:
        return tokenizer.encode(part, add_special_tokens=False)

    view = ids(f"<img>{CONTEXT * tokens}</img>\n")
    turn, close = ids("<|im_start|>user\n"), ids("<|im_end|>\n<|im_start|>assistant\n")
    rows = padded([turn + view * views + ids(t) + close + (ids(f"{answers[i]}<|im_end|>") if answers else []) for i, t in enumerate(texts)])
    backbone.model.config.image_token_id = tokenizer.convert_tokens_to_ids(CONTEXT)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = (images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255 - mean) / std
    prompts = padded([backbone.prompt_ids(tokenizer, t) for t in texts])
    targets = padded([backbone.target_ids(tokenizer, a) for a in answers]) if answers else None
    return make_batch(images, prompts, targets), {"input_ids": rows.ids, "attention_mask": rows.valid.long(), "pixel_values": pixels}


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@pytest.mark.parametrize("spec", [SPEC, QWEN2], ids=["qwen3", "qwen2"])
@pytest.mark.parametrize("views", [1, 2])
@torch.no_grad()
def test_states_scores_keys_and_values_equal_the_library(spec, attention, views):
    backbone = build(spec, attention=attention)
    for answers in (None, ("yes", "no the cube", "")):
        batch, inputs = case(backbone, views, answers)
        library = backbone.model(**inputs, output_hidden_states=True, use_cache=True)
        states, _, _ = prefix(backbone, batch)
        compare_with_library(states, backbone, library, inputs["attention_mask"].bool())


@torch.no_grad()
def test_view_tokens_equal_the_library_features():
    backbone = build(SPEC)
    batch, inputs = case(backbone, 2)
    visual = backbone.encode_views(batch)
    features = backbone.model.get_image_features(inputs["pixel_values"], vision_feature_layer=-1, vision_feature_select_strategy="default")
    assert relative_error(visual.embeddings.flatten(0, 1), features.pooler_output) < 1e-5
    assert visual.patch_grid == (4, 4) and visual.grid == (2, 2) and visual.extra is None


def test_literals_stand_around_each_view():
    backbone = build(SPEC)
    tokenizer = tokenizer_for(SPEC)
    batch, _ = case(backbone, 2)
    states, _, _ = prefix(backbone, batch)
    assert states.layout.names == ("chat:open", "open:head", "view:head", "close:head", "open:wrist", "view:wrist", "close:wrist", "prompt")
    assert states.views().shape == (3, 2, 4, 48)
    assert tokenizer.decode(backbone.target_ids(tokenizer, "yes")) == " yes<|im_end|>"


def test_qwen2_heads_must_fill_the_width():
    with pytest.raises(ConfigError, match=r"text_head_dim is 16.*12"):
        dataclasses.replace(SPEC, text="qwen2")


def test_published_shapes_have_the_published_parameters():
    with torch.device("meta"):
        backbone = type(SPEC)().build()
    parts = {"vision": backbone.model.model.vision_tower, "text": backbone.language}
    counts = {k: round(sum(p.numel() for p in m.parameters()) / 1e6) for k, m in parts.items()}
    assert counts == {"vision": 304, "text": 1721}
    assert parts["vision"].encoder.layer[0].attention.q_proj.bias is not None, "InternViT-300M has biased queries, keys and values"
