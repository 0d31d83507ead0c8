"""CUT3R as a GeometryNet and frame by frame. That its numbers are the public code's is tests/workflows/test_golden.py."""

import json
import re
from dataclasses import replace

import pytest
import torch
from golden_nets import GOLDEN, cut3r, cut3r_spec, golden
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from praxia.errors import ConfigError
from praxia.models.geometry_nets.cut3r import CUT3R
from praxia.models.geometry_nets.cut3r.outputs import focal_length, principal_point, ray_map
from praxia.models.geometry_nets.cut3r.views import View
from praxia.models.geometry_nets.geometry_net import frozen
from praxia.models.geometry_nets.poses import inverse, transform
from praxia.registry import from_json, to_json
from praxia.stages.weights import load_state, owned_state

CLOSE = {"atol": 5e-5, "rtol": 5e-5}
RECONSTRUCTED = ("depth", "depth_confidence", "points", "points_confidence", "T_first_cam", "K")


def video(frames: int = 4, batch: int = 1, seed: int = 0) -> torch.Tensor:
    """[B, V, 3, 32, 48] in [-1, 1]."""
    return torch.rand(batch, frames, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def views(pixels: torch.Tensor, **flags) -> list[View]:
    return [View(image=p, **flags) for p in pixels.unbind(1)]


def rays(batch: int = 1) -> torch.Tensor:
    K = torch.tensor([[50.0, 0, 24], [0, 50, 16], [0, 0, 1]])
    T = torch.eye(4)
    T[:3, 3] = torch.tensor([0.1, -0.2, 0.3])
    return ray_map(K, T, (32, 48)).expand(batch, -1, -1, -1)


# --- as a GeometryNet -------------------------------------------------------------------------------------------------------------


def test_features_are_the_normalised_last_tokens_of_each_frame():
    case = golden("cut3r", "case_1")
    pixels = torch.stack([case[f"in.{i}.img"] for i in range(3)], dim=1)
    patches, special = cut3r()(pixels)
    theirs = torch.stack([case[f"out.{i}.dec_last"] for i in range(3)], dim=1)
    assert patches.shape == (1, 3, 3, 4, 40) and special.shape == (1, 3, 1, 40)
    assert_close(torch.cat([special, patches.flatten(2, 3)], dim=2), theirs, **CLOSE)


def test_a_reconstruction_is_metric_and_in_the_first_picture_s_frame():
    case = golden("cut3r", "case_1")
    found = cut3r().reconstruct(torch.stack([case[f"in.{i}.img"] for i in range(3)], dim=1))
    own, pose = (torch.stack([case[f"out.{i}.{name}"] for i in range(3)], dim=1) for name in ("pts3d_in_self_view", "c2w"))
    assert_close(found.depth, own[..., 2], **CLOSE)
    assert_close(found.points[:, 0], own[:, 0], **CLOSE)
    assert_close(found.points, transform(inverse(pose[:, :1]) @ pose, own), atol=5e-4, rtol=1e-3)
    assert_close(found.T_first_cam[:, 0], torch.eye(4)[None], atol=1e-5, rtol=0)
    assert_close(found.K[0, :, 0, 0], focal_length(own[0], *principal_point((48, 64))), atol=1e-2, rtol=1e-3)
    assert (found.K[..., :2, 2] == torch.tensor([32.0, 24])).all() and cut3r().metric


def test_the_state_persists_over_calls():
    pixels = video()
    whole = cut3r().reconstruct(pixels)
    state, parts = None, []
    for part in (pixels[:, :1], pixels[:, 1:3], pixels[:, 3:]):
        parts.append(cut3r().reconstruct(part, state))
        state = parts[-1].state
    for name in RECONSTRUCTED:
        assert_close(torch.cat([getattr(p, name) for p in parts], dim=1), getattr(whole, name), atol=1e-4, rtol=1e-4)
    assert state.frames == 4


def test_a_batch_is_its_samples():
    pixels = video(3, batch=2)
    both, alone = cut3r().reconstruct(pixels), cut3r().reconstruct(pixels[1:])
    for name in RECONSTRUCTED:
        assert_close(getattr(both, name)[1:], getattr(alone, name), atol=2e-4, rtol=1e-3)


def test_later_frames_do_not_reach_back_and_order_matters():
    pixels = video()
    patches, special = cut3r()(pixels)
    other = torch.cat([pixels[:, :2], pixels[:, 2:].flip(-1)], dim=1)
    changed, changed_special = cut3r()(other)
    assert_close(changed[:, :2], patches[:, :2], **CLOSE)
    assert_close(changed_special[:, :2], special[:, :2], **CLOSE)
    assert (changed[:, 2:] - patches[:, 2:]).abs().max() > 0.1
    assert (cut3r()(pixels.flip(1))[0].flip(1) - patches).abs().max() > 0.1


# --- state, flags, questions ------------------------------------------------------------------------------------------------------


def test_a_reset_empties_the_state_of_its_sample_after_the_frame():
    net, pixels = cut3r(), video(3, batch=2)
    reset = torch.tensor([True, False])
    some = [View(image=pixels[:, 0]), View(image=pixels[:, 1], reset=reset)]
    plain, emptied = (list(net.walk(v))[-1] for v in (views(pixels[:, :2]), some))
    assert_close(emptied.images[-1], plain.images[-1])
    fresh = net.initial(2)
    assert torch.equal(emptied.state.tokens[0], fresh.tokens[0]) and torch.equal(emptied.state.memory[0], fresh.memory[0])
    assert torch.equal(emptied.state.tokens[1], plain.state.tokens[1]) and torch.equal(emptied.state.memory[1], plain.state.memory[1])
    assert emptied.state.frames == 2, "a frame after a reset still asks the pose memory, it is not the first of its call"


def test_after_a_reset_the_next_picture_is_the_first():
    net, pixels = cut3r(), video(3)
    found = net.reconstruct_views([View(image=pixels[:, 0]), View(image=pixels[:, 1], reset=torch.tensor([True])), View(image=pixels[:, 2])])
    assert_close(found.T_first_cam[:, 2], torch.eye(4)[None], atol=1e-5, rtol=0)
    assert (found.T_first_cam[:, 1] - torch.eye(4)).abs().max() > 1e-3
    again = net.reconstruct(pixels[:, 2:], net.reconstruct_views([View(image=pixels[:, 0], reset=torch.tensor([True]))]).state)
    assert_close(again.depth, found.depth[:, 2:], **CLOSE)


def test_without_update_a_frame_sees_the_state_and_leaves_none():
    net, pixels = cut3r(), video(2)
    first = next(net.walk(views(pixels[:, :1]))).state
    silent = next(net.walk(views(pixels[:, 1:], update=torch.tensor([False])), first))
    loud = next(net.walk(views(pixels[:, 1:]), first))
    assert torch.equal(silent.images[-1], loud.images[-1])
    assert torch.equal(silent.state.tokens, first.tokens) and torch.equal(silent.state.memory, first.memory)
    assert not torch.equal(loud.state.tokens, first.tokens)


def test_a_question_writes_nothing():
    net, pixels = cut3r(), video(3)
    state = list(net.walk(views(pixels[:, :2]), path="recurrent"))[-1].state
    before = [state.tokens.clone(), state.memory.clone()]
    answer, again = net.query(rays(), state), net.query(rays(), state)
    assert answer.rgb.shape == (1, 32, 48, 3) and torch.equal(answer.points, again.points)
    assert torch.equal(state.tokens, before[0]) and torch.equal(state.memory, before[1])
    assert_close(next(net.walk(views(pixels[:, 2:]), state)).images[-1], list(net.walk(views(pixels)))[-1].images[-1], **CLOSE)
    asked = list(net.walk([*views(pixels[:, :2]), View(ray_map=rays())], path="recurrent"))[-1]
    assert torch.equal(asked.state.tokens, before[0]), "a frame without a picture leaves no state"


def test_for_pictures_alone_both_paths_agree_and_for_ray_maps_they_do_not():
    net, pixels = cut3r(), video(3)
    for with_rays in (False, True):
        some = views(pixels) + ([View(ray_map=rays())] if with_rays else [])
        a, b = ([f.tokens for f in net.walk(some, path=path)] for path in ("batch", "recurrent"))
        gap = max((x - y).abs().max() for x, y in zip(a, b, strict=True))
        assert gap > 0.01 if with_rays else gap < 1e-5


def test_what_a_flag_rules_out_is_never_read():
    net, pixels = cut3r(), video(2, batch=2)
    shows, asks = torch.tensor([True, False]), torch.tensor([True, True])
    for path in ("batch", "recurrent"):
        outputs = []
        for filler in (0.0, torch.nan):
            image = torch.where(shows[:, None, None, None], pixels[:, 1], filler)
            frame = list(net.walk([View(image=pixels[:, 0]), View(image, rays(2), shows, asks)], path=path))[-1]
            outputs.append(net.dense(frame).points)
        assert torch.equal(*outputs) and outputs[0].isfinite().all()
    with pytest.raises(ConfigError, match="neither image nor ray_map"):
        View()


# --- names, sizes, precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cut3r_512_dpt", "cut3r_224_linear"])
def test_published_names_and_shapes_load_strictly(name):
    published = json.loads((GOLDEN / "cut3r" / f"{name}_state_dict.json").read_text())
    state = {k: torch.empty(shape, device="meta") for k, (shape, _) in published["state_dict"].items()}
    spec = CUT3R.from_config(published["config"])
    with torch.device("meta"):
        net = spec.build()
    assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in state.items()}
    assert net.load_state_dict(state, strict=True, assign=True).unexpected_keys == []
    assert sum(p.numel() for p in net.parameters()) == published["total_unique_parameters"]
    default = CUT3R.linear_224() if "224" in name else CUT3R()
    assert replace(default, image_size=spec.image_size) == spec


