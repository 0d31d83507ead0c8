"""Claims that hold for every backbone family, with both attention implementations."""

import dataclasses

import pytest
import torch
from backbone_cases import build, make_batch, micro_specs, padded, pictures, prefix, relative_error, tokenizer_for
from safetensors.torch import load_file, save_file
from torch import Tensor

from praxia.errors import CheckpointError, ConfigError
from praxia.models.attention import library_name
from praxia.models.states import AttentionGeometry, Want
from praxia.registry import from_json, to_json
from praxia.tokens.local_tokenizer import local_tokenizer

FAMILIES = tuple(micro_specs())
TEXTS = ("pick the red cube", "reach", "pick the cube and then do something else")


@pytest.fixture(scope="module", params=[(f, a) for f in FAMILIES for a in ("sdpa", "plain")], ids="-".join)
def backbone(request):
    family, attention = request.param
    return build(micro_specs()[family], attention=attention)


@pytest.fixture(scope="module")
def tokenizer(backbone):
    return tokenizer_for(backbone.spec)


def texts(backbone, tokenizer):
    prompts = [backbone.prompt_ids(tokenizer, t) for t in TEXTS]
    targets = [backbone.target_ids(tokenizer, t) for t in ("yes", "no the cube", "")]
    return prompts, targets


def only(batch, i: int, prompt: list[int], target: list[int]):
    """Sample i alone, unpadded."""
    images = torch.stack([v[i] for v in batch.views.images])[None]
    return make_batch(images, padded([prompt]), padded([target]), batch.views.valid[i : i + 1])


@torch.no_grad()
def test_padded_samples_equal_single_unpadded_runs(backbone, tokenizer):
    prompts, targets = texts(backbone, tokenizer)
    seen = torch.tensor([[True, True], [True, False], [True, True]])
    batch = make_batch(pictures(backbone.image_spec.size, 3), padded(prompts), padded(targets), seen)
    together, _, _ = prefix(backbone, batch)
    for i in range(3):
        alone, _, _ = prefix(backbone, only(batch, i, prompts[i], targets[i]))
        rows, single = together.layout.valid[i], alone.layout.valid[0]
        assert relative_error(together.hidden[i, rows], alone.hidden[0, single]) < 1e-5
        assert int(together.next_position[i]) == int(alone.next_position[0])
        for (key, value), (key1, value1) in zip(together.key_values, alone.key_values, strict=True):
            assert relative_error(key[i][:, rows], key1[0][:, single]) < 1e-5
            assert relative_error(value[i][:, rows], value1[0][:, single]) < 1e-5


@torch.no_grad()
def test_a_masked_view_is_as_if_it_were_not_there(backbone, tokenizer):
    backbone = build(backbone.spec, missing_view="mask")
    prompts, targets = texts(backbone, tokenizer)
    images = pictures(backbone.image_spec.size, 1)
    both = make_batch(images, padded(prompts[:1]), padded(targets[:1]), torch.tensor([[True, False]]))
    one = make_batch(images[:, :1], padded(prompts[:1]), padded(targets[:1]))
    hidden, absent = prefix(backbone, both)[0], prefix(backbone, one)[0]
    for name in ("view:head", "prompt", "target"):
        assert relative_error(hidden.group(name), absent.group(name)) < 1e-5
    assert torch.equal(hidden.next_position, absent.next_position)


@torch.no_grad()
def test_layer_zero_is_the_embeddings_and_the_last_is_after_the_final_norm(backbone, tokenizer):
    prompts, _ = texts(backbone, tokenizer)
    states, _, embeddings = prefix(backbone, make_batch(pictures(backbone.image_spec.size, 3), padded(prompts)))
    assert len(states.layers) == backbone.geometry.layers + 1
    assert torch.equal(states.layers[0], embeddings)
    assert torch.equal(states.layers[-1], states.hidden)
    assert relative_error(backbone.language.norm(states.layers[-2]), states.hidden) > 1e-2
    plain, _, _ = prefix(backbone, make_batch(pictures(backbone.image_spec.size, 3), padded(prompts)), Want())
    assert plain.layers is None and plain.key_values is None and torch.equal(plain.hidden, states.hidden)


