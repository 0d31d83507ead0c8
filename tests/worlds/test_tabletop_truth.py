"""What tabletop says about its scenes is what its pictures show."""

import subprocess
import sys

import numpy as np
import pytest

from praxia.geometry import se3
from praxia.geometry.camera import unproject
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.world import Episode

LARGE = 384


@pytest.fixture(scope="module")
def large():
    world = Tabletop(split="base", size=LARGE)
    yield world
    world.close()


def _sphere_centroid(K, centre, radius):
    """Middle (u, v) of a sphere's picture, an ellipse: tangent rays d satisfy d^T (c c^T - (|c|^2 - r^2) I) d = 0."""
    a, b, z = centre
    return K[:2, :2] @ (np.array([a, b]) * z / (z * z - radius * radius)) + K[:2, 2]


def _stands_free(mask, everything):
    """Only table around it, and not cut by the border: nothing can hide a part of it."""
    wide = np.zeros_like(mask)
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        wide |= np.roll(mask, shift, (0, 1))
    border = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    return bool(mask.any() and not border and (everything[wide & ~mask] == 0).all())


def test_reprojected_balls_agree_with_their_masks_to_a_tenth_of_a_pixel(large):
    errors = []
    for seed in range(60):
        large.reset(Episode("reach", seed))
        balls = [o for o in large.truth().objects if o.category == "ball"]
        if not balls:
            continue
        for view in large.render(depth=False, masks=True):
            for ball in balls:
                centre = (se3.invert(view.camera.T_base_cam) @ ball.T_base_object[:, 3])[:3]
                if centre[2] <= 0:
                    continue
                mask = view.mask == ball.instance
                rows, columns = np.nonzero(mask)
                if _stands_free(mask, view.mask):
                    u, v = _sphere_centroid(view.camera.K, centre, ball.size[0] / 2)
                    errors.append(np.hypot(columns.mean() - u, rows.mean() - v))
    assert len(errors) >= 10
    assert max(errors) < 0.1


def test_every_visible_pixel_lies_inside_the_box_of_its_object(large):
    for task in large.tasks():
        large.reset(Episode(task, 1))
        for _ in range(4):
            large.step(large.expert())
        for view in large.render(depth=True, masks=True):
            for thing in large.truth().objects:
                rows, columns = np.nonzero(view.mask == thing.instance)
                seen = unproject(view.camera.K, np.stack([columns, rows], -1), view.depth[rows, columns])
                local = se3.apply(se3.invert(thing.T_base_object) @ view.camera.T_base_cam, seen)
                assert (np.abs(local) <= thing.size / 2 + 1e-3).all(), (task, view.role, thing.name)


def test_boxes_are_tight_at_the_top(large):
    gaps = []
    for seed in range(6):
        large.reset(Episode("reach", seed))
        (view,) = large.render(("head",), depth=True, masks=True)
        for thing in large.truth().objects:
            rows, columns = np.nonzero(view.mask == thing.instance)
            seen = unproject(view.camera.K, np.stack([columns, rows], -1), view.depth[rows, columns])
            local = se3.apply(se3.invert(thing.T_base_object) @ view.camera.T_base_cam, seen)
            gaps.append(thing.size[2] / 2 - local[:, 2].max())
    assert max(gaps) < 1e-3


def test_the_table_is_at_height_zero_where_nothing_stands(large):
    large.reset(Episode("press", 0))
    for view in large.render(depth=True, masks=True):
        rows, columns = np.nonzero(view.mask == 0)
        seen = unproject(view.camera.K, np.stack([columns, rows], -1), view.depth[rows, columns])
        assert np.abs(se3.apply(view.camera.T_base_cam, seen)[:, 2]).max() < 1e-3


@pytest.mark.parametrize("split", ["base", "pretrain", "benchmark"])
def test_everything_that_can_be_named_is_at_least_six_pixels_wide_at_64(split):
    world = Tabletop(split=split, size=64, cameras=("head",))
    for task in world.tasks():
        for seed in range(8):
            world.reset(Episode(task, seed))
            (view,) = world.render(masks=True)
            for thing in world.truth().objects:
                _, columns = np.nonzero(view.mask == thing.instance)
                assert len(columns) and columns.max() - columns.min() + 1 >= 6, (task, seed, thing.name)
    world.close()


def test_the_wrist_camera_sees_both_finger_tips_and_what_is_below(large):
    large.reset(Episode("reach", 2))
    (view,) = large.render(("wrist",), masks=True)
    left, right = view.mask[:, : LARGE // 2] == 2, view.mask[:, LARGE // 2 :] == 2
    assert left.any() and right.any()
    assert (view.mask == 0).mean() > 0.3


def test_the_target_is_named_in_the_instruction_and_exists(large):
    for task in large.tasks():
        for seed in range(6):
            text = large.reset(Episode(task, seed))
            truth = large.truth()
            names = [o.name for o in truth.objects]
            assert truth.target in names
            assert truth.target.split()[0] in text
            assert len(set(names)) == len(names), "two things of one name would make the instruction ambiguous"


def test_same_seed_gives_the_same_states_and_pictures_bit_for_bit():
    def run(warm_up):
        world = Tabletop(split="pretrain")
        for seed in warm_up:  # earlier episodes must leave no trace
            for task in world.tasks():
                world.reset(Episode(task, seed))
                world.step(world.expert())
        made = []
        for task in world.tasks():
            made.append(world.reset(Episode(task, 5)))
            for _ in range(6):
                world.step(world.expert())
            made.append(world.state().tobytes())
            for view in world.render(depth=True, masks=True):
                made += [view.image.tobytes(), view.depth.tobytes(), view.mask.tobytes(), view.camera.T_base_cam.tobytes()]
        world.close()
        return made

    assert run(()) == run((3, 4))


@pytest.mark.parametrize("gl", ["disabled", "glfw", "nonsense"])
def test_without_gl_the_error_says_how_to_get_it(gl):
    code = (
        "from praxia.worlds.world import Episode\n"
        "from praxia.errors import RenderError\n"
        "try:\n"
        "    from praxia.worlds.tabletop import Tabletop\n"
        "    world = Tabletop()\n"
        "    world.reset(Episode('reach', 0))\n"
        "    world.render()\n"
        "except RenderError as error:\n"
        "    print(error)\n"
    )
    env = {"MUJOCO_GL": gl, "PATH": "/usr/bin:/bin"}  # no DISPLAY
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert "apt-get install libegl1" in said.stdout and "MUJOCO_GL=egl" in said.stdout, said.stderr[-500:]
