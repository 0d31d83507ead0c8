"""One transform for everything: pictures, cameras, points, boxes, depth and masks stay in agreement through any chain."""

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.geometry import camera as cam
from praxia.geometry import image_transform as it
from praxia.geometry import se3
from praxia.geometry.camera import Camera
from praxia.geometry.rotations import axis_angle_to_matrix
from praxia.geometry.scene import View

SIZE = (48, 64)
K = np.array(((70.0, 0, 33.2), (0, 70.0, 21.9), (0, 0, 1)))
T_BASE_CAM = se3.pose(axis_angle_to_matrix(np.array((1.9, 0.3, -0.4))), np.array((0.3, -0.2, 0.8)))


def random_chain(draw, size, length=4, uniform=False):
    """Any mixture of crops, scalings, letterboxes, stretches and turns."""
    whole = it.identity(size)
    for _ in range(length):
        h, w = whole.size
        kind = draw.integers(3 if uniform else 5)
        if kind == 0:
            part = it.crop(whole.size, draw.uniform(-4, h / 3), draw.uniform(-4, w / 3), int(draw.integers(h // 2, h)), int(draw.integers(w // 2, w)))
        elif kind == 1:
            part = it.resize(whole.size, draw.uniform(0.6, 1.8))
        elif kind == 2:
            part = it.letterbox(whole.size, (int(draw.integers(30, 70)), int(draw.integers(30, 70))))
        elif kind == 3:
            part = it.stretch(whole.size, (int(draw.integers(30, 70)), int(draw.integers(30, 70))))
        else:
            part = it.rotate(whole.size, draw.choice((90, 180, 270, -90, draw.uniform(-180, 180))))
        whole = it.compose(whole, part)
    return whole


def smooth_picture(u, v):
    """Analytic RGB at any (u, v): slow waves, so that resampling errors stay small and misplacement does not."""
    return 127.5 + np.stack((90 * np.sin(u / 9), 90 * np.cos(v / 8), 90 * np.sin((u + v) / 12)), axis=-1)


def view_of(function, size=SIZE, camera=None):
    v, u = np.mgrid[: size[0], : size[1]]
    return View("head", np.clip(np.rint(function(u, v)), 0, 255).astype(np.uint8), camera)


@pytest.mark.parametrize("seed", range(40))
def test_the_new_camera_projects_to_where_the_old_projection_goes(seed):
    draw = np.random.default_rng(seed)
    view = view_of(smooth_picture, camera=Camera(K, T_BASE_CAM))
    chain = random_chain(draw, SIZE)
    new = it.apply_to_view(view, chain)
    points = se3.apply(T_BASE_CAM, draw.uniform((-0.5, -0.5, 0.4), (0.5, 0.5, 2), (20, 3)))
    old_pixels, old_z = cam.project(K, se3.apply(se3.invert(T_BASE_CAM), points))
    assert new.camera is not None and new.camera.T_base_cam is not None
    pixels, z = cam.project(new.camera.K, se3.apply(se3.invert(new.camera.T_base_cam), points))
    np.testing.assert_allclose(pixels, it.points(chain, old_pixels), atol=1e-8)
    np.testing.assert_allclose(z, old_z, atol=1e-12)  # depth values need no change
    assert se3.rigid_fault(new.camera.T_base_cam, 1e-9) == ""
    assert new.camera.K[1, 0] == 0 and (np.diag(new.camera.K) > 0).all()


def test_composing_lazily_step_by_step_equals_composing_at_once():
    draw = np.random.default_rng(5)
    first = random_chain(draw, SIZE)
    second = random_chain(draw, first.size)
    view = view_of(smooth_picture, camera=Camera(K, T_BASE_CAM))
    stepwise = it.apply_to_view(it.apply_to_view(view, first), second)
    at_once = it.apply_to_view(view, it.compose(first, second))
    assert stepwise.size == at_once.size and stepwise.camera is not None and at_once.camera is not None
    np.testing.assert_allclose(stepwise.affine, at_once.affine, atol=1e-10)
    np.testing.assert_allclose(stepwise.camera.K, at_once.camera.K, atol=1e-8)
    np.testing.assert_allclose(stepwise.camera.T_base_cam, at_once.camera.T_base_cam, atol=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_a_skewless_camera_stays_skewless_under_equal_scales_and_turns(seed):
    draw = np.random.default_rng(seed)
    chain = it.compose(random_chain(draw, SIZE, uniform=True), it.rotate(random_chain(np.random.default_rng(seed), SIZE, uniform=True).size, 33.0))
    K_new, _ = it.intrinsics_and_turn(chain.affine, K)
    assert K_new[0, 1] == 0
    assert K_new[0, 0] == pytest.approx(K_new[1, 1])


def test_resizing_scales_the_principal_point_about_the_picture_corner():
    K_new, turn = it.intrinsics_and_turn(it.resize(SIZE, 0.5).affine, K)
    np.testing.assert_allclose(K_new, ((35, 0, 33.7 * 0.5 - 0.5), (0, 35, 22.4 * 0.5 - 0.5), (0, 0, 1)))
    np.testing.assert_array_equal(turn, np.eye(3))


def test_a_half_turn_moves_the_principal_point_and_turns_the_camera():
    camera = it.transform_camera(it.rotate(SIZE, 180), Camera(K, T_BASE_CAM))
    np.testing.assert_allclose(camera.K, ((70, 0, 63 - 33.2), (0, 70, 47 - 21.9), (0, 0, 1)))
    np.testing.assert_allclose(camera.T_base_cam, T_BASE_CAM @ np.diag((-1, -1, 1, 1)), atol=1e-12)


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3), (-90, 3), (450, 1)])
def test_quarter_turns_are_exact_copies_of_every_pixel(degrees, turns):
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (*SIZE, 3), np.uint8)
    depth, mask = draw.random(SIZE, np.float32), draw.integers(0, 9, SIZE, np.int32)
    turned = it.realise(it.apply_to_view(View("head", image, depth=depth, mask=mask), it.rotate(SIZE, degrees)))
    assert turned.depth is not None and turned.mask is not None
    np.testing.assert_array_equal(turned.image, np.rot90(image, turns))  # np.rot90 is counter-clockwise
    np.testing.assert_array_equal(turned.depth, np.rot90(depth, turns))
    np.testing.assert_array_equal(turned.mask, np.rot90(mask, turns))


