"""Device-side pixels against the single-picture reference in geometry, and exact where they must be exact."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from praxia.data import pixels as px
from praxia.data import resampling
from praxia.errors import ObservationError
from praxia.geometry import camera as cam
from praxia.geometry import image_transform as it
from praxia.specs import ImageSpec

SIZE = (48, 64)
PLAIN = ImageSpec(40, mean=(0, 0, 0), std=(1, 1, 1))


def smooth_images(count, size=SIZE, seed=0):
    draw = np.random.default_rng(seed)
    v, u = np.mgrid[: size[0], : size[1]]
    phase = draw.uniform(0, 6, (count, 3, 1, 1))
    waves = 127.5 + 110 * np.sin(u / draw.uniform(6, 12, (count, 3, 1, 1)) + v / draw.uniform(6, 12, (count, 3, 1, 1)) + phase)
    return np.rint(waves.transpose(0, 2, 3, 1)).astype(np.uint8)


def upright(draw, size):
    """A random zoom at sub-pixel places."""
    zoom = it.resize(size, draw.uniform(0.5, 1.7))
    return it.compose(zoom, it.crop(zoom.size, draw.uniform(-3, 5), draw.uniform(-3, 5), int(zoom.size[0] * 0.8), int(zoom.size[1] * 0.7)))


def turned(draw, size):
    return it.compose(it.rotate(size, draw.uniform(-180, 180)), upright(draw, size))


def whole_windows(draw, size):
    window = it.crop(size, int(draw.integers(8)), int(draw.integers(8)), 30, 40)
    return it.compose(window, it.stretch((30, 40), (20, 30)))


def shifts(draw, size):
    return it.crop(size, int(draw.integers(-6, 7)), int(draw.integers(-6, 7)), 40, 40)


def batch_of(transforms):
    affine = torch.tensor(np.stack([t.affine for t in transforms]))
    return affine, torch.tensor([t.size for t in transforms], dtype=torch.float32)


def reference(transform, image, spec):
    """The canvas by geometry alone: levels [S, S, 3], and where it shows the picture."""
    side = (spec.size, spec.size)
    fit = it.letterbox(transform.size, side) if spec.fit == "letterbox" else it.stretch(transform.size, side)
    whole = it.compose(transform, fit)
    return it.resample_image(whole, image), it.valid(whole) & it.valid(fit), whole, fit


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("kind", "tolerance"), [(shifts, 1e-4), (whole_windows, 0.6), (upright, 1.0), (turned, 1.5)])
def test_a_batch_shows_what_the_single_picture_reference_shows(kind, tolerance, fit):
    draw = np.random.default_rng(3)
    images, transforms = smooth_images(8), [kind(draw, SIZE) for _ in range(8)]
    spec = dataclasses.replace(PLAIN, fit=fit)
    got, full = px.resample(torch.from_numpy(images), *batch_of(transforms), spec)
    valid = px.valid_pixels(*batch_of(transforms), SIZE, spec)
    assert got.shape == (8, 3, 40, 40) and got.is_contiguous()
    for i, transform in enumerate(transforms):
        expected, shown, whole, _ = reference(transform, images[i], spec)
        np.testing.assert_allclose(full[i], whole.affine, atol=1e-9)
        np.testing.assert_array_equal(valid[i], shown)
        levels = 255 * got[i].permute(1, 2, 0).numpy()
        assert np.abs(levels - expected)[shown].mean() < tolerance
        assert not levels[~shown].any()


@pytest.mark.parametrize(("height", "width", "side"), [(256, 256, 224), (48, 64, 112), (300, 200, 112), (90, 60, 56), (37, 91, 64)])
def test_a_cubic_picture_is_pillow_s_to_the_last_level(height, width, side):
    """Noise, so that every weight and every rounding counts; the third and the fourth are tall: Pillow scales their rows first."""
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spec = ImageSpec(side, "stretch", (0.0,) * 3, (1.0,) * 3, "bicubic")
    affine, size = torch.eye(2, 3).expand(2, 2, 3), torch.tensor([[height, width]] * 2)
    got, _ = px.resample(torch.from_numpy(np.stack([picture, picture[::-1, ::-1]])), affine, size, spec, replicate=True)
    wanted = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
    for levels in (255 * got[0], 255 * got[1].flip(1, 2)):
        np.testing.assert_allclose(levels.permute(1, 2, 0), wanted, atol=1e-3)


def test_a_picture_does_not_depend_on_its_neighbours_in_the_batch():
    draw = np.random.default_rng(4)
    images = torch.from_numpy(smooth_images(12))
    affine, size = batch_of([kind(draw, SIZE) for kind in (shifts, whole_windows, upright, turned) for _ in range(3)])
    together, _ = px.resample(images, affine, size, PLAIN)
    alone = torch.cat([px.resample(images[i : i + 1], affine[i : i + 1], size[i : i + 1], PLAIN)[0] for i in range(12)])
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)


@pytest.mark.parametrize("replicate", [True, False])
def test_whole_pixel_shifts_are_exact_copies(replicate):
    draw = np.random.default_rng(1)
    images = draw.integers(0, 256, (20, 64, 64, 3), np.uint8)
    offsets = draw.integers(-4, 5, (20, 2))
    offsets[0], offsets[1], offsets[2] = 0, (70, -3), (-64, 64)  # also not at all, and clean off the picture
    affine = torch.eye(2, 3).repeat(20, 1, 1)
    affine[:, :, 2] = torch.from_numpy(offsets)
    got, _ = px.resample(torch.from_numpy(images), affine, torch.full((20, 2), 64.0), ImageSpec(64), fill=0.25, replicate=replicate)
    for i, (du, dv) in enumerate(offsets):
        padded = np.pad(images[i] / 255, ((80, 80), (80, 80), (0, 0)), **({"mode": "edge"} if replicate else {"constant_values": 0.25}))
        expected = padded[80 - dv : 144 - dv, 80 - du : 144 - du]
        np.testing.assert_allclose(got[i].permute(1, 2, 0), (expected - 0.5) / 0.5, atol=1e-6)


def test_the_accelerator_way_of_shifting_equals_the_cpu_way():
    draw = np.random.default_rng(2)
    images = torch.from_numpy(draw.integers(0, 256, (16, *SIZE, 3), np.uint8))
    shift = torch.from_numpy(draw.integers(-70, 71, (16, 2)))
    windows = torch.tensor(((0, 0, 50, 50), (3, 4, 30, 41), (10, 10, 10, 20), (0, 0, 50, 9))).repeat(4, 1)
    mine = resampling._copy_shifted(images, shift, windows, 50, 7.0)
    assert torch.equal(mine, resampling._gather_shifted(images, shift, windows, 50, 7.0))


@pytest.mark.parametrize("kind", [shifts, whole_windows, upright, turned])
def test_everything_stays_on_the_device_of_the_pictures(kind):
    draw = np.random.default_rng(7)
    affine, size = batch_of([kind(draw, SIZE) for _ in range(3)])
    images = torch.empty(3, *SIZE, 3, dtype=torch.uint8, device="meta")  # a device without data: any stray CPU operand raises
    got, _ = px.resample(images, affine, size, PLAIN)
    depth = px.resample_nearest(torch.empty(3, *SIZE, device="meta"), affine, size, PLAIN)
    assert got.device.type == depth.device.type == "meta" and got.shape == (3, 3, 40, 40) and depth.shape == (3, 40, 40)


def test_an_upright_zoom_replicates_the_border_only_beyond_the_stored_picture():
    image = torch.full((1, 30, 40, 3), 255, dtype=torch.uint8)
    affine = torch.tensor([[[1.3, 0, 8.2], [0, 1.3, 6.4]]])
    size = torch.tensor([[30.0, 40.0]])
    got, _ = px.resample(image, affine, size, PLAIN, replicate=True)
    assert (got[:, :, 5:35] > 0.999).all()  # the whole transformed picture is white
    assert not got[:, :, :5].any() and not got[:, :, 35:].any()  # the bars are not


def test_bars_hold_the_fill_level_before_normalisation():
    spec = ImageSpec(40, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
    got, _ = px.resample(
        torch.zeros(2, 20, 40, 3, dtype=torch.uint8), torch.eye(2, 3).repeat(2, 1, 1), torch.tensor([[20.0, 40]] * 2), spec, fill=0.6
    )
    np.testing.assert_allclose(got[1, :, 0, 0], ((0.6 - 0.5) / 0.2, (0.6 - 0.4) / 0.25, (0.6 - 0.3) / 0.5), rtol=1e-5)
    np.testing.assert_allclose(got[1, :, 20, 20], (-0.5 / 0.2, -0.4 / 0.25, -0.3 / 0.5), rtol=1e-5)


@pytest.mark.parametrize("degrees", [0, 20])
@pytest.mark.parametrize("side", [32, 25])
def test_shrinking_a_fine_checkerboard_gives_grey_not_moire(degrees, side):
    v, u = np.mgrid[:96, :96]
    board = torch.from_numpy(np.repeat(((u + v) % 2 * 255).astype(np.uint8)[None, ..., None], 3, -1))
    transform = it.compose(it.rotate((96, 96), degrees), it.crop((96, 96), 0.3, 0.2, 95, 95))
    got, _ = px.resample(board, *batch_of([transform]), ImageSpec(side, mean=(0, 0, 0), std=(1, 1, 1)))
    assert (got[0, :, 8:-8, 8:-8] - 0.5).abs().max() < 0.12


def test_pixels_come_in_the_dtype_asked_for():
    images, (affine, size) = torch.from_numpy(smooth_images(2)), batch_of([it.identity(SIZE)] * 2)
    full, _ = px.resample(images, affine, size, ImageSpec(40))
    half, _ = px.resample(images, affine, size, ImageSpec(40), torch.bfloat16)
    assert half.dtype == torch.bfloat16 and torch.equal(half, full.bfloat16())


@pytest.mark.parametrize("kind", [shifts, whole_windows, upright, turned])
def test_depth_on_the_canvas_is_the_reference_s_to_the_last_bit(kind):
    draw = np.random.default_rng(6)
    depth = draw.random((8, *SIZE), np.float32) + 0.1
    transforms = [kind(draw, SIZE) for _ in range(8)]
    got = px.resample_nearest(torch.from_numpy(depth), *batch_of(transforms), PLAIN)
    for i, transform in enumerate(transforms):
        _, shown, whole, _ = reference(transform, smooth_images(1)[0], PLAIN)
        np.testing.assert_array_equal(got[i], np.where(shown, it.resample_nearest(whole, depth[i]), 0))


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_the_canvas_camera_projects_to_where_the_pixels_went(fit):
    draw = np.random.default_rng(8)
    K = np.array(((60.0, 0.7, 30.1), (0, 64.0, 25.3), (0, 0, 1)))
    transforms = [upright(draw, SIZE) for _ in range(5)]
    affine, size = batch_of(transforms)
    spec = dataclasses.replace(PLAIN, fit=fit)
    K_picture = torch.tensor(np.stack([it.intrinsics_and_turn(t.affine, K)[0] for t in transforms]))
    K_canvas = px.canvas_K(K_picture, size, spec)
    _, full = px.resample(torch.from_numpy(smooth_images(5)), affine, size, spec)
    points = draw.uniform((-0.4, -0.3, 0.5), (0.4, 0.3, 2), (30, 3))
    for i in range(5):
        stored_pixels, _ = cam.project(K, points)
        expected = stored_pixels @ full[i, :, :2].numpy().T + full[i, :, 2].numpy()
        np.testing.assert_allclose(cam.project(K_canvas[i].numpy(), points)[0], expected, atol=1e-9)


def test_unknown_intrinsics_stay_unknown_and_give_no_rays():
    K = torch.eye(3).repeat(2, 1, 1)
    K[0] = torch.tensor(((50.0, 0, 30), (0, 50.0, 20), (0, 0, 1)))
    K[1] = torch.nan
    size, affine = torch.tensor([[48.0, 64.0]] * 2), torch.eye(2, 3).repeat(2, 1, 1)
    K_canvas = px.canvas_K(K, size, PLAIN)
    valid = px.valid_pixels(affine, size, SIZE, PLAIN)
    got = px.rays(K_canvas, valid)
    assert K_canvas.dtype == torch.float32 and K_canvas[1].isnan().all()
    assert got.dtype == torch.float32 and not got[1].any()
    np.testing.assert_allclose(got[0], cam.rays(K_canvas[0].numpy(), (40, 40), valid[0].numpy()), atol=1e-6)
    assert valid[0, 5:35].all() and not valid[0, :5].any()


def test_pictures_in_another_layout_are_refused():
    with pytest.raises(ObservationError, match=r"float32 \(2, 3, 8, 8\): expected uint8 \[B, H, W, 3\]"):
        px.resample(torch.zeros(2, 3, 8, 8), torch.eye(2, 3).repeat(2, 1, 1), torch.full((2, 2), 8.0), PLAIN)


def test_normalising_after_the_fact_equals_asking_for_it():
    images, (affine, size) = torch.from_numpy(smooth_images(3)), batch_of([it.identity(SIZE)] * 3)
    spec = ImageSpec(40, mean=(0.48, 0.45, 0.40), std=(0.22, 0.23, 0.24))
    plain, _ = px.resample(images, affine, size, PLAIN)
    before = plain.clone()
    torch.testing.assert_close(px.normalise(plain, spec), px.resample(images, affine, size, spec)[0], atol=1e-5, rtol=0)
    assert torch.equal(plain, before)


def jittered(pixels, seed=0, valid=None, hue=0.0, **strengths):
    reach = torch.tensor([strengths.get(name, 0.0) for name in ("brightness", "contrast", "saturation")] + [hue])
    draws = 2 * torch.rand(len(pixels), 4, generator=torch.Generator().manual_seed(seed)) - 1
    return px.jitter_colour(pixels, torch.tensor([1.0, 1.0, 1.0, 0.0]) + draws * reach, valid)


def test_no_jitter_is_none():
    pixels = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(jittered(pixels), pixels, atol=1e-5, rtol=1e-5)


def test_hue_turns_colours_keeps_luma_and_leaves_greys():
    pixels = 0.4 + 0.1 * torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    luma = torch.tensor((0.299, 0.587, 0.114))[:, None, None]
    turned = jittered(pixels, hue=0.5)
    torch.testing.assert_close((turned * luma).sum(1), (pixels * luma).sum(1), atol=1e-3, rtol=0)
    assert (turned - pixels).abs().max() > 0.03
    grey = pixels[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(jittered(grey, hue=0.5), grey, atol=2e-3, rtol=0)
    whole = px.jitter_colour(pixels, torch.tensor([[1.0, 1.0, 1.0, 1.0]]).expand(6, -1))
    torch.testing.assert_close(whole, pixels, atol=1e-4, rtol=0)  # a full turn


def test_each_kind_of_jitter_changes_only_what_it_names():
    pixels = 0.3 + 0.3 * torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    luma = torch.tensor((0.299, 0.587, 0.114))[:, None, None]
    ratio = jittered(pixels, brightness=0.4) / pixels
    assert torch.allclose(ratio, ratio[:, :1, :1, :1], atol=1e-5) and ratio[:, 0, 0, 0].unique().numel() == 6
    contrast = jittered(pixels, contrast=0.4)
    torch.testing.assert_close((contrast * luma).sum(1).mean((1, 2)), (pixels * luma).sum(1).mean((1, 2)), atol=1e-5, rtol=0)
    assert not torch.allclose(contrast.std((1, 2, 3)), pixels.std((1, 2, 3)), rtol=0.02)
    torch.testing.assert_close((jittered(pixels, saturation=0.4) * luma).sum(1), (pixels * luma).sum(1), atol=1e-5, rtol=0)


def test_jitter_leaves_bars_alone_and_bars_do_not_move_the_contrast():
    pixels = 0.3 + 0.3 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    valid = torch.ones(2, 16, 16, dtype=torch.bool)
    valid[:, :4] = False
    pixels[:, :, :4] = 0
    strengths = {"brightness": 0.2, "contrast": 0.4, "saturation": 0.4}
    got = jittered(pixels, valid=valid, **strengths)
    assert not got[:, :, :4].any()
    torch.testing.assert_close(got[:, :, 4:], jittered(pixels[:, :, 4:], **strengths), atol=1e-6, rtol=0)
