"""Prismatic adapter against golden outputs of the public classes (tests/golden/prismatic), and its checkpoint files."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from backbone_cases import build, make_batch, micro_specs, padded, pictures, prefix, randomise, relative_error, tokenizer_for
from safetensors.torch import load_file, save_file
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel, SiglipConfig, SiglipModel

from praxia.errors import CheckpointError
from praxia.models.backbones.backbone import Piece
from praxia.models.backbones.prismatic import Prismatic
from praxia.models.backbones.prismatic_checkpoint import dino_state, language_state, resample_positions, siglip_state
from praxia.models.states import VisualTokens, Want

GOLDEN = Path(__file__).parent.parent / "golden" / "prismatic"
TINY = Prismatic(
    image_size=56, dino_width=48, dino_layers=4, dino_heads=3, siglip_width=64, siglip_layers=5, siglip_heads=4, siglip_mlp=239,
    text_width=64, text_layers=4, text_heads=4, text_kv_heads=2, text_mlp=152, vocabulary=576,
    checkpoint=str(GOLDEN / "tiny_checkpoint.safetensors"),
)  # fmt: skip
SPEC = micro_specs()["prismatic"]


@pytest.fixture(scope="module", params=["sdpa", "plain"])
def tiny(request):
    backbone = dataclasses.replace(TINY, attention=request.param).build().eval()
    backbone.load_checkpoint()
    return backbone


def golden(name: str) -> dict:
    return load_file(GOLDEN / f"{name}.safetensors")


def see(backbone, pixels) -> tuple[VisualTokens, list[Piece]]:
    """[B, V, 3, S, S] in [0, 1] -> visual tokens and their pieces."""
    b, v = pixels.shape[:2]
    patches, grid, _ = backbone.patches(pixels.flatten(0, 1))
    tokens, _ = backbone.project(patches, grid)
    visual = VisualTokens(tokens.unflatten(0, (b, v)), torch.ones(b, v, dtype=torch.bool), grid, patches.unflatten(0, (b, v)), grid)
    return visual, backbone.view_pieces(visual, ("head", "wrist")[:v], 0, True)


@pytest.mark.parametrize("name", ["case_1", "case_2"])
@torch.no_grad()
def test_every_stage_equals_the_public_code(tiny, name):
    case = golden(name)
    pixels = (case["pixel_values.siglip"] * 0.5 + 0.5).unflatten(0, (len(case["input_ids"]), -1)).flatten(1, -4).unflatten(1, (-1,))
    dino = case["pixel_values.dino"].flatten(0, -4)
    assert relative_error((pixels.flatten(0, 1) - tiny.dino_mean) / tiny.dino_std, dino) < 1e-6
    visual, pieces = see(tiny, pixels)
    assert relative_error(visual.patches.flatten(1, 2), case["patch_features"]) < 1e-5
    assert relative_error(visual.embeddings.flatten(1, 2), case["projected_patches"]) < 1e-5
    pieces.append(Piece("prompt", tiny.embed(case["input_ids"]), case["attention_mask"].bool(), 0, True))
    layout, embeddings = tiny.join(tiny.arrange(pieces))
    assert torch.equal(layout.valid, case["fused_attention_mask"].bool())
    assert relative_error(embeddings, case["inputs_embeds"]) < 1e-5
    states = tiny.run(layout, embeddings, Want(layers=True))
    seen = layout.valid
    for ours, theirs in zip(states.layers, case["hidden_states"], strict=True):
        assert relative_error(ours[seen], theirs[seen]) < 1e-5
    assert relative_error(tiny.logits(states.hidden)[seen], case["logits"][seen]) < 1e-5


@torch.no_grad()
def test_action_queries_behind_the_prompt_equal_the_public_code(tiny):
    case, second = golden("case_4_action_queries"), golden("case_2")
    _, pieces = see(tiny, second["pixel_values.siglip"][:1] * 0.5 + 0.5)
    queries, stop = case["action_queries"][None], tiny.embed(torch.tensor([[2]]))
    for name, rows in (("prompt", tiny.embed(case["input_ids"])), ("queries", queries), ("stop", stop)):
        pieces.append(Piece(name, rows, torch.ones(rows.shape[:2], dtype=torch.bool), 0, True))
    layout, embeddings = tiny.join(tiny.arrange(pieces))
    assert layout.names == ("prompt:first", "view:head", "view:wrist", "prompt", "queries", "stop")
    assert relative_error(embeddings, case["inputs_embeds"]) < 1e-5
    states = tiny.run(layout, embeddings, Want(layers=True))
    for ours, theirs in zip(states.layers, case["hidden_states"], strict=True):
        assert relative_error(ours, theirs) < 1e-5


# --- the golden data notices damage (each change is one somebody could make) ------------------------------------------------------


def _siglip_with_tanh_gelu(backbone):
    for layer in backbone.siglip.encoder.layers:
        layer.mlp.activation_fn = torch.nn.GELU(approximate="tanh")


def _towers_swapped(backbone):
    weight = backbone.projector[0].weight
    weight.copy_(weight.roll(48, dims=1))


def _class_position(backbone):
    backbone.dino.embeddings.position_embeddings[:, 0] += 0.01 * torch.randn(48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("damage", [_siglip_with_tanh_gelu, _towers_swapped, _class_position])
@torch.no_grad()
def test_the_golden_case_notices(damage):
    backbone = TINY.build().eval()
    backbone.load_checkpoint()
    damage(backbone)
    case = golden("case_1")
    visual, _ = see(backbone, case["pixel_values.siglip"][:, None] * 0.5 + 0.5)
    assert relative_error(visual.embeddings.flatten(1, 2), case["projected_patches"]) > 1e-4


# --- checkpoints ------------------------------------------------------------------------------------------------------------------


def public_file(folder: Path, flat: dict, modules=("projector", "llm_backbone", "vision_backbone"), dtype=torch.float32) -> Path:
    """The tiny weights in the public layout: folder/checkpoints/latest-checkpoint.pt with nested dictionaries."""
    model = {}
    for name, tensor in flat.items():
        module, _, inner = name.partition(".")
        if module in modules:
            model.setdefault(module, {})[inner] = tensor.to(dtype)
    (folder / "checkpoints").mkdir(parents=True)
    path = folder / "checkpoints" / "latest-checkpoint.pt"
    torch.save({"model": model, "optimizer": {"state": {}}}, path)
    return path


def test_the_public_file_is_converted_once(tmp_path):
    flat = golden("tiny_checkpoint")
    source = public_file(tmp_path / "public", flat)
    wanted = {k: v.clone() for k, v in load(TINY).state_dict().items()}
    spec = dataclasses.replace(TINY, checkpoint=str(tmp_path / "public"))
    for _ in range(2):
        state = load(spec).state_dict()
        assert state.keys() == wanted.keys() and all(torch.equal(state[k], wanted[k]) for k in wanted)
        source.write_bytes(b"older than its conversion, so not read again")
        os.utime(source, (0, 0))
    source.unlink()
    assert load(spec).state_dict().keys() == wanted.keys(), "the converted file is enough"


def test_a_half_precision_file_is_read_into_float32(tmp_path):
    public_file(tmp_path / "public", golden("tiny_checkpoint"), dtype=torch.bfloat16)
    backbone = load(dataclasses.replace(TINY, checkpoint=str(tmp_path / "public")))
    assert all(p.dtype == torch.float32 for p in backbone.parameters())


@torch.no_grad()
def test_towers_missing_in_the_public_file_come_from_library_checkpoints(tmp_path):
    """Features equal the library towers' second-to-last block, also where the position table has another size."""
    public_file(tmp_path / "public", golden("tiny_checkpoint"), modules=("projector", "llm_backbone"))
    dino = Dinov2WithRegistersModel(
        Dinov2WithRegistersConfig(
            hidden_size=48, num_hidden_layers=4, num_attention_heads=3, mlp_ratio=4, image_size=70, patch_size=14, num_register_tokens=4
        )
    ).eval()
    vision = {"hidden_size": 64, "num_hidden_layers": 5, "num_attention_heads": 4, "intermediate_size": 239, "image_size": 56, "patch_size": 14}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 32}
    siglip = SiglipModel(SiglipConfig(vision_config=vision | {"hidden_act": "gelu"}, text_config=text)).eval()
    for seed, (model, name) in enumerate(((dino, "dino"), (siglip, "siglip"))):
        randomise(model, seed)
        model.save_pretrained(tmp_path / name)
    towers = {"dino_checkpoint": str(tmp_path / "dino"), "siglip_checkpoint": str(tmp_path / "siglip")}
    spec = dataclasses.replace(TINY, checkpoint=str(tmp_path / "public"))
    backbone = load(dataclasses.replace(spec, **towers))
    pixels = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    a = dino((pixels - backbone.dino_mean) / backbone.dino_std, output_hidden_states=True).hidden_states[3][:, 5:]
    b = siglip.vision_model((pixels - 0.5) / 0.5, output_hidden_states=True).hidden_states[4]
    assert relative_error(backbone.patches(pixels)[0], torch.cat([a, b], dim=-1)) < 1e-5
    with pytest.raises(CheckpointError, match=r"holds no dino tower.*dino_checkpoint"):
        load(spec)


