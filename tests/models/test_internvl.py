"""InternVL adapter against `InternVLForConditionalGeneration`, with both families of language model."""

import dataclasses

import pytest
import torch
from backbone_cases import build, compare_with_library, make_batch, micro_specs, padded, pictures, prefix, relative_error, tokenizer_for

from praxia.data.batch import Draws
from praxia.data.pixels import view_pixels
from praxia.errors import CheckpointError, ConfigError
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.models.spec import ModelSpec
from praxia.models.states import Want
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.models.vla import VLA

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


@torch.no_grad()
def test_without_the_geometry_branch_the_model_is_the_library_s_to_the_last_bit():
    """VIPA-VLA's acceptance test 4: alpha = 0 and dropout off, the whole composition against `InternVLForConditionalGeneration`."""
    fusion = GeometryFusion(encoder=ViTGeometry(image_size=16, patch_size=8, width=12, layers=1, heads=2), heads=4, alpha=0.0, dropout=0.0)
    backbone = build(SPEC, attention="plain")
    model = VLA(ModelSpec(backbone=backbone.spec, adapters=(fusion,), prefix_attention="causal"), ("backbone", "adapters")).train()
    model.backbone.load_state_dict(backbone.state_dict())
    for views in (1, 2):
        batch, inputs = case(model.backbone, views)
        inputs["pixel_values"] = view_pixels(batch.views, backbone.image_spec).flatten(0, 1)
        features = model.backbone.model.get_image_features(inputs["pixel_values"], vision_feature_layer=-1, vision_feature_select_strategy="default")
        states, visual = model.prefix(batch, Draws(), want=Want())
        assert visual is not None and torch.equal(visual.embeddings.flatten(0, 1), features.pooler_output)
        library = model.backbone.model(**inputs, output_hidden_states=True)
        seen = inputs["attention_mask"].bool()
        assert torch.equal(states.hidden[states.layout.valid], library.hidden_states[-1][seen])
        assert torch.equal(model.backbone.logits(states.hidden[states.layout.valid]), library.logits[seen].float())
        model.adapters[0].fusion.alpha.fill_(0.5)
        assert not torch.equal(model.prefix(batch, Draws(), want=Want())[0].hidden, states.hidden)
        model.adapters[0].fusion.alpha.zero_()


def test_a_convolutional_stem_keeps_the_seam_and_has_no_public_weights():
    backbone = build(SPEC, stem="conv")
    visual = backbone.encode_views(case(backbone, 2)[0])
    assert visual.patch_grid == (4, 4) and visual.grid == (2, 2)
    with pytest.raises(CheckpointError, match="stem='patch'"):
        backbone.load_checkpoint()


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_start_around_the_mean_of_the_others(tied):
    backbone = build(SPEC, tied=tied)
    ids, before = [7, *range(300, 399)], backbone.language.embed_tokens.weight.clone()
    backbone.start_rows(ids, 0.02, torch.Generator().manual_seed(0))
    for table in (backbone.language.embed_tokens.weight, backbone.causal_lm.lm_head.weight):
        others = torch.ones(len(table), dtype=torch.bool)
        others[ids] = False
        off = table[ids] - table[others].mean(0)
        assert abs(float(off.std()) - 0.02) < 0.002 and float(off.mean().abs()) < 0.002
    assert torch.equal(backbone.language.embed_tokens.weight[others], before[others])
    assert (backbone.causal_lm.lm_head.weight is backbone.language.embed_tokens.weight) == tied