@pytest.mark.parametrize("seed", range(30))
def test_the_resampled_picture_agrees_with_the_analytic_one(seed):
    chain = random_chain(np.random.default_rng(seed), SIZE)
    shown = it.valid(chain)
    if shown.sum() < 20:
        pytest.skip("the chain cut everything away")
    v, u = np.mgrid[: chain.size[0], : chain.size[1]]
    back = it.points(it.inverse(chain), np.stack((u, v), -1))
    image = it.realise(it.apply_to_view(view_of(smooth_picture), chain), fill=(9, 8, 7)).image
    inside = shown & (back >= 1.5).all(-1) & (back <= (SIZE[1] - 2.5, SIZE[0] - 2.5)).all(-1)
    shrink = max(1.0, 1 / np.linalg.svd(chain.affine[:, :2])[1].min())
    assert np.abs(image - smooth_picture(back[..., 0], back[..., 1]))[inside].mean() < 1.0 + 1.0 * (shrink - 1) ** 2
    assert (image[~shown] == (9, 8, 7)).all()


def test_half_a_pixel_of_misplacement_would_be_noticed():
    u = np.arange(64)[None]
    assert np.abs(smooth_picture(u, 0 * u) - smooth_picture(u + 0.5, 0 * u)).mean() > 1.5


@pytest.mark.parametrize("degrees", [0, 20])
def test_shrinking_a_fine_checkerboard_gives_grey_not_moire(degrees):
    board = view_of(lambda u, v: np.repeat(((u + v) % 2 * 255)[..., None], 3, -1), (96, 96))
    small = it.realise(it.apply_to_view(board, it.compose(it.rotate((96, 96), degrees), it.resize((96, 96), 1 / 3)))).image
    assert np.abs(small[10:-10, 10:-10].astype(float) - 127.5).max() < 30


def test_letterbox_bars_are_filled_and_nothing_bleeds_into_the_picture():
    white = View("head", np.full((30, 60, 3), 255, np.uint8))
    boxed = it.realise(it.apply_to_view(white, it.letterbox((30, 60), (40, 40)))).image
    assert (boxed[10:30] == 255).all() and (boxed[:10] == 0).all() and (boxed[30:] == 0).all()


def test_a_window_beside_the_picture_shows_only_fill():
    view = View("head", np.full((*SIZE, 3), 255, np.uint8), depth=np.ones(SIZE, np.float32))
    new = it.realise(it.apply_to_view(view, it.crop(SIZE, -90, 200, 20, 30)), fill=(1, 2, 3))
    assert (new.image == (1, 2, 3)).all() and new.image.shape == (20, 30, 3)
    assert new.depth is not None and not new.depth.any()


