"""The mask decoder on SAM's modules: its passes are the library's own, public weights fit it, two views share one prompt, and no action needs it."""

import json
from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro
from torch.utils.flop_counter import FlopCounterMode
from transformers import SamConfig, SamModel

from praxia.errors import CheckpointError, ConfigError
from praxia.models.backbones.prismatic import Prismatic
from praxia.models.readouts.sam_mask import FIXED, FROZEN, SamMask
from praxia.models.states import Outputs
from praxia.models.vla import PARTS
from praxia.objectives import TargetMask
from praxia.registry import from_json, to_json
from praxia.stages.weights import load_state, owned_state
from praxia.train.optimiser import AdamW
from praxia.train.trainable import apply_trainable

MICRO = SamMask(
    image_size=64, patch_size=16, vision_width=16, vision_layers=2, vision_heads=2, window=3, global_layers=(1,), width=16, mask_channels=8,
    decoder_heads=2, decoder_mlp=24,
)  # fmt: skip


def robot(readout: SamMask = MICRO, seed: int = 0):
    recipe = micro.composition("poke_vla")
    stage = recipe.stages[-1]
    model = micro.build(recipe, stage, seed, replace(recipe.model, readouts={"target_mask": readout}))
    return model, micro.batch(recipe, stage)


def drawn(model, batch):
    with torch.no_grad():
        return model(batch, micro.draws(model, batch)).readouts["target_mask"]


@pytest.fixture(scope="module")
def library():
    """A small SAM as the library makes and saves it, every weight counting."""
    torch.manual_seed(5)
    return micro.stirred(SamModel(MICRO.hf_config())).eval()


@pytest.fixture(scope="module")
def folder(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("sam")
    library.save_pretrained(path)
    return path


def test_a_saved_checkpoint_of_the_library_s_class_fits_and_fills_both_passes(library, folder):
    net = replace(MICRO, checkpoint=str(folder)).build(robot()[0].backbone)
    prompt = net.prompt[0].weight.clone()
    net.load_checkpoint()
    theirs = library.state_dict()
    assert net.sam.state_dict().keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in net.sam.state_dict().items())
    for name, tensor in net.fine.state_dict().items():
        assert torch.equal(tensor, theirs[name])
    assert torch.equal(net.prompt[0].weight, prompt), "not SAM's: it starts at random"
    net.fine["mask_decoder"].mask_tokens.weight.data += 1
    assert torch.equal(net.sam.mask_decoder.mask_tokens.weight, theirs["mask_decoder.mask_tokens.weight"]), "a copy, not the same weights"


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
@torch.no_grad()
def test_a_pass_equals_the_library_s_model_on_points_and_on_points_with_a_mask(library, folder, attention):
    net = replace(MICRO, checkpoint=str(folder), attention=attention).build(robot()[0].backbone).eval()
    net.load_checkpoint()
    generator = torch.Generator().manual_seed(1)
    pixels, points = torch.randn(2, 3, 64, 64, generator=generator), 60 * torch.rand(2, 1, 2, 2, generator=generator)
    prompt, _ = library.get_prompt_embeddings(input_points=points, input_labels=torch.tensor([[[1, 0]], [[1, 1]]]))
    image = net.sam.vision_encoder(pixels).last_hidden_state
    asked = {"pixel_values": pixels, "input_points": points, "input_labels": torch.tensor([[[1, 0]], [[1, 1]]]), "multimask_output": False}
    coarse = net.masks(net.sam.prompt_encoder, net.sam.mask_decoder, image, prompt)
    torch.testing.assert_close(coarse, library(**asked).pred_masks[:, 0], rtol=1e-4, atol=1e-5)
    fine = net.masks(net.fine["prompt_encoder"], net.fine["mask_decoder"], image, prompt, coarse)
    torch.testing.assert_close(fine, library(**asked, input_masks=coarse).pred_masks[:, 0], rtol=1e-4, atol=1e-5)
    assert (fine - coarse).abs().max() > 1e-3


