"""Perturbations: the same every time, stronger from level to level, true to their calibration, and the task can still be done."""

import numpy as np
import pytest

from praxia.errors import ConfigError
from praxia.geometry import camera as cameras
from praxia.geometry import se3
from praxia.geometry.scene import ObjectTruth, View
from praxia.worlds.perturbations import CATEGORIES, LEVELS, PUBLISHED_TASKS, STRENGTHS, draw
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.tabletop.tasks.layout import Y
from praxia.worlds.world import Episode

SEEN = [(category, kind.name) for category in CATEGORIES if category != "language" for kind in STRENGTHS[category]]
GRADED_BY_PIXELS = [pair for pair in SEEN if pair[1] not in ("orbit", "distance", "look", "displaced")]  # these soon change every pixel


@pytest.fixture(scope="module")
def world():
    world = Tabletop(split="benchmark", size=64)
    yield world
    world.close()


def of_kind(task: str, category: str, kind: str, count: int = 1) -> list[int]:
    """Seeds whose episodes show this kind of the category."""
    found = (s for s in range(100, 600) if drawn(task, s, category).kind.name == kind)
    return [next(found) for _ in range(count)]


def drawn(task: str, seed: int, category: str, level: int = 1):
    found = draw(Episode(task, seed, f"{category}:{level}"), STRENGTHS, "tabletop")
    assert found is not None
    return found


def look(world: Tabletop, task: str, seed: int, perturbation: str, **what) -> tuple[View, ...]:
    world.reset(Episode(task, seed, perturbation))
    return world.render(**what)


def succeeds(world: Tabletop, episode: Episode) -> bool:
    world.reset(episode)
    for _ in range(world.max_steps(episode.task)):
        step = world.step(world.expert())
        if step.done:
            return step.success
    return False


# --- the table and the names ------------------------------------------------------------------------------------------------------------


def test_every_kind_rises_from_level_to_level_and_says_what_it_changes():
    assert tuple(PUBLISHED_TASKS) == CATEGORIES and sum(PUBLISHED_TASKS.values()) == 10_030
    for kinds in STRENGTHS.values():
        assert len({kind.name for kind in kinds}) == len(kinds)
        for kind in kinds:
            assert len(kind.strengths) == len(LEVELS) and (np.diff(kind.strengths) > 0).all() and kind.unit and kind.what


@pytest.mark.parametrize(
    ("name", "nearest"), [("camra:3", "camera:3"), ("camera:6", "camera:"), ("noise", "noise:"), ("light:two", "light:2"), ("storm", "valid:")]
)
def test_an_unknown_perturbation_is_refused_by_name_with_the_nearest(world, name, nearest):
    with pytest.raises(ConfigError, match=f"unknown tabletop perturbation '{name}'.*{nearest}"):
        world.reset(Episode("reach", 0, name))


def test_an_episode_shows_one_kind_at_all_levels_and_all_kinds_come_up():
    for category, kinds in STRENGTHS.items():
        for seed in range(5):
            assert len({drawn("push", seed, category, level).kind.name for level in LEVELS}) == 1
        assert {drawn("push", seed, category).kind.name for seed in range(100)} == {kind.name for kind in kinds}


# --- same and different ---------------------------------------------------------------------------------------------------------------


def everything(world: Tabletop, episode: Episode) -> list:
    said = world.reset(episode)
    world.step(world.expert())
    views = world.render(depth=True, masks=True)
    arrays = [a for v in views for a in (v.image, v.depth, v.mask, v.camera.K, v.camera.T_base_cam)]
    return [said, world.state(), *arrays, *(o.T_base_object for o in world.truth().objects)]


def same(a: list, b: list) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


@pytest.mark.parametrize("category", CATEGORIES)
def test_task_seed_and_perturbation_decide_everything(world, category):
    fresh = Tabletop(split="benchmark", size=64)
    episode = Episode("stack", 7, f"{category}:4")
    first = everything(world, episode)
    plain = everything(world, Episode("stack", 7))
    assert same(first, everything(world, episode)) and same(first, everything(fresh, episode)), "whatever was played before"
    assert same(plain, everything(fresh, Episode("stack", 7))) and same(plain, everything(fresh, Episode("stack", 7, f"{category}:0")))
    assert not same(first, plain) and not same(first, everything(world, Episode("stack", 7, f"{category}:2")))
    assert not same(first, everything(world, Episode("stack", 8, f"{category}:4")))
    fresh.close()