def test_published_sizes_run_on_shapes_alone_at_the_cost_of_the_formula():
    with torch.device("meta"):
        net = frozen(CUT3R().build())
        pixels = torch.empty(1, 2, 3, 432, 432)
    assert sum(p.numel() for p in net.parameters()) == 793_307_858
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        patches, special = net(pixels)
    assert patches.shape == (1, 2, 27, 27, 768) and special.shape == (1, 2, 1, 768)
    assert counter.get_total_flops() == cost(2)
    with torch.no_grad():
        found = net.reconstruct(pixels)
    assert found.depth.shape == (1, 2, 432, 432) and found.T_first_cam.shape == (1, 2, 4, 4)


def cost(frames: int) -> int:
    """FLOPs of features at 432 px by hand."""
    n, e, d, s, m = 729, 1024, 768, 768, 256
    encoder = 24 * (2 * 12 * e**2 * n + 4 * e * n * n) + 2 * 3 * 16**2 * e * n

    def two_streams(x: int, y: int, width: int) -> int:  # self-attention 4, cross-attention 2 + 2, MLP 8
        return 2 * width**2 * ((4 + 2 + 8) * x + 2 * y) + 4 * width * x * (x + y)

    decoder = 12 * (two_streams(n + 1, s, d) + two_streams(s, n + 1, d)) + 2 * e * d * n
    write, read = 2 * two_streams(m, 1, 2 * d), 2 * two_streams(1, m, 2 * d)
    questions = 2 * e * d * (2 * frames - 1)  # the mean token as a key of the pose memory
    return frames * (encoder + decoder + write) + (frames - 1) * read + questions + 2 * e * d * s


