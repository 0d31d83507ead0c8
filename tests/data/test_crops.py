"""Crops of real pictures: the camera follows the window, labels are those of the window, shares are as declared."""

import numpy as np
import pytest
from asking import asked

from praxia.data.sample_transforms import AreaCrop, CentreCrop, ColourJitter, PseudoViews, RandomCrop, RandomShift, without_chance
from praxia.data.supervision import ObjectPoses
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.image_transform import realise
from praxia.geometry.se3 import apply, invert

NEEDS = Needs(objects=True, masks=True, depth=True)


def same_window(before, after):
    """The new picture is a window of the old one, and its camera sees every point where that window shows it."""
    left, top = (-after.affine[:, 2]).astype(int)
    height, width = after.size
    shown = realise(after)
    assert np.array_equal(shown.image, before.image[top : top + height, left : left + width])
    assert np.array_equal(shown.depth, before.depth[top : top + height, left : left + width])
    return left, top


def test_a_crop_is_a_window_with_its_own_camera(tabletop_source):
    sizes = []
    for index in range(len(tabletop_source)):
        sample = tabletop_source.sample(index, NEEDS)
        cut = RandomCrop()(sample, np.random.default_rng(index))
        for before, after in zip(sample.views, cut.views, strict=True):
            left, top = same_window(before, after)
            centres = np.stack([o.T_base_object[:3, 3] for o in sample.objects])
            in_camera = apply(invert(before.camera.T_base_cam), centres)
            np.testing.assert_allclose(project(after.camera.K, in_camera)[0], project(before.camera.K, in_camera)[0] - [left, top], atol=1e-6)
            sizes.append(after.size)
    assert np.min(sizes) >= 51 and np.max(sizes) == 64 and len(set(sizes)) > 20


def test_a_crop_of_an_area_keeps_the_aspect_and_is_tested_in_the_middle(tabletop_source):
    places = set()
    for index in range(len(tabletop_source)):
        sample = tabletop_source.sample(index, NEEDS)
        for before, after in zip(sample.views, AreaCrop(0.81)(sample, np.random.default_rng(index)).views, strict=True):
            places.add(same_window(before, after))
            assert after.size == (58, 58)  # 0.9 of 64
    assert len(places) > 20 and {0, 6} <= {left for left, _ in places}
    centre = without_chance((RandomShift(), AreaCrop(0.81), ColourJitter()))
    assert centre == (CentreCrop(0.81),) and without_chance((RandomCrop(0.9), PseudoViews())) == (PseudoViews(),)
    for before, after in zip(sample.views, centre[0](sample).views, strict=True):
        assert same_window(before, after) == (3, 3) and after.size == (58, 58)


def test_one_picture_becomes_views_of_the_declared_areas(tabletop_source):
    shares = []
    for index in range(len(tabletop_source)):
        sample = tabletop_source.sample(index, NEEDS)
        cut = PseudoViews(aspect=1.0)(sample, np.random.default_rng(index))
        for view in cut.views:
            same_window(sample.views[0], view)
        shares.append([np.prod(view.size) / 64**2 for view in cut.views])
    low, high = np.min(shares, axis=0), np.max(shares, axis=0)
    assert np.allclose(low, [0.9, 0.25, 0.25], atol=0.05) and np.allclose(high, [1.0, 0.55, 0.55], atol=0.05)
    wide = PseudoViews()(sample, np.random.default_rng(0)).views
    assert wide[0].size[1] == 64 and all(abs(v.size[1] / v.size[0] - 4 / 3) < 0.06 for v in wide[1:])


def test_every_pseudo_view_has_labels_of_its_own(tabletop_source):
    counts = np.zeros(3)
    for example in asked(tabletop_source, ObjectPoses(negatives=0.0), (PseudoViews(),)):
        text = "".join(part if isinstance(part, str) else "" for part in example.target)
        sections = [text.split(f"<image{k}>")[1].split(f"</image{k}>")[0].count(";") for k in range(3)]
        counts += sections
    assert counts[0] > counts[1] > 0 and counts[2] > 0


@pytest.mark.parametrize(
    "bad",
    [
        lambda: RandomCrop(0.0),
        lambda: RandomCrop(1.5),
        lambda: AreaCrop(0.0),
        lambda: CentreCrop(1.1),
        lambda: PseudoViews(areas=((0.5, 0.2),)),
        lambda: PseudoViews(aspect=0),
    ],
)
def test_impossible_shares_are_refused(bad):
    with pytest.raises(ConfigError, match="expected"):
        bad()