def test_the_published_sizes_have_the_public_names_and_shapes():
    """Defaults are those of facebook/sam-vit-base, which are the library's own."""
    with torch.device("meta"):
        net = SamMask().build(Prismatic().build())
        public = SamModel(SamConfig())
    assert {k: v.shape for k, v in net.sam.state_dict().items()} == {k: v.shape for k, v in public.state_dict().items()}
    counter = FlopCounterMode(display=False)
    with counter:  # shapes alone are enough to run it: one 1024 px picture through the encoder
        image = net.sam.vision_encoder(torch.zeros(1, 3, 1024, 1024, device="meta")).last_hidden_state
        coarse = net.masks(net.sam.prompt_encoder, net.sam.mask_decoder, image, torch.zeros(1, 1, 1, 256, device="meta"))
        fine = net.masks(net.fine["prompt_encoder"], net.fine["mask_decoder"], image, torch.zeros(1, 1, 1, 256, device="meta"), coarse)
    assert image.shape == (1, 256, 64, 64) and coarse.shape == fine.shape == (1, 1, 256, 256)
    assert counter.get_total_flops() / 1e12 == pytest.approx(0.98, abs=0.03)


def test_checkpoints_of_other_sizes_and_places_are_refused(folder, tmp_path):
    backbone = robot()[0].backbone
    with pytest.raises(CheckpointError, match=r"window_size is 3, the spec says 4"):
        replace(MICRO, window=4, checkpoint=str(folder)).build(backbone).load_checkpoint()
    with pytest.raises(CheckpointError, match=r"SamMask.checkpoint .* cannot be read"):
        replace(MICRO, checkpoint=str(tmp_path)).build(backbone).load_checkpoint()
    for fields, message in (
        ({"width": 20}, "multiples of 8"),
        ({"decoder_heads": 3}, "divide half the width"),
        ({"vision_heads": 3}, "multiple of vision_heads 3"),
        ({"global_layers": (2,)}, "numbers from 0 to 1"),
        ({"image_size": 60}, "16 x 16"),
    ):
        with pytest.raises(ConfigError, match=message):
            replace(MICRO, **fields)
    assert from_json(json.loads(json.dumps(to_json(MICRO)))) == MICRO


def test_one_prompt_draws_in_every_view_and_pixels_of_a_view_move_its_own_mask():
    model, batch = robot()
    before = drawn(model, batch)
    assert before.dtype == torch.float32 and before.shape == (batch.size, 2, 16, 16)
    with torch.no_grad():
        model.readouts["target_mask"].prompt[-1].bias += 0.5
    assert ((drawn(model, batch) - before).abs().amax((2, 3)) > 0).all()
    with torch.no_grad():
        prefix, visual = model.prefix(batch, micro.draws(model, batch))
        repainted = replace(batch, views=replace(batch.views, images=(batch.views.images[0], 255 - batch.views.images[1])))
        outputs = Outputs(prefix=prefix, visual=visual)
        a, b = (model.readouts["target_mask"](outputs, seen) for seen in (batch, repainted))
    assert torch.equal(a[:, 0], b[:, 0]) and not torch.equal(a[:, 1], b[:, 1])


def test_the_encoder_sees_a_few_pictures_at_once(monkeypatch):
    model, batch = robot()
    together, seen = drawn(model, batch), []
    model.readouts["target_mask"].sam.vision_encoder.register_forward_pre_hook(lambda _, pixels: seen.append(len(pixels[0])))
    monkeypatch.setattr("praxia.models.readouts.sam_mask.AT_ONCE", 4)
    torch.testing.assert_close(drawn(model, batch), together, rtol=1e-5, atol=1e-6)
    assert seen == [4, 2]


def test_the_fine_pass_looks_at_the_coarse_one():
    model, batch = robot()
    net, before = model.readouts["target_mask"], drawn(model, batch)
    with torch.no_grad():
        net.sam.mask_decoder.upscale_conv2.bias += 0.3
    assert not torch.equal(before, drawn(model, batch))
    with torch.no_grad():
        net.fine["prompt_encoder"].mask_embed.conv3.weight.zero_()
    hidden = drawn(model, batch)
    with torch.no_grad():
        net.sam.mask_decoder.upscale_conv2.bias += 0.3
    assert torch.equal(hidden, drawn(model, batch))