def test_tied_tensors_are_stored_once():
    net = cut3r_spec().build()
    state = owned_state(net)
    assert len(state) == len(net.state_dict()) - 12
    other = cut3r_spec().build()
    load_state(other, {k: v.detach().clone() for k, v in state.items()}, "a test")
    assert torch.equal(
        other.state_dict()["downstream_head.dpt_rgb.scratch.layer_rn.2.weight"], state["downstream_head.dpt_rgb.scratch.layer3_rn.weight"]
    )


@pytest.mark.parametrize("places", ["2d", "1d", "none"])
@pytest.mark.parametrize("head", ["dpt", "linear", "none"])
def test_other_sizes_than_the_reference_s(head, places):
    torch.manual_seed(0)
    spec = CUT3R(
        image_size=32, patch_size=8 if head == "linear" else 16, look_width=16, look_depth=1, look_heads=2, ray_depth=1, ray_heads=4, width=24,
        depth=2, heads=3, mlp_ratio=2.0, state_tokens=5, state_heads=2, state_places=places, memory_slots=3, memory_depth=1, head=head,
        transform_depth=1, dpt_widths=(4, 6, 8, 10), dpt_features=6, dpt_hidden=5,
    )  # fmt: skip
    assert from_json(to_json(spec)) == spec
    net = spec.build().eval()
    with torch.no_grad():
        patches, special = net(video(2))
        assert patches.isfinite().all() and special.shape == (1, 2, 1, 24)
        if head != "none":
            found = net.reconstruct(video(2))
            assert found.depth.shape == (1, 2, 32, 48) and found.points.isfinite().all()