def test_unperturbed_episodes_are_what_they_were_before_there_were_perturbations(world):
    """Numbers written down from the world without perturbations."""
    assert world.reset(Episode("reach", 3)) == REACH_3[0]
    first = world.truth().objects[0]
    assert first.name == REACH_3[1] and np.allclose(first.T_base_object[:3, 3], REACH_3[2], atol=1e-5)
    assert np.allclose(world.render()[0].camera.T_base_cam[:3, 3], REACH_3[3], atol=1e-6)


REACH_3 = ("tap the orange pyramid", "orange pyramid", (0.569651, -0.023333, 0.031959), (1.0185492, -0.0284354, 0.9421595))


@pytest.mark.parametrize(("category", "untouched"), [("camera", True), ("noise", True), ("light", False), ("background", False)])
def test_camera_and_noise_touch_the_base_view_only(world, category, untouched):
    for seed in (1, 2, 3):
        head, wrist = look(world, "press", seed, "")
        moved, held = look(world, "press", seed, f"{category}:5")
        assert not np.array_equal(head.image, moved.image)
        assert np.array_equal(wrist.image, held.image) == untouched


def test_depth_and_masks_are_not_noisy_and_grain_is_fresh_in_every_picture_but_not_at_every_look(world):
    (seed,) = of_kind("press", "noise", "grain")
    clean, noisy = (look(world, "press", seed, p, depth=True, masks=True)[0] for p in ("", "noise:5"))
    assert np.array_equal(clean.depth, noisy.depth) and np.array_equal(clean.mask, noisy.mask)
    assert np.array_equal(noisy.image, world.render()[0].image)
    world.step(np.array([0, 0, 0, 0, 0, 0, 1.0], np.float32))
    still = np.abs(world.render()[0].image.astype(int) - noisy.image).mean()
    assert still > 20


# --- graded -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("category", "kind"), GRADED_BY_PIXELS, ids=[f"{c}-{k}" for c, k in GRADED_BY_PIXELS])
def test_pictures_change_more_from_level_to_level(world, category, kind):
    change = np.zeros(3)
    for seed in of_kind("press", category, kind, 3):
        plain = look(world, "press", seed, "", roles=("head",))[0].image.astype(int)
        change += [np.abs(look(world, "press", seed, f"{category}:{level}", roles=("head",))[0].image - plain).mean() for level in (1, 3, 5)]
    assert 0 < change[0] < change[1] < change[2]


def test_the_camera_steps_back_and_goes_around_by_what_the_table_says(world):
    for kind in ("distance", "orbit", "look"):
        (seed,) = of_kind("press", "camera", kind)
        here = look(world, "press", seed, "", roles=("head",))[0].camera.T_base_cam
        pivot = here[:3, 3] - here[:3, 2] * (here[2, 3] - 0.033) / here[2, 2]
        for level in LEVELS:
            there = look(world, "press", seed, f"camera:{level}", roles=("head",))[0].camera.T_base_cam
            arm, other = here[:3, 3] - pivot, there[:3, 3] - pivot
            strength = drawn("press", seed, "camera", level).strength
            if kind == "distance":
                assert np.allclose(other, strength * arm, atol=1e-5) and np.allclose(here[:3, :3], there[:3, :3], atol=1e-6)
            elif kind == "look":
                assert np.degrees(np.arccos(here[:3, 2] @ there[:3, 2])) == pytest.approx(strength, abs=0.01) and np.allclose(arm, other)
            else:
                turned = np.degrees(np.arctan2(arm[0] * other[1] - arm[1] * other[0], arm[:2] @ other[:2]))
                assert abs(turned) == pytest.approx(strength, abs=0.01) and other[2] > arm[2]
                assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(arm), abs=1e-5)


def test_a_displaced_target_stands_outside_and_distractors_come_one_by_one(world):
    (seed,) = of_kind("reach", "layout", "displaced")
    for level in LEVELS:
        world.reset(Episode("reach", seed, f"layout:{level}"))
        target = next(o for o in world.truth().objects if o.name == world.truth().target)
        assert abs(target.T_base_object[1, 3]) == pytest.approx(Y[1] + drawn("reach", seed, "layout", level).strength, abs=3e-3)
    (seed,) = of_kind("reach", "layout", "distractors")
    names = []
    for level in (0, *LEVELS):
        world.reset(Episode("reach", seed, f"layout:{level}"))
        names.append([o.name for o in world.truth().objects])
        assert (
            len(set(names[-1])) == len(names[-1]) == len(names[0]) + level
            and names[-1][: len(names[-2]) if level else None] == names[max(level - 1, 0)]
        )