def test_position_tables_are_resampled_as_timm_does():
    table = golden("pos_embed")
    assert torch.equal(resample_positions(table["original.pos_embed"][:, 1:], 16), table["timm224.pos_embed"])


def test_names_and_shapes_of_the_published_size_fit():
    """All 982 public names: those used fill every tensor of ours, in shape; the rest are the last blocks, final norms and pooling head."""
    full = json.loads((GOLDEN / "full_state_dict.json").read_text())
    flat = {k: torch.empty(shape, device="meta") for k, (shape, _) in full["tensors"].items()}
    with torch.device("meta"):
        backbone = Prismatic().build()
    dino = {k.removeprefix("vision_backbone.dino_featurizer."): v for k, v in flat.items() if ".dino_featurizer." in k}
    siglip = {k.removeprefix("vision_backbone.siglip_featurizer."): v for k, v in flat.items() if ".siglip_featurizer." in k}
    state = language_state(flat)
    state |= {f"dino.{k}": v for k, v in dino_state(dino, 16).items()} | {f"siglip.{k}": v for k, v in siglip_state(siglip, 16).items()}
    ours = backbone.state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in ours.items()}
    counts = full["parameter_counts"]
    unused = sum(v for k, v in counts.items() if k.startswith("of these: ") and "table" not in k)
    position_of_class = 1024  # the library's table has a row for the class token
    assert sum(p.numel() for p in backbone.parameters()) == counts["total, tied counted once"] - unused + position_of_class


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("owned"),))