@torch.no_grad()
def test_keys_are_rotated_and_not_repeated(backbone, tokenizer):
    """Shifting all positions changes every key but the values stay, and the attention, which reads differences, stays too."""
    prompts, _ = texts(backbone, tokenizer)
    batch = make_batch(pictures(backbone.image_spec.size, 3), padded(prompts))
    states, visual, embeddings = prefix(backbone, batch)
    geometry, rows = backbone.geometry, states.layout.length
    assert all(k.shape == v.shape == (3, geometry.kv_heads, rows, geometry.head_dim) for k, v in states.key_values)
    assert len(states.key_values) == geometry.layers
    original = backbone.positions
    backbone.positions = lambda *a: tuple(p + 5 for p in original(*a))
    try:
        shifted = backbone.run(states.layout, embeddings, Want(key_values=True), visual)
    finally:
        del backbone.positions
    for (key, value), (key5, value5) in zip(states.key_values, shifted.key_values, strict=True):
        assert relative_error(key, key5) > 1e-2 and relative_error(value, value5) < 1e-4
    assert relative_error(shifted.hidden, states.hidden) < 1e-4


@torch.no_grad()
def test_a_larger_vocabulary_keeps_the_old_scores(backbone, tokenizer):
    grown = build(backbone.spec)
    prompts, targets = texts(backbone, tokenizer)
    batch = make_batch(pictures(backbone.image_spec.size, 3), padded(prompts), padded(targets))
    old = grown.vocabulary_size()
    before = grown.logits(prefix(grown, batch)[0].hidden)
    table = grown.language.embed_tokens.weight.clone()
    grown.resize_vocabulary(old + 300)
    after = grown.logits(prefix(grown, batch)[0].hidden)
    assert grown.vocabulary_size() == old + 300 and after.shape[-1] == old + 300
    assert relative_error(after[..., :old], before) < 1e-6
    new = grown.language.embed_tokens.weight
    assert torch.equal(new[:old], table)
    assert grown.causal_lm.lm_head.weight is new, "input and output rows are tied"
    spread = new[old:].std(0).mean() / table.std(0).mean()
    assert 0.8 < float(spread) < 1.2 and float((new[old:].mean(0) - table.mean(0)).abs().max()) < 0.1
    assert grown.embed(torch.tensor([old + 299])).isfinite().all()
    grown.resize_vocabulary(old)
    assert grown.vocabulary_size() == old + 300, "it never shrinks"