@pytest.mark.parametrize("frozen", [FIXED, FROZEN], ids=["from nothing", "on public weights"])
def test_the_mask_loss_reaches_all_that_is_not_frozen_and_the_prompt(frozen):
    model, batch = robot()
    chosen = apply_trainable(model, ("readouts.*", "tokens.*", "backbone.llm.model.*"), frozen)
    losses = TargetMask()(model(batch, micro.draws(model, batch)), batch, {})
    sum(total / weight for total, weight in losses.values()).backward()
    late = {n for n in chosen if n.startswith(("tokens.", "backbone."))}  # of what stands behind the goal token nothing is read
    assert {n for n, p in chosen.items() if p.grad is None or not p.grad.abs().sum() > 0} - late == set()
    assert chosen["backbone.llm.model.embed_tokens.weight"].grad[model.tokens.special_ids["<SEG>"]].abs().sum() > 0
    parts = {n.removeprefix("readouts.target_mask.").rsplit(".", 2)[0].split(".layers")[0] for n in chosen if n.startswith("readouts")}
    sees = {part for part in parts if "vision_encoder" in part or "prompt_encoder" in part}
    assert bool(sees) == (frozen is FIXED)
    assert any(n.startswith("readouts.target_mask.sam.mask_decoder.") for n in chosen) and any("fine.mask_decoder" in n for n in chosen)


def test_the_first_decoder_may_learn_at_a_tenth_of_the_rate():
    model, _ = robot()
    chosen = apply_trainable(model, ("readouts.*",), FROZEN)
    optimiser = AdamW(multipliers=(("readouts.*.sam.mask_decoder.*", 0.1),)).build(chosen)
    slow = {id(p) for group in optimiser.param_groups if group["factor"] == 0.1 for p in group["params"]}
    assert slow == {id(p) for n, p in chosen.items() if ".sam." in n} and len(slow) > 20
    assert {group["factor"] for group in optimiser.param_groups} == {1.0, 0.1}


def test_an_action_is_the_same_without_it():
    model, batch = robot()
    observation = replace(batch, future=None, dense={})
    recipe = micro.composition("poke_vla")
    parts = tuple(part for part in PARTS if part != "readouts")
    stage = replace(recipe.stages[-1], stage=replace(recipe.stages[-1].stage, parts=parts))
    alone = micro.build(recipe, stage, 3, model.spec)
    assert not alone.readouts
    load_state(alone, {n: t for n, t in owned_state(model).items() if not n.startswith("readouts.")}, "without masks")
    noise = model.head.noise(batch.size, torch.Generator())

    def fail(*_):
        raise AssertionError("the mask branch ran on the way to an action")

    model.readouts["target_mask"].forward = fail
    assert torch.equal(model.sample(observation, noise), alone.sample(observation, noise))


def test_it_does_not_look_at_questions():
    model, _ = robot()
    recipe = micro.composition("poke_vla")
    asked = micro.batch(recipe, recipe.stages[0])
    with torch.no_grad():
        assert "target_mask" not in model(asked, micro.draws(model, asked)).readouts


def test_small_ones_learn_a_mask_from_nothing():
    """A square whose place differs between samples and views; only pictures say where."""
    model, batch = robot()
    torch.manual_seed(2)
    model.readouts["target_mask"] = MICRO.build(model.backbone)
    images, masks = [], torch.zeros(batch.size, 2, 36, 36, dtype=torch.uint8)
    for slot, image in enumerate(batch.views.images):
        image = torch.full_like(image, 60)
        for sample in range(batch.size):
            row, column = 4 + 7 * sample, 6 + 11 * slot
            image[sample, row : row + 9, column : column + 9] = 230
            masks[sample, slot, row : row + 9, column : column + 9] = 1
        images.append(image[:, :36, :36])
    size = torch.full_like(batch.views.size, 36.0)
    affine = torch.eye(2, 3).expand_as(batch.views.affine)
    seen = replace(batch.views, images=tuple(images), affine=affine, size=size, valid=torch.ones_like(batch.views.valid), depth=None)
    batch = replace(batch, views=seen, dense={"target_mask": masks, "target_mask_valid": torch.ones(batch.size, 2, dtype=torch.bool)})
    with torch.no_grad():
        outputs = model(batch, micro.draws(model, batch))
    net, chosen = model.readouts["target_mask"], apply_trainable(model, ("readouts.*",), FIXED)
    optimiser = torch.optim.AdamW(chosen.values(), lr=3e-3)
    for _ in range(120):
        outputs.readouts["target_mask"] = net(outputs, batch)
        losses = TargetMask()(outputs, batch, {})
        sum(total / weight for total, weight in losses.values()).backward()
        optimiser.step()
        optimiser.zero_grad()
    found = torch.nn.functional.interpolate(drawn(model, batch), (36, 36), mode="bilinear") > 0
    iou = (found & (masks > 0)).sum((2, 3)) / (found | (masks > 0)).sum((2, 3))
    assert iou.mean() > 0.7, iou
