"""VGGT as a GeometryNet. That its numbers are the public code's is tests/workflows/test_golden.py; here is what must hold of any weights."""

import json
import re
from dataclasses import replace

import pytest
import torch
from golden_nets import GOLDEN, golden, vggt, vggt_spec
from PIL import Image
from tests.models.backbone_cases import make_batch, padded, pictures
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from praxia.data.pixels import normalise
from praxia.errors import ConfigError
from praxia.models.geometry_nets.poses import inverse, rigid, transform
from praxia.models.geometry_nets.vggt import VGGT
from praxia.models.geometry_nets.vggt.cameras import decode, unproject
from praxia.models.geometry_nets.vggt.pictures import load_pictures
from praxia.registry import from_json, to_json

CLOSE = {"atol": 2e-5, "rtol": 2e-5}


def seen(name: str) -> tuple[dict, torch.Tensor]:
    """A reference case and its pictures, normalised [B, V, 3, H, W]."""
    case = golden("vggt", name)
    images = case["images"]
    return case, normalise(images.flatten(0, 1), vggt().image_spec).view_as(images)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_features_are_the_last_entry_split_into_patches_and_special_tokens():
    case, pixels = seen("case_5")
    patches, special = vggt()(pixels)
    assert patches.shape == (2, 3, 5, 3, 128) and special.shape == (2, 3, 5, 128)
    assert_close(torch.cat([special, patches.flatten(2, 3)], dim=2), case["agg_layer_3"], **CLOSE)


def test_a_reconstruction_is_in_the_first_camera_s_frame():
    case, pixels = seen("case_5")
    found = vggt().reconstruct(pixels)
    assert_close(found.depth, case["depth"][..., 0], **CLOSE)
    assert_close(found.points, case["world_points"], **CLOSE)
    assert_close(found.K, case["intrinsic"], **CLOSE)
    theirs = rigid(case["extrinsic"][..., :3], case["extrinsic"][..., 3])
    assert_close(found.T_first_cam[:, 0], torch.eye(4).expand(2, 4, 4), atol=1e-5, rtol=0)
    assert_close(found.T_first_cam @ theirs, theirs[:, :1].expand_as(theirs), **CLOSE)
    assert found.state is None and not vggt().metric


def test_unprojection_undoes_projection():
    T, K = decode(noise(2, 9) * 0.3 + torch.tensor([0, 0, 0, 0, 0, 0, 1, 1.0, 1.2]), (20, 30))
    points = unproject(noise(2, 20, 30).abs() + 1, T, K)
    camera = transform(T.double(), points)
    pixels = camera @ K.double().transpose(-1, -2)[:, None]
    v, u = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    assert_close(pixels[..., 0] / pixels[..., 2], u.double().expand(2, -1, -1), atol=1e-5, rtol=0)
    assert_close(pixels[..., 1] / pixels[..., 2], v.double().expand(2, -1, -1), atol=1e-5, rtol=0)
    assert_close(inverse(T) @ T, torch.eye(4).expand(2, 4, 4), atol=1e-5, rtol=0)


def test_a_batch_is_its_samples():
    _, pixels = seen("case_5")
    both, alone = vggt().reconstruct(pixels), vggt().reconstruct(pixels[1:])
    for name in ("depth", "points", "T_first_cam", "points_confidence"):
        assert_close(getattr(both, name)[1:], getattr(alone, name), **CLOSE)


def test_views_but_the_first_are_exchangeable():
    _, pixels = seen("case_5")
    patches, special = vggt()(pixels)
    swapped, swapped_special = vggt()(pixels[:, [0, 2, 1]])
    assert_close(swapped[:, [0, 2, 1]], patches, **CLOSE)
    assert_close(swapped_special[:, [0, 2, 1]], special, **CLOSE)
    moved, _ = vggt()(pixels[:, [1, 0, 2]])
    assert (moved[:, [1, 0, 2]] - patches).abs().max() > 0.1