def test_files_that_are_not_checkpoints_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"projector": _Evil()}}, tmp_path / "evil.pt")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    flat = golden("tiny_checkpoint")
    save_file({k: v for k, v in flat.items() if "norm1" not in k and "projector.2" not in k}, tmp_path / "holes.safetensors")
    for name, message in (
        ("evil.pt", "holds more than tensors"),
        ("other.pt", "no Prismatic checkpoint"),
        ("gone.pt", "does not exist"),
        ("", "nothing to load"),
        ("holes.safetensors", r"missing \["),
    ):
        with pytest.raises(CheckpointError, match=message):
            load(dataclasses.replace(TINY, checkpoint=str(tmp_path / name) if name else ""))
    assert not (tmp_path / "owned").exists()
    with pytest.raises(CheckpointError, match=r"of another shape.*mlp"):
        load(dataclasses.replace(TINY, text_mlp=160))


def load(spec: Prismatic):
    backbone = spec.build()
    backbone.load_checkpoint()
    return backbone


# --- texts ------------------------------------------------------------------------------------------------------------------------


def test_texts_equal_the_public_prompts():
    prompts = json.loads((GOLDEN / "prompts.json").read_text())["prompts"]
    tokenizer, backbone = tokenizer_for(SPEC), build(SPEC)
    lengths = []
    for prompt in prompts:
        first, *others = (text for _, text in prompt["turns"])
        ids, (later, replies) = backbone.prompt_ids(tokenizer, first.replace("<image>", "")), backbone.dialogue_ids(tokenizer, others)
        # The local tokenizer writes a space before each text; spaces are compared away.
        assert tokenizer.decode(ids + later).replace(" ", "") == prompt["text"].replace(" ", "")
        assert len(others) != 1 or later == backbone.target_ids(tokenizer, others[0])
        assert len(later) == len(replies) and all(replies) == (len(others) <= 1)
        lengths.append(len(others))
    assert max(lengths) == 3 and lengths.count(1) and lengths.count(0)
    assert backbone.target_ids(tokenizer, "") == backbone.target_ids(tokenizer, " ") and len(backbone.target_ids(tokenizer, "")) > 2


def test_the_first_text_token_stands_before_the_views():
    tokenizer, backbone = tokenizer_for(SPEC), build(SPEC)
    ids = padded([backbone.prompt_ids(tokenizer, "pick the cube"), backbone.prompt_ids(tokenizer, "reach")])
    with torch.no_grad():
        states, _, embeddings = prefix(backbone, make_batch(pictures(28, 2), ids))
    assert states.layout.names == ("prompt:first", "view:head", "view:wrist", "prompt")
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert torch.equal(embeddings[:, 0], backbone.embed(torch.tensor([start, start])))
    assert states.views().shape == (2, 2, 4, 48)