def test_first_weights_are_small_and_outputs_finite():
    torch.manual_seed(0)
    net = replace(cut3r_spec(), checkpoint="").build().eval()
    found = net.reconstruct(video(3))
    assert all(getattr(found, name).isfinite().all() for name in RECONSTRUCTED)
    assert found.points.abs().max() < 5 and max(p.std() for p in net.parameters() if p.ndim == 2 and len(p) > 1) < 0.05


def test_under_bf16_the_streams_and_the_heads_stay_float32():
    pixels = video(2)
    exact, features = cut3r().reconstruct(pixels), cut3r()(pixels)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, rough_features = cut3r().reconstruct(pixels), cut3r()(pixels)[0]
    assert rough.depth.dtype == rough.points.dtype == rough_features.dtype == rough.state.tokens.dtype == rough.state.memory.dtype == torch.float32
    assert 0 < (rough_features - features).abs().max() < 0.1 * features.abs().max()
    assert 0 < (rough.depth - exact.depth).abs().mean() < 0.1 * exact.depth.abs().mean()


def test_sizes_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="40 x 48 pixels, a patch 16 x 16"):
        cut3r()(torch.zeros(1, 1, 3, 40, 48))
    with pytest.raises(ConfigError, match="DPT heads make 16 x 16"):
        CUT3R(patch_size=8)
    with pytest.raises(ConfigError, match=r"CUT3R\.state_heads: width 768 in 768 heads"):
        CUT3R(state_heads=768)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("depth", 0, "a whole number of at least 1"),
        ("state_tokens", "768", "a whole number of at least 1"),
        ("mlp_ratio", -4.0, "a number above 0"),
        ("head", "dense", "one of dpt, linear, none"),
        ("state_places", "3d", "one of 2d, 1d, none"),
        ("dpt_widths", (96, 192, 384), "4 whole numbers of at least 1"),
        ("dpt_features", 1, "a whole number of at least 2"),
    ],
)
def test_a_field_that_cannot_work_is_named(name, value, expected):
    with pytest.raises(ConfigError, match=re.escape(f"CUT3R.{name} is {value!r}; expected {expected}")):
        CUT3R(**{name: value})


def test_a_configuration_that_means_another_network_is_refused():
    config = json.loads((GOLDEN / "cut3r" / "tiny_config.json").read_text())["config"]
    for name, value, message in (
        ("head_type", "none", "config.head_type is 'none'; this network computes 'dpt' and 'linear' only"),
        ("img_size", 96, "config.img_size is 96; expected a list"),
        ("img_size", [96], "config.img_size is [96]; expected a height and a width"),
        ("state_pe", "3d", "CUT3R.state_places is '3d'"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            CUT3R.from_config(config | {name: value})


def test_calls_that_cannot_work_are_refused():
    net, pixels = cut3r(), video(1, batch=2)
    state = net.reconstruct(video(1)).state
    for call in (lambda: net.reconstruct(pixels, state), lambda: net.query(rays(2), state)):
        with pytest.raises(ConfigError, match="given 2 sequences and the state of 1"):
            call()
    with pytest.raises(ConfigError, match="no view"):
        net.reconstruct_views([])
    with pytest.raises(ConfigError, match=r"unknown path of CUT3R 'both'.*batch, recurrent"):
        next(net.walk(views(pixels), path="both"))


def test_without_heads_there_are_no_dense_outputs():
    net = cut3r(head="none")
    frame = next(net.walk(views(video(1))))
    for call in (lambda: net.dense(frame), lambda: net.query(rays(), frame.state)):
        with pytest.raises(ConfigError, match=r"CUT3R\.head is 'none': this net gives features only"):
            call()