def test_the_tokens_of_other_views_are_for_other_views():
    _, pixels = seen("case_2")
    net = vggt_spec().build().eval()
    net.load_checkpoint()
    with torch.no_grad():
        before = [net(pixels[:, :n])[0] for n in (1, 2)]
        net.aggregator.camera_token[:, 1] += noise(64)
        after = [net(pixels[:, :n])[0] for n in (1, 2)]
    assert torch.equal(before[0], after[0])
    assert (before[1] - after[1]).abs().max() > 0.01


def test_views_at_once_changes_nothing():
    _, pixels = seen("case_5")
    one, many = vggt(views_at_once=1).reconstruct(pixels), vggt().reconstruct(pixels)
    assert_close(one.depth, many.depth, **CLOSE)
    assert_close(one.points, many.points, **CLOSE)


def test_published_names_and_shapes_load_strictly():
    published = json.loads((GOLDEN / "vggt" / "vggt_1b_state_dict.json").read_text())
    state = {k: torch.empty(shape, device="meta") for k, (shape, _) in published["tensors"].items() if not k.startswith("track_head.")}
    with torch.device("meta"):
        net = VGGT().build()
        features_only = VGGT(heads_built=False).build()
    assert net.load_state_dict(state, strict=True, assign=True).unexpected_keys == []
    counts = published["parameter_counts"]
    for ours, theirs in (("aggregator", "aggregator"), ("camera_head", "camera"), ("point_head", "point"), ("depth_head", "depth")):
        assert sum(p.numel() for p in net.get_submodule(ours).parameters()) == counts[theirs]
    assert sum(p.numel() for p in features_only.parameters()) == counts["aggregator"]


def test_published_sizes_run_on_shapes_alone_at_the_cost_of_the_formula():
    with torch.device("meta"):
        net = VGGT().build().eval()
        pixels = torch.empty(1, 2, 3, 518, 518)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        patches, special = net(pixels)
    assert patches.shape == (1, 2, 37, 37, 2048) and special.shape == (1, 2, 5, 2048)
    views, tokens, width = 2, 37 * 37 + 5, 1024
    dense = 2 * 12 * width**2 * views * tokens * (24 + 24 + 24)  # qkv 3, projection 1, MLP 8
    attention = 4 * width * views * tokens * (24 * tokens + 24 * tokens + 24 * views * tokens)
    embedding = 2 * 3 * 14**2 * width * views * 37**2
    assert counter.get_total_flops() == dense + attention + embedding
    with torch.no_grad():
        found = net.reconstruct(pixels)
    assert found.depth.shape == (1, 2, 518, 518) and found.points.shape == (1, 2, 518, 518, 3) and found.K.shape == (1, 2, 3, 3)


def test_other_sizes_than_the_reference_s():
    spec = VGGT(
        image_size=32, patch_size=8, width=24, depth=4, heads=2, mlp_ratio=2.0, registers=1, dino_depth=1, dino_heads=3, dino_registers=2,
        camera_depth=1, camera_heads=2, camera_steps=2, head_levels=(0, 1, 2, 3), head_widths=(8, 4, 12, 16), head_features=16, head_hidden=6,
    )  # fmt: skip
    assert from_json(to_json(spec)) == spec
    net = spec.build().eval()
    with torch.no_grad():
        found = net.reconstruct(noise(2, 3, 3, 24, 40))
        patches, special = net(noise(2, 3, 3, 24, 40))
    assert found.depth.shape == (2, 3, 24, 40) and patches.shape == (2, 3, 3, 5, 48) and special.shape == (2, 3, 2, 48)
    assert all(x.isfinite().all() for x in (found.depth, found.points, found.T_first_cam, patches))


def test_first_weights_are_small_and_outputs_finite():
    torch.manual_seed(0)
    net = replace(vggt_spec(), checkpoint="").build().eval()
    patches, _ = net(noise(1, 2, 3, 56, 56))
    assert patches.isfinite().all() and 1e-3 < patches.std() < 10
    assert max(p.std() for p in net.parameters() if p.ndim == 2 and len(p) > 1) < 0.05