def test_joints_start_off_by_the_norm_the_table_says():
    for robot, task in (("arm7", "press"), ("bimanual", "lift_tray")):
        arms = Tabletop(robot=robot, size=16)
        arms.reset(Episode(task, 5))
        before = [hand.joints.copy() for hand in arms._scene.hands]
        for level in LEVELS:
            arms.reset(Episode(task, 5, f"robot:{level}"))
            for q, hand in zip(before, arms._scene.hands):
                assert np.linalg.norm(hand.joints - q) == pytest.approx(0.1 * level, abs=0.01)


# --- true, and doable -----------------------------------------------------------------------------------------------------------------


def test_what_the_moved_camera_sees_is_where_its_calibration_says(world):
    """Middles of masks and metric depth, from every kind of viewpoint, at the strongest level."""
    for kind in ("orbit", "distance", "look"):
        (seed,) = of_kind("press", "camera", kind)
        (view,) = look(world, "press", seed, "camera:5", roles=("head",), depth=True, masks=True)
        measured = 0
        for thing in world.truth().objects:
            v, u = np.nonzero(view.mask == thing.instance)
            if len(u) < 12 or min(u.min(), v.min()) < 1 or max(u.max(), v.max()) > 62:
                continue
            measured += 1
            centre = cameras.project(view.camera.K, se3.apply(se3.invert(view.camera.T_base_cam), thing.T_base_object[:3, 3]))[0]
            assert np.abs(centre - ((u.min() + u.max()) / 2, (v.min() + v.max()) / 2)).max() < 1.6, (kind, thing.name)
            in_thing = se3.apply(
                se3.invert(thing.T_base_object) @ view.camera.T_base_cam, cameras.unproject(view.camera.K, np.stack((u, v), -1), view.depth[v, u])
            )
            assert (np.abs(in_thing) < thing.size / 2 + 0.004).all()
        assert measured >= 1, kind


def visible(view: View, thing: ObjectTruth) -> int:
    return int((view.mask == thing.instance).sum())


@pytest.mark.parametrize("category", ["camera", "layout", "robot"])
def test_the_target_stays_in_the_base_view(world, category):
    for task in world.tasks():
        for seed in range(3):
            (view,) = look(world, task, seed, f"{category}:5", roles=("head",), masks=True)
            truth = world.truth()
            assert visible(view, next(o for o in truth.objects if o.name == truth.target)) >= 3, (task, seed)


def test_experts_still_succeed_in_every_category_at_the_strongest_level(world):
    for category in CATEGORIES:
        done = [succeeds(world, Episode(task, 4000 + seed, f"{category}:5")) for task in world.tasks() for seed in range(2)]
        assert np.mean(done) >= 0.9, category


def test_two_arms_and_six_joints_succeed_too():
    for robot in ("bimanual", "arm6"):
        other = Tabletop(robot=robot, size=16)
        done = [succeeds(other, Episode(t, 50 + s, f"{c}:5")) for c in ("robot", "layout") for t in other.tasks()[:3] for s in range(2)]
        assert np.mean(done) >= 0.85, robot


@pytest.mark.slow
@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("level", LEVELS)
def test_experts_succeed_in_95_of_100_at_every_level(world, category, level):
    assert np.mean([succeeds(world, Episode(t, 6000 + s, f"{category}:{level}")) for t in world.tasks() for s in range(20)]) >= 0.95


# --- words ------------------------------------------------------------------------------------------------------------------------------


def test_words_name_the_target_at_every_level_and_other_things_only_to_be_left_alone(world):
    for task in world.tasks():
        for seed in range(4):
            said = [world.reset(Episode(task, seed, f"language:{level}")) for level in (0, *LEVELS)]
            truth, asked = world.truth(), [step.words(world._scene) for step in world._plan.steps]
            assert len(set(said)) == 6
            for level, text in enumerate(said):
                assert all(word in text for words in asked for word in words.values()) and "{" not in text
                others = [o.name for o in truth.objects if o.name in text and o.colour not in str(asked)]
                assert len(others) == (1 if level == 5 and any(o.colour not in str(asked) for o in truth.objects) else 0), text
            assert len(said[3]) > len(said[2]) > len(said[1]) and len(said[5]) > len(said[4])


def test_fingerprints_name_the_strengths(world):
    assert len(world.fingerprint()["perturbations"]) == 12 and world.fingerprint()["scipy"]