@pytest.mark.parametrize("seed", range(15))
def test_depth_and_masks_are_never_interpolated(seed):
    draw = np.random.default_rng(seed)
    depth = draw.choice(np.array((0.5, 1.0, 7.0), np.float32), SIZE)
    mask = draw.choice(np.array((3, 100_001), np.int32), SIZE)
    chain = random_chain(draw, SIZE)
    new = it.realise(it.apply_to_view(View("head", np.zeros((*SIZE, 3), np.uint8), depth=depth, mask=mask), chain))
    assert new.depth is not None and new.mask is not None
    assert new.depth.dtype == np.float32 and new.mask.dtype == np.int32
    shown = it.valid(chain)
    assert set(np.unique(new.depth[shown])) <= {0.5, 1.0, 7.0} and set(np.unique(new.mask[shown])) <= {3, 100_001}
    assert not new.depth[~shown].any() and not new.mask[~shown].any()


def test_nearest_takes_the_pixel_under_the_new_centre():
    depth = np.arange(12, dtype=np.float32).reshape(3, 4) + 1
    bigger = it.resample_nearest(it.stretch((3, 4), (9, 12)), depth)
    np.testing.assert_array_equal(bigger, depth.repeat(3, 0).repeat(3, 1))
    np.testing.assert_array_equal(it.resample_nearest(it.stretch((9, 12), (3, 4)), bigger), depth)


@pytest.mark.parametrize("seed", range(15))
def test_the_inverse_brings_points_and_pictures_back(seed):
    draw = np.random.default_rng(seed)
    chain = random_chain(draw, SIZE)
    pixels = draw.uniform(0, 40, (10, 2))
    np.testing.assert_allclose(it.points(it.inverse(chain), it.points(chain, pixels)), pixels, atol=1e-8)
    there_and_back = it.compose(chain, it.inverse(chain))
    np.testing.assert_allclose(there_and_back.affine, np.eye(2, 3), atol=1e-10)
    assert there_and_back.size == SIZE


def test_rays_of_a_transformed_view_are_those_of_its_own_pixels():
    view = view_of(smooth_picture, camera=Camera(K, T_BASE_CAM))
    new = it.apply_to_view(view, it.compose(it.rotate(SIZE, 25), it.stretch(SIZE, (40, 40))))
    rays = it.view_rays(new)
    assert new.camera is not None and new.camera.T_base_cam is not None and rays.shape == (3, 40, 40)
    v, u = 17, 22
    in_base = se3.apply(new.camera.T_base_cam, rays[:, v, u] * 1.3)
    old_pixel, _ = cam.project(K, se3.apply(se3.invert(T_BASE_CAM), in_base))
    np.testing.assert_allclose(it.points(it.of_view(new), old_pixel), (u, v), atol=1e-4)
    assert not rays[:, ~it.valid(it.of_view(new))].any() and (rays[2][it.valid(it.of_view(new))] == 1).all()


def test_boxes_are_hulls_of_their_turned_corners_clipped_to_the_picture():
    box = np.array(((10, 5, 20, 15), (-0.5, -0.5, 63.5, 47.5)), np.float64)
    np.testing.assert_allclose(it.boxes(it.rotate(SIZE, 90), box), ((5, 43, 15, 53), (-0.5, -0.5, 47.5, 63.5)))
    np.testing.assert_allclose(it.boxes(it.crop(SIZE, 8, 12, 20, 30), box[0]), (-0.5, -0.5, 8, 7))
    gone = it.boxes(it.crop(SIZE, 30, 40, 10, 10), box[0])
    assert (gone[2] - gone[0]) * (gone[3] - gone[1]) == 0
    turned = it.boxes(it.rotate((101, 101), 45), np.array((40, 40, 60, 60)))
    np.testing.assert_allclose(turned, np.array((-1, -1, 1, 1)) * 10 * np.sqrt(2) + 50)


def test_a_transform_for_another_picture_size_is_refused():
    with pytest.raises(ConfigError, match=r"makes \(h, w\) = \(48, 64\), the next expects \(64, 64\)"):
        it.apply_to_view(view_of(smooth_picture), it.rotate((64, 64), 10))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: it.resize(SIZE, 0), "scale is 0"),
        (lambda: it.crop(SIZE, 0, 0, 0, 5), "at least one pixel"),
        (lambda: it.intrinsics_and_turn(np.array(((-1.0, 0, 63), (0, 1, 0))), K), "mirrors"),
        (lambda: it.view_rays(View("head", np.zeros((4, 4, 3), np.uint8))), "no camera"),
    ],
)
def test_what_cannot_be_done_is_said(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