def test_under_bf16_the_residual_stream_and_the_heads_stay_float32():
    _, pixels = seen("case_2")
    exact, features = vggt().reconstruct(pixels), vggt()(pixels)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, rough_features = vggt().reconstruct(pixels), vggt()(pixels)[0]
    assert rough.depth.dtype == rough.T_first_cam.dtype == rough_features.dtype == torch.float32
    assert 0 < (rough_features - features).abs().max() < 0.05 * features.abs().max()
    assert 0 < (rough.depth - exact.depth).abs().mean() < 0.03 * exact.depth.mean()


def test_features_of_a_batch_come_with_their_place_in_the_picture():
    batch = make_batch(pictures(56, 2), padded([[1], [1]]))
    found = vggt().features(batch)
    assert found.patches.shape == (2, 2, 4, 4, 128) and found.special.shape == (2, 2, 5, 128) and found.side == 56
    assert_close(found.transform, torch.eye(2, 3, dtype=torch.float64).expand(2, 2, 2, 3))


def test_a_configuration_that_means_another_network_is_refused():
    config = json.loads((GOLDEN / "vggt" / "tiny_config.json").read_text())
    for part, name, value in (("aggregator", "aa_block_size", 2), ("camera_head", "fl_act", "exp"), ("point_head", "features", 64)):
        with pytest.raises(ConfigError, match=rf"{part}\.{name} is {value!r}"):
            VGGT.from_config(config | {part: config[part] | {name: value}})
    with pytest.raises(ConfigError, match=r"aggregator\.aa_block_size is missing; expected 1$"):
        VGGT.from_config(config | {"aggregator": {k: v for k, v in config["aggregator"].items() if k != "aa_block_size"}})
    for part, message in (
        (3, "depth_head is 3; expected names"),
        (config["depth_head"] | {"out_channels": 8}, r"depth_head\.out_channels is 8; expected a list"),
    ):
        with pytest.raises(ConfigError, match=message):
            VGGT.from_config(config | {"depth_head": part, "point_head": config["point_head"] | {"out_channels": 8}})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("depth", 0, "a whole number of at least 1"),
        ("dino_depth", 2.0, "a whole number of at least 1"),
        ("registers", -1, "a whole number of at least 0"),
        ("views_at_once", 0, "a whole number of at least 1"),
        ("rope_base", "100", "a number above 0"),
        ("dino_heads", 7, "a divisor of the width 1024"),
        ("camera_heads", 7, "a divisor of the width 2048"),
        ("head_widths", (256, 512), "4 whole numbers of at least 1"),
        ("head_levels", (4, 11, 17), "4 whole numbers of at least 0"),
        ("head_levels", (4, 11, 17, 24), "increasing numbers of pairs, the last below depth 24"),
        ("head_levels", (4, 4, 17, 23), "increasing"),
    ],
)
def test_a_field_that_cannot_work_is_named(name, value, expected):
    with pytest.raises(ConfigError, match=re.escape(f"VGGT.{name} is {value!r}; expected {expected}")):
        VGGT(**{name: value})


def test_without_heads_their_fields_do_not_matter():
    assert VGGT(depth=2, heads_built=False).depth == 2


def test_a_head_width_that_cannot_be_turned_is_refused():
    with pytest.raises(ConfigError, match="multiple of 4"):
        VGGT(width=1024, heads=512)
    with pytest.raises(ConfigError, match="head_features 12"):
        VGGT(head_features=12)


def test_licences_differ_by_weights():
    assert VGGT.public().licence == "cc-by-nc-4.0" and VGGT.commercial().licence == "VGGT License"
    assert VGGT.commercial().checkpoint != VGGT.public().checkpoint and vggt().licence == "cc-by-nc-4.0"


def test_pictures_of_one_call_have_one_size():
    wide, tall = Image.new("RGB", (100, 30), "red"), Image.new("RGB", (60, 90), "blue")
    loaded = load_pictures([wide, tall])
    assert loaded.shape == (2, 3, 518, 518)
    assert (loaded[0, :, 0] == 1).all() and loaded[0, 0, 259, 259] == 1 and loaded[0, 1, 259, 259] == 0