@torch.no_grad()
@pytest.mark.parametrize("circle", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_smoothed_rows_are_alike_where_near_and_as_far_from_their_mean_as_before(backbone, share, circle):
    model, ids = build(backbone.spec), list(range(40, 140))
    table = model.language.embed_tokens.weight
    table[ids] = torch.randn(100, table.shape[1], generator=torch.Generator().manual_seed(0))
    before = table.clone()
    model.smooth_rows(ids, share, circle)
    off, was = (rows[ids] - rows[ids].mean(0) for rows in (table, before))
    cosine = torch.nn.functional.cosine_similarity(off[:, None], off[None], dim=-1)
    steps = torch.arange(100)
    assert cosine[steps[:-1], steps[1:]].mean() > 0.95
    if share == 0.05:
        assert cosine[steps[:-40], steps[40:]].abs().mean() < 0.3
        assert (float(cosine[0, 99]) > 0.9) == circle
    torch.testing.assert_close(off.square().mean(), was.square().mean())
    torch.testing.assert_close(table[ids].mean(0), before[ids].mean(0), rtol=1e-4, atol=1e-4)
    others = [i for i in range(len(table)) if i not in ids]
    assert torch.equal(table[others], before[others])


def test_gradients_reach_the_pixels_towers_through_keys_and_values(backbone, tokenizer):
    prompts, _ = texts(backbone, tokenizer)
    batch = make_batch(pictures(backbone.image_spec.size, 3), padded(prompts))
    states, visual, _ = prefix(backbone, batch)
    visual.patches.retain_grad()
    sum(k.sum() + v.sum() for k, v in states.key_values).backward()
    assert float(visual.patches.grad.abs().max()) > 0
    dead = [n for n, p in backbone.named_parameters() if p.grad is None and ".norm." not in n and "lm_head" not in n and f"layers.{2}." not in n]
    backbone.zero_grad()
    assert dead == []


@torch.no_grad()
def test_bfloat16_stays_finite_where_rows_are_padding(backbone, tokenizer):
    prompts, _ = texts(backbone, tokenizer)
    batch = make_batch(pictures(backbone.image_spec.size, 3), padded(prompts), seen=torch.tensor([[True, True], [True, False], [False, False]]))
    exact, _, _ = prefix(backbone, batch)
    with torch.autocast("cpu", torch.bfloat16):
        states, _, _ = prefix(backbone, batch)
    assert states.hidden.isfinite().all()
    rows = exact.layout.valid
    assert relative_error(states.hidden[rows].float(), exact.hidden[rows]) < 0.1


@torch.no_grad()
def test_an_adapter_gets_patches_row_by_row_and_changes_the_tokens(backbone, tokenizer):
    """Turning the adapter's output on for the top left quarter of the patches moves exactly the tokens of that quarter."""
    prompts, _ = texts(backbone, tokenizer)
    batch = make_batch(pictures(backbone.image_spec.size, 2), padded(prompts[:2]))

    class Quarter:
        def __call__(self, patches: Tensor, batch) -> Tensor:
            side = round(patches.shape[2] ** 0.5)
            grid = torch.zeros(side, side)
            grid[: side // 2, : side // 2] = 1
            return patches + grid.flatten()[:, None]

    plain, adapted = backbone.encode_views(batch), backbone.encode_views(batch, [Quarter()])
    assert plain.patch_grid[0] * plain.patch_grid[1] == plain.patches.shape[2] and plain.grid[0] * plain.grid[1] == plain.embeddings.shape[2]
    moved = (plain.embeddings != adapted.embeddings).any(-1).unflatten(2, plain.grid)
    rows, columns = plain.grid
    expected = torch.zeros(rows, columns, dtype=torch.bool)
    expected[: rows // 2, : columns // 2] = True
    assert torch.equal(moved, expected.expand_as(moved))


@torch.no_grad()
def test_patches_keep_the_place_they_have_in_the_picture(backbone):
    """Repainting the bottom right corner of the picture moves the patch there more than any other (attention spreads the rest)."""
    size = backbone.image_spec.size
    pixels = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(3))
    changed = pixels.clone()
    changed[..., -6:, -6:] += 0.5
    before, grid, _ = backbone.patches(pixels)
    after, _, _ = backbone.patches(changed)
    assert int((before - after).norm(dim=-1).argmax()) == grid[0] * grid[1] - 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_spec_survives_json(family):
    spec = micro_specs()[family]
    assert from_json(to_json(spec)) == spec
    assert from_json(to_json(type(spec)())) == type(spec)(), "published sizes"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_without_the_special_tokens_is_refused(family):
    spec = micro_specs()[family]
    with pytest.raises(ConfigError, match=rf"lacks .*{type(spec).__name__}.*specials"):
        spec.build().bind(local_tokenizer(("pick",), ("<pad>", "<bos>", "<eos>")))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_local_tokenizer_pads_and_ends_as_the_family_does(family):
    spec = micro_specs()[family]
    tokenizer = tokenizer_for(spec)
    pad, end = ("<pad>", "<eos>") if family == "paligemma" else ("<|endoftext|>", "<|im_end|>")
    assert (tokenizer.pad_token, tokenizer.eos_token) == (pad, end)
    assert tokenizer.eos_token_id in build(spec).target_ids(tokenizer, "yes")
    assert len(tokenizer) <= spec.vocabulary


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_up_to_its_stop_reads_back_as_it_was_written(family):
    backbone, tokenizer = build(micro_specs()[family]), tokenizer_for(micro_specs()[family])
    ids, stop = backbone.target_ids(tokenizer, "yes"), backbone.stop_id(tokenizer)
    assert tokenizer.decode(ids[: ids.index(stop)], skip_special_tokens=False).strip() == "yes"


@pytest.mark.parametrize("family", ["qwen3_vl", "internvl"])
def test_an_unbound_chat_backbone_says_what_to_call(family):
    spec = micro_specs()[family]
    batch = make_batch(pictures(spec.image_size, 1), padded([[1, 2, 3]]))
    with pytest.raises(ConfigError, match=r"bind\(tokenizer\)"):
        prefix(spec.build(), batch)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_size_that_does_not_fit_the_grid_is_refused(family):
    spec = micro_specs()[family]
    with pytest.raises(ConfigError, match=r"image_size is 45.*use a multiple, e\.g\. \d+"):
        dataclasses.replace(spec, image_size=45)


@pytest.mark.parametrize("family", ["paligemma", "qwen3_vl", "internvl"])
def test_a_public_checkpoint_is_read_and_checked(family, tmp_path):
    spec = micro_specs()[family]
    source = build(spec, seed=5)
    source.model.save_pretrained(tmp_path / "public")
    loaded = dataclasses.replace(spec, checkpoint=str(tmp_path / "public"), attention="plain").build()
    loaded.load_checkpoint()
    loaded.bind(tokenizer_for(spec))
    batch = make_batch(pictures(spec.image_size, 2), padded([[3, 4, 5], [6, 7, 8]]))
    with torch.no_grad():
        assert relative_error(prefix(loaded, batch)[0].hidden, prefix(source, batch)[0].hidden) < 1e-5
    assert loaded.causal_lm.lm_head.weight is loaded.language.embed_tokens.weight
    assert loaded.language.config._attn_implementation == library_name("plain")
    assert all(p.dtype == torch.float32 and p.requires_grad for p in loaded.parameters())

    source.model.save_pretrained(tmp_path / "sharded", max_shard_size="30KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 2 and (tmp_path / "sharded/model.safetensors.index.json").is_file()
    shards = dataclasses.replace(spec, checkpoint=str(tmp_path / "sharded")).build()
    shards.load_checkpoint()
    assert all(torch.equal(a, b) for a, b in zip(shards.state_dict().values(), loaded.state_dict().values(), strict=True))
    known = loaded.language.embed_tokens.weight[: spec.vocabulary].clone()
    shards.resize_vocabulary(spec.vocabulary + 37)
    table = shards.language.embed_tokens.weight
    assert torch.equal(table[: spec.vocabulary], known) and len(table) == spec.vocabulary + 37
    shards.bind(tokenizer_for(spec))
    with torch.no_grad():
        grown, before = (b.logits(prefix(b, batch)[0].hidden) for b in (shards, loaded))
    torch.testing.assert_close(grown[..., : spec.vocabulary], before)

    heads = dataclasses.replace(
        loaded.spec, text_heads=2, text_kv_heads=1, text_head_dim=32, **({"mrope": (8, 4, 4)} if family == "qwen3_vl" else {})
    )
    with pytest.raises(CheckpointError, match=r"text_config\.num_attention_heads is 4, the spec says 2"):
        heads.build().load_checkpoint()
    weights = load_file(tmp_path / "public" / "model.safetensors")
    lost = next(name for name in weights if name.endswith("layers.1.mlp.up_proj.weight"))
    save_file({k: v for k, v in weights.items() if k != lost}, tmp_path / "public" / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"incomplete: missing.*up_proj"):
        loaded.spec.build().load_checkpoint()
    with pytest.raises(CheckpointError, match="nothing to load"):
        spec.build().load_checkpoint()
    with pytest.raises(CheckpointError, match="cannot be read"):
        dataclasses.replace(spec, checkpoint=str(tmp_path / "nowhere")).build().load_checkpoint()


def test_key_heads_that_do_not_divide_the_heads_are_refused():
    with pytest.raises(ConfigError, match="text_kv_heads is 4; expected a divisor of text_heads, which is 2"):
        AttentionGeometry(layers=2, heads=2, kv_heads=4, head_dim=8, rotary="qwen2")
