"""What is seen of hands and objects, against the world's own masks and depth."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from praxia.annotate.hands import HandRules, ObjectRules
from praxia.annotate.hands.clouds import GivenDepth, NetDepth, cloud
from praxia.annotate.hands.moments import NOT_IN_VIEW, in_camera, look
from praxia.annotate.hands.motions import NOT_SEEN, motions
from praxia.annotate.hands.objects import least_points, mask_box, object_in
from praxia.annotate.hands.visible import hand_pixels, visible
from praxia.data.hand_clips import RecordedClips
from praxia.data.lerobot.reader import Want
from praxia.errors import DataError
from praxia.geometry.camera import project
from praxia.geometry.se3 import apply, invert
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.specs.hands import SIDES, WRIST


@pytest.fixture(scope="module")
def clips(hand_clips):
    return RecordedClips(str(hand_clips)).open()


def frames(clips, every=4):
    for number in range(len(clips)):
        clip = clips.clip(number)
        for step in clip.frames[::every]:
            view = clips.view(number, int(step), depth=True, masks=True)
            yield clip, int(step), view, in_camera(clip, int(step), view.camera.T_base_cam)


def test_joints_called_visible_are_those_that_the_depth_shows(clips):
    """Visible ones have the surface within 3 cm before them, unless an object or a forearm is there; hidden ones mostly have not."""
    near, far, shown = [], [], []
    for clip, step, view, joints in frames(clips):
        there = clip.hands.confidence[step] > 0
        seen, pixels, skin = visible(joints, there, view.camera.K, (96, 96), 0.02)
        inside, _, _ = visible(joints, there, view.camera.K, (96, 96), np.inf)
        columns, rows = np.clip(np.rint(np.nan_to_num(pixels)), 0, 95).astype(int).transpose(2, 0, 1)
        gap = joints[..., 2] - view.depth[rows, columns]
        near.append((np.abs(gap) < 0.03)[seen])
        far.append((gap > 0.015)[inside & ~seen])
        assert not seen[~there].any() and np.all((joints[..., 2] - skin)[seen] <= 0.0201)
        shown.append((skin - view.depth[rows, columns])[seen & (np.abs(gap) < 0.03)])
    assert abs(np.median(np.concatenate(shown))) < 0.003 and np.median(np.abs(np.concatenate(shown))) < 0.004
    assert np.concatenate(near).mean() > 0.75 and np.concatenate(far).mean() > 0.9 and len(np.concatenate(far)) > 20


def test_pixels_of_hands_cover_the_hands(clips):
    """Pixels of the masks whose points are near a joint; forearms are a guess."""
    covered, total = 0, 0
    for clip, step, view, joints in frames(clips):
        there = clip.hands.confidence[step, :, 0] > 0
        mine = hand_pixels(joints, there, view.camera.K, (96, 96))
        points = cloud(view.depth.astype(np.float64), view.camera.K)
        v, u = np.nonzero(np.isin(view.mask, (1, 2)))
        gaps = np.linalg.norm(points[v, u][:, None] - joints[there].reshape(1, -1, 3), axis=-1).min(1)
        covered, total = covered + mine[v, u][gaps < 0.02].sum(), total + (gaps < 0.02).sum()
        assert mine.mean() < 0.6
    assert total > 5000 and covered / total > 0.93


def test_object_points_lie_on_the_object(clips):
    """Within the object's true box (its surface), by the box of its mask alone; a wall of hands in front does not pull it."""
    off, rules = [], ObjectRules()
    for number in range(len(clips)):
        clip = clips.clip(number)
        for moment in look(clips, number, clip, GivenDepth(), None, HandRules()).moments:
            row = clips.source.episodes[number].start + moment.step
            for truth in clips.source.sample_at(row, Want(horizon=0, roles=(), objects=True)).objects:
                if truth.name in moment.objects:
                    local = apply(invert(truth.T_base_object) @ moment.T_base_cam, moment.objects[truth.name].point)
                    off.append(np.maximum(np.abs(local) - truth.size / 2, 0).max())
    assert len(off) > 60 and np.median(off) < 0.003 and np.quantile(off, 0.95) < 0.012
    z = np.full((40, 40), 1.0)
    z[10:30, 10:30] = 0.5
    points, hands = cloud(z, np.array([[40.0, 0, 20], [0, 40.0, 20], [0, 0, 1]])), np.zeros((40, 40), bool)
    hands[10:20] = True
    z[10:20] = 0.2
    found = object_in((9.5, 9.5, 29.5, 29.5), points, hands, rules)
    assert found.point[2] == pytest.approx(0.5) and len(found.points) <= 50
    assert object_in((9.5, 9.5, 29.5, 29.5), points, np.ones((40, 40), bool), rules) is None
    assert least_points(rules, (448, 448)) == 50 and least_points(rules, (96, 96)) == 5 and mask_box(hands.astype(int), 2) is None


