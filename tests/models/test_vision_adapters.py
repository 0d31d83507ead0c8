"""Rays, depth and fused geometry: identity where they must be, missing priors, geometry of the canvas, a frozen encoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models import compositions as micro

from praxia.data.batch import Draws
from praxia.data.collate import view_batch
from praxia.data.pixels import view_pixels
from praxia.errors import ConfigError
from praxia.geometry.camera import Camera
from praxia.geometry.image_transform import apply_to_view, compose, letterbox, realise, rotate, view_rays
from praxia.geometry.scene import View
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.models.vision.geometry_fusion import FusionLayer, GeometryFusion
from praxia.models.vision.ray_depth import PatchEncoder, RayDepth, canvas_depth, canvas_rays
from praxia.specs import ImageSpec
from praxia.stages.weights import owned_state
from praxia.train.diagnostics import watched
from praxia.train.optimiser import AdamW


def case(name: str):
    recipe = micro.composition(name)
    stage = recipe.stages[-1]
    return micro.build(recipe, stage), micro.batch(recipe, stage)


def tokens(model, batch, masks=None, adapters=True):
    with torch.no_grad():
        views = [lambda p, b, a=a: a(p, b, Draws(masks=masks or {})) for a in model.adapters] if adapters else []
        return model.backbone.encode_views(batch, views).patches


def test_zero_weights_of_the_ray_and_depth_encoders_leave_the_tower_s_tokens():
    model, batch = case("pose_vla")
    plain = tokens(model, batch, adapters=False)
    assert not torch.equal(tokens(model, batch), plain)
    with torch.no_grad():
        for encoder in (model.adapters[0].rays, model.adapters[0].depth):
            encoder.mlp[2].weight.zero_(), encoder.mlp[2].bias.zero_()
    assert torch.equal(tokens(model, batch), plain)


def test_a_dropped_prior_is_the_same_as_one_that_was_never_there():
    model, batch = case("pose_vla")
    drop = torch.tensor([True, False, True])
    no_depth = replace(batch, views=replace(batch.views, depth=None))
    no_rays = replace(batch, views=replace(batch.views, K=torch.full_like(batch.views.K, torch.nan)))
    for name, absent in (("depth", no_depth), ("rays", no_rays)):
        masked, gone, full = tokens(model, batch, {name: drop}), tokens(model, absent), tokens(model, batch)
        assert torch.equal(masked[drop], gone[drop]) and torch.equal(masked[~drop], full[~drop])
        assert not torch.equal(masked[0], full[0])


@pytest.mark.parametrize("name", ["rays", "depth"])
def test_a_prior_that_was_always_dropped_is_never_looked_at(name):
    model, batch = case("pose_vla")
    adapter = model.adapters[0]
    without = tokens(model, batch, {name: torch.ones(3, dtype=torch.bool)})
    assert not torch.equal(tokens(model, batch), without)
    adapter.spec = replace(adapter.spec, **{f"drop_{name}": 1.0})
    assert torch.equal(tokens(model, batch), without)
    assert adapter.spec.reads_depth == (name == "rays") and name not in {n.replace("cameras", "rays") for n in adapter.spec.relies_on}


def test_masks_are_drawn_independently_at_the_declared_rates():
    model, batch = case("pose_vla")
    masks = model.adapters[0].draw_masks(4000, torch.Generator().manual_seed(0))
    both = (masks["rays"] & masks["depth"]).float().mean()
    assert abs(masks["rays"].float().mean() - 0.5) < 0.03 and abs(both - 0.25) < 0.03
    assert set(model.draw(batch, torch.Generator().manual_seed(0)).masks) == {"rays", "depth"}


def test_sparse_depth_keeps_a_random_share_of_the_known_pixels():
    model, batch = case("pose_vla")
    adapter = model.adapters[0]
    adapter.spec = replace(adapter.spec, drop_depth=0.0, drop_rays=0.0, sparse_depth=0.5)
    masks = adapter.draw_masks(2000, torch.Generator().manual_seed(0))
    kept = 1 - masks["depth_pixels"].flatten(1).float().mean(1)
    thinned = kept < 0.999
    assert abs(thinned.float().mean() - 0.5) < 0.04
    assert abs(kept[thinned].log10().median() + 1.5) < 0.2  # from 0.1 to 100 %, evenly in the logarithm
    none = torch.zeros(batch.size, *masks["depth_pixels"].shape[1:], dtype=torch.bool)
    assert torch.equal(tokens(model, batch, {"depth_pixels": none}), tokens(model, batch))
    no_depth = replace(batch, views=replace(batch.views, depth=None))
    assert torch.equal(tokens(model, batch, {"depth_pixels": ~none}), tokens(model, no_depth))


def test_canvas_rays_and_depth_are_those_of_the_resampled_view():
    rng = np.random.default_rng(0)
    spec = ImageSpec(32, "letterbox")
    depth = rng.uniform(0.5, 2, (30, 40)).astype(np.float32)
    view = View("head", rng.integers(0, 256, (30, 40, 3), dtype=np.uint8), Camera(np.array([[33.0, 0, 20], [0, 31, 14], [0, 0, 1]])), depth)
    view = apply_to_view(view, rotate((30, 40), 180))
    expected = apply_to_view(view, letterbox((30, 40), (32, 32)))
    batch = view_batch([(view,)])
    np.testing.assert_allclose(canvas_rays(batch, spec)[0, 0].numpy(), view_rays(expected), atol=1e-6)
    metres, known = canvas_depth(batch, spec)[0, 0].numpy()
    np.testing.assert_array_equal(metres, realise(expected).depth)
    np.testing.assert_array_equal(known, metres > 0)
    quarters, also_known = canvas_depth(batch, spec, unit=0.25)[0, 0].numpy()
    np.testing.assert_allclose(quarters, 4 * metres)
    np.testing.assert_array_equal(also_known, known)
    assert (metres == 0).any() and compose(letterbox((30, 40), (32, 32))).size == (32, 32)


@pytest.mark.parametrize("bad", [{"drop_rays": 1.5}, {"drop_depth": -0.1}, {"unit": 0.0}, {"expansion": 0}])
def test_impossible_settings_of_rays_and_depth_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))}.*expected"):
        RayDepth(**bad)


def test_patch_encoder_sees_one_patch_row_by_row():
    encoder = PatchEncoder(2, 4, 32, 8)
    planes = torch.randn(1, 2, 12, 12)
    before = encoder(planes)
    planes[:, :, 5, 10] += 1  # patch row 1, column 2
    assert before.shape == (1, 9, 8)
    assert (encoder(planes) != before).any(-1)[0].tolist() == [i == 5 for i in range(9)]


def test_alpha_zero_leaves_the_tower_s_tokens():
    model, batch = case("vipa_vla")
    assert not torch.equal(tokens(model, batch), tokens(model, batch, adapters=False))
    with torch.no_grad():
        model.adapters[0].fusion.alpha.zero_()
    assert torch.equal(tokens(model, batch), tokens(model, batch, adapters=False))


def test_fusion_says_how_strong_it_is_while_it_is_watched():
    model, batch = case("vipa_vla")
    with watched(model) as heard:
        fused, plain = tokens(model, batch), tokens(model, batch, adapters=False)
        tokens(model, batch)  # all forwards count
    tokens(model, batch)
    strength = {name.removeprefix("adapters.0.fusion/"): (total / weight).item() for name, (total, weight) in heard.items()}
    share = (fused - plain).norm(dim=-1).sum() / plain.norm(dim=-1).sum()
    assert strength == pytest.approx({"alpha": model.adapters[0].fusion.alpha.item(), "added": share.item()}, rel=1e-5) and share > 0.01
    with torch.no_grad(), watched(model) as heard:
        model.adapters[0].fusion.alpha.zero_()
        tokens(model, batch)
    assert all(total == 0 for total, _ in heard.values()) and len(heard) == 2


def test_a_view_looks_at_its_own_geometry_only():
    model, batch = case("vipa_vla")
    images = [image.clone() for image in batch.views.images]
    images[1] = 255 - images[1]
    other = replace(batch, views=replace(batch.views, images=tuple(images)))
    assert torch.equal(tokens(model, batch)[:, 0], tokens(model, other)[:, 0])


def test_the_input_encoder_is_frozen_for_good_and_stays_in_the_policy_with_its_licence():
    model, batch = case("vipa_vla")
    encoder = model.adapters[0].encoder
    model.train()
    assert not encoder.training and model.adapters[0].fusion.training
    model.requires_grad_(True)  # even so: its features carry no gradient
    model(batch, micro.draws(model, batch)).heads["action"].prediction.sum().backward()
    assert all(p.grad is None for p in encoder.parameters())
    assert any(name.startswith("adapters.0.encoder.") for name in owned_state(model))
    assert model.spec.adapters[0].encoder.licence == encoder.licence == "apache-2.0"


def test_geometry_features_are_on_their_own_square():
    _, batch = case("vipa_vla")
    torch.manual_seed(0)
    net = ViTGeometry(image_size=48, patch_size=8, width=16, layers=1, heads=2).build().eval()
    features = net.features(batch)
    assert features.patches.shape == (3, 2, 6, 6, 16) and features.special.shape == (3, 2, 1, 16) and features.side == 48
    height, width = batch.views.size[0, 0].tolist()
    corner = features.transform[0, 0] @ torch.tensor([width - 0.5, height - 0.5, 1], dtype=torch.float64)
    assert corner.max() == pytest.approx(47.5) and corner.min() < 47.5  # the longer side fills the square


def test_cameras_are_looked_at_alone_and_frames_of_a_clip_in_order():
    recipe = micro.composition("vipa_vla")
    net = TabletopGeometry(image_size=32, patch_size=16, width=16, layers=1, heads=2)
    fusion = GeometryFusion(encoder=net, heads=4)
    model = micro.build(recipe, recipe.stages[-1], spec=replace(recipe.model, adapters=(fusion,)))
    adapter = model.adapters[0]
    cameras, clip = micro.batch(recipe, recipe.stages[-1]), micro.batch(recipe, recipe.stages[0])

    def alone(batch, slots):
        views = batch.views
        taken = {"roles": tuple(views.roles[i] for i in slots), "images": tuple(views.images[i] for i in slots)}
        taken |= {name: getattr(views, name)[:, slots] for name in ("affine", "size", "valid", "K", "T_base_cam", "time")}
        return adapter.geometry(replace(batch, views=replace(views, **taken, depth=None)))

    seen = adapter.geometry(cameras)
    assert seen.shape == (3, 2, 1 + 4, 16)
    for slot in (0, 1):
        torch.testing.assert_close(seen[:, [slot]], alone(cameras, [slot]))
    torch.testing.assert_close(seen[:, [1, 0]], alone(cameras, [1, 0]))
    frames = adapter.geometry(clip)
    assert clip.views.roles == ("head:0", "head:1", "head:2", "head:3") and frames.shape[1] == 4
    torch.testing.assert_close(frames, adapter._seen(view_pixels(clip.views, adapter.encoder.image_spec), clip.views.valid))
    assert not torch.allclose(frames[:, 1:2], alone(clip, [1])), "a frame knows of the frames before it"
    mixed = replace(clip, views=replace(clip.views, roles=("head:0", "wrist", "head:1", "head:2")))
    torch.testing.assert_close(adapter.geometry(mixed)[:, [0, 2, 3]], alone(clip, [0, 2, 3]))
    for together, groups in ((1, ([0], [1], [2], [3])), (3, ([0, 1, 2], [3]))):
        adapter.spec = replace(fusion, together=together)
        torch.testing.assert_close(adapter.geometry(clip), torch.cat([alone(clip, slots) for slots in groups], dim=1))


def test_shuffled_geometry_is_that_of_another_sample():
    model, batch = case("vipa_vla")
    adapter = model.adapters[0]
    own = adapter.geometry(batch)
    adapter.spec = replace(adapter.spec, shuffled=True)
    assert torch.equal(adapter.geometry(batch), own.roll(1, 0))
    one = micro.batch(micro.composition("vipa_vla"), micro.composition("vipa_vla").stages[-1], size=1)
    torch.testing.assert_close(adapter.geometry(one)[:, 0], adapter.geometry(one)[:, 1])


@pytest.mark.parametrize("bad", [{"width": -1}, {"heads": 0}, {"dropout": 1.0}])
def test_impossible_fusions_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))}.*expected"):
        GeometryFusion(**bad)
    with pytest.raises(ConfigError, match="does not divide"):
        FusionLayer(GeometryFusion(heads=5), 24, 16)


def test_dropout_after_the_sum_is_an_option_and_alpha_has_no_weight_decay():
    torch.manual_seed(0)
    branch, after = (FusionLayer(GeometryFusion(heads=4, alpha=0.0, dropout=0.5, dropout_at=at), 24, 16) for at in ("branch", "sum"))
    patches, geometry = torch.randn(2, 9, 24), torch.randn(2, 5, 16)
    assert torch.equal(branch(patches, geometry), patches) and not torch.equal(after(patches, geometry), patches)
    assert torch.equal(after.eval()(patches, geometry), patches)
    groups = AdamW(weight_decay=0.01).build(dict(branch.named_parameters())).param_groups
    assert [group["weight_decay"] for group in groups if any(p is branch.alpha for p in group["params"])] == [0.0]
