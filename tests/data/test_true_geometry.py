"""True depth and points of views, against the geometry library, the world itself, and each other."""

import numpy as np
import pytest
import torch

from praxia.data.collate import view_batch
from praxia.data.supervision import SceneGeometry
from praxia.data.supervision.supervision import Needs
from praxia.data.true_geometry import true_geometry
from praxia.errors import ConfigError, DataError
from praxia.geometry.camera import project
from praxia.geometry.image_transform import apply_to_view, crop, realise
from praxia.specs import ImageSpec
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.world import Episode

SPEC = ImageSpec(64)


@pytest.fixture(scope="module")
def views():
    """Two head views and the wrist's of one moment."""
    world = Tabletop(split="pretrain", size=64, cameras=("head", "head_2", "wrist"))
    try:
        world.reset(Episode("reach", 3))
        return world.render(depth=True)
    finally:
        world.close()


def test_a_second_head_camera_stands_elsewhere_and_changes_nothing_else():
    shown = []
    for cameras in (("head", "wrist"), ("head", "head_2", "wrist")):
        world = Tabletop(size=48, cameras=cameras)
        try:
            world.reset(Episode("push", 5))
            shown.append({view.role: view for view in world.render(depth=True)})
        finally:
            world.close()
    with_two = shown[1]
    for role, view in shown[0].items():
        assert np.array_equal(view.image, with_two[role].image) and np.array_equal(view.depth, with_two[role].depth)
    moved = with_two["head"].camera.T_base_cam[:3, 3] - with_two["head_2"].camera.T_base_cam[:3, 3]
    assert 0.005 < np.linalg.norm(moved) < 0.3


def test_a_point_seen_by_one_camera_is_where_the_other_sees_it(views):
    truth = true_geometry(view_batch([views]), SPEC)
    first, second = views[0], views[1]
    points = truth.points[0, 1].reshape(-1, 3).double().numpy()  # of the second view, in the first camera's frame
    pixels, z = project(first.camera.K, points)
    column, row = np.round(pixels).astype(int).T
    inside = (column >= 1) & (column < 63) & (row >= 1) & (row < 63) & (z > 0)
    seen = first.depth[np.clip(row, 0, 63), np.clip(column, 0, 63)]
    # what the first camera also sees is there; what something hides from it is nearer to it in its own picture
    assert np.median(np.abs(seen - z)[inside]) < 0.003
    assert (np.abs(seen - z)[inside] < 0.01).mean() > 0.9
    assert np.array_equal(truth.depth[0, 1].numpy(), second.depth)


def test_a_crop_moves_depth_points_and_intrinsics_together(views):
    part = crop((64, 64), 12, 20, 32, 32)
    shown = tuple(apply_to_view(view, part) for view in views)
    truth, whole = (true_geometry(view_batch([v]), ImageSpec(side)) for v, side in ((shown, 32), (views, 64)))
    assert torch.equal(truth.depth, whole.depth[:, :, 12:44, 20:52])
    assert torch.allclose(truth.points, whole.points[:, :, 12:44, 20:52], atol=1e-6)
    assert torch.allclose(truth.T_first_cam, whole.T_first_cam)
    assert np.allclose(truth.K[0, 0], realise(shown[0]).camera.K, atol=1e-5)


def test_the_first_view_is_the_frame(views):
    truth = true_geometry(view_batch([views]), SPEC)
    assert torch.allclose(truth.T_first_cam[0, 0], torch.eye(4), atol=1e-6)
    assert torch.allclose(truth.points[0, 0, ..., 2], truth.depth[0, 0], atol=1e-6)
    expected = np.linalg.inv(views[0].camera.T_base_cam) @ views[2].camera.T_base_cam
    assert np.allclose(truth.T_first_cam[0, 2], expected, atol=1e-6)


def test_views_without_depth_or_calibration_are_refused(views):
    batch = view_batch([views])
    with pytest.raises(DataError, match="record depth"):
        true_geometry(batch.__class__(**(vars(batch) | {"depth": None})), SPEC)
    with pytest.raises(DataError, match="calibration"):
        true_geometry(batch.__class__(**(vars(batch) | {"K": batch.K * float("nan")})), SPEC)


def test_scene_geometry_shows_the_named_views_in_their_order(tabletop_source):
    sample = tabletop_source.sample(0, Needs(depth=True))
    rng = np.random.default_rng(0)
    example = SceneGeometry(("wrist", "head"))(sample, rng)
    assert [view.role for view in example.sample.views] == ["wrist", "head"] and example.prompt is None
    with pytest.raises(ConfigError, match="unknown view 'head_2'; did you mean 'head'"):
        SceneGeometry(("head", "head_2"))(sample, rng)
    with pytest.raises(DataError, match="view 'head' has no depth"):
        SceneGeometry()(tabletop_source.sample(0, Needs()), rng)