class Aside:
    """Clips whose camera looks past the hands: pictures are where they were, their middle is not."""

    def __init__(self, clips, pixels):
        self._clips, self._pixels = clips, pixels
        self.depth, self.masks = clips.depth, clips.masks

    def view(self, number, step, depth=False, masks=False):
        view = self._clips.view(number, step, depth, masks)
        K = view.camera.K + np.array([[0, 0, self._pixels], [0, 0, 0], [0, 0, 0]])
        return replace(view, camera=replace(view.camera, K=K))


def test_hands_that_the_picture_does_not_hold_are_not_asked_about(clips):
    """Wrist inside, the outermost joint one pixel beyond the edge: nothing is asked of the hand unless `in_view` allows it."""
    rules = HandRules(calibrate=False)
    clip = clips.clip(0)
    moment = next(m for m in look(clips, 0, clip, GivenDepth(), None, rules).moments if m.there.any())
    side = int(np.flatnonzero(moment.there)[0])
    columns = project(clips.view(0, moment.step).camera.K, moment.joints[side])[0][:, 0]
    assert columns.max() - columns[WRIST] > 2 or columns[WRIST] - columns.min() > 2
    right = columns.max() - columns[WRIST] > 2
    moved = Aside(clips, 96.5 - columns.max() if right else -1.5 - columns.min())
    there, said = {}, {}
    for share in (1.0, 0.5, 0.0):
        found = look(moved, 0, clip, GivenDepth(), None, replace(rules, in_view=share))
        there[share] = next(m.there[side] for m in found.moments if m.step == moment.step)
        said[share] = found.rejections[NOT_IN_VIEW]
    assert not there[1.0] and there[0.0] and said[1.0] > said[0.0]


def test_motions_start_from_a_picture_that_holds_the_wrist(clips):
    clip, rules, left_out = clips.clip(0), HandRules(), Counter()
    assert len(motions(clip, partial(clips.view, 0), rules, np.random.default_rng(0), left_out)) > 3
    assert motions(clip, partial(Aside(clips, 500).view, 0), rules, np.random.default_rng(0), left_out) == [] and left_out[NOT_SEEN] > 3
    half = partial(Aside(clips, 48).view, 0)
    for motion in motions(clip, half, rules, np.random.default_rng(0), left_out):
        view = half(motion.frame)
        for name in motion.future:
            wrist = in_camera(clip, motion.frame, view.camera.T_base_cam)[SIDES.index(name), WRIST]
            u, v = project(view.camera.K, wrist)[0]
            assert -0.5 <= u < 95.5 and -0.5 <= v < 95.5


def test_a_net_that_copies_depth_equals_recorded_depth(clips):
    """The way through a net's own square and back moves no pixel by more than one of its own."""
    views = [clips.view(0, int(s), depth=True) for s in clips.clip(0).frames[:4]]
    net = TabletopGeometry(image_size=48, patch_size=8, width=32, layers=1, heads=2).build()
    plain = net.reconstruct

    def copy(pixels, state=None):
        made = plain(pixels, state)
        made.depth[:] = pixels.mean(2)  # a picture in place of the depth
        return made

    net.reconstruct = copy
    for view, seen in zip(views, NetDepth(net, together=3)(views), strict=True):
        grey = view.image.mean(-1)
        assert seen.z.shape == (96, 96) and seen.confidence.shape == (96, 96) and len(np.unique(seen.z)) > 500
        alike = lambda shift, z=seen.z, grey=grey: np.corrcoef(z.ravel(), np.roll(grey, shift, 1).ravel())[0, 1]  # noqa: E731
        assert alike(0) > 0.85 and alike(0) > max(alike(-2), alike(2))
    with pytest.raises(DataError, match="--net"):
        GivenDepth()([clips.view(0, 0)])
    assert SIDES == ("left", "right")
