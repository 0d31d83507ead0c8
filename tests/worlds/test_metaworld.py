"""Meta-World as a world: the package itself (its benchmark, its renderer, its experts) is the oracle."""

import pickle
import sys
from dataclasses import replace

import metaworld
import numpy as np
import pytest
from metaworld.env_dict import ALL_V3_ENVIRONMENTS

from praxia.errors import ConfigError
from praxia.geometry import camera as cameras
from praxia.geometry import se3
from praxia.geometry.scene import ObjectTruth, View
from praxia.worlds.metaworld import EIGHT, GROUPS, MT10, TASKS, MetaWorld, drawn_starts, episode_seed, shared_starts, tasks_of
from praxia.worlds.metaworld.perturb import TABLE
from praxia.worlds.perturbations import draw
from praxia.worlds.world import Episode


@pytest.fixture(scope="module")
def world():
    with_all = MetaWorld(size=256, keep=3)
    yield with_all
    with_all.close()


def start(task: str, index: int = 0, seed: int = 0) -> Episode:
    return Episode(task, episode_seed(seed, index))


def drive(world: MetaWorld, episode: Episode, steps: int = 25, look: bool = False) -> np.ndarray:
    """States [steps + 1, 4] under the expert, with or without looking and asking for the truth all the time."""
    world.reset(episode)
    states = [world.state()]
    for _ in range(steps):
        if look:
            world.render(depth=True, masks=True)
            world.truth()
        world.step(world.expert())
        states.append(world.state())
    return np.array(states)


# --- tasks and starts -------------------------------------------------------------------------------------------------------------------


def test_the_50_tasks_are_the_packages_and_fall_into_the_published_groups():
    assert {task + "-v3" for task in TASKS} == set(ALL_V3_ENVIRONMENTS)
    assert [len(tasks_of(group)) for group in GROUPS] == [28, 11, 6, 5]
    assert {task + "-v3" for task in MT10} == set(metaworld.env_dict.MT10_V3)
    assert len({TASKS[task].instruction for task in TASKS}) == 50
    assert len(EIGHT) == 8


@pytest.mark.parametrize("task", ["reach", "drawer-open", "lever-pull"])
def test_drawn_starts_are_those_of_mt1(task: str):
    mt1 = metaworld.MT1(task + "-v3", seed=4242)
    expected = [pickle.loads(t.data)["rand_vec"] for t in mt1.train_tasks]
    np.testing.assert_array_equal(drawn_starts(task, 4242), expected)


def test_training_and_test_starts_of_the_eight_tasks_do_not_overlap():
    for task in EIGHT:
        for seed in (4242, 777):
            assert shared_starts(task, 0, seed) == ()
    assert shared_starts("reach", 0, 0) == tuple((i, i) for i in range(50))


def test_an_episode_is_the_same_as_the_packages_own(world: MetaWorld):
    mt1 = metaworld.MT1("push-v3", seed=4242)
    env = mt1.train_classes["push-v3"]()
    env.set_task(mt1.train_tasks[7])
    observation, _ = env.reset()
    world.reset(start("push", 7, seed=4242))
    for k in range(20):
        np.testing.assert_array_equal(world.state(), observation[:4].astype(np.float32))
        action = np.array([0.3, np.sin(k), -0.5, 0.2], np.float32)
        world.step(action)
        observation = env.step(action)[0]


@pytest.mark.parametrize("resets", ["mt1", "random"])
def test_only_the_seed_decides_how_an_episode_starts(resets):
    used, fresh = (MetaWorld(resets=resets, keep=2) for _ in range(2))
    for task in ("door-open", "peg-unplug-side"):
        drive(used, start(task, 5), steps=40)
        np.random.rand(3)  # noqa: NPY002 - somebody else draws from the global numbers
        np.testing.assert_array_equal(drive(used, start(task, 2)), drive(fresh, start(task, 2)))
        assert not np.array_equal(drive(used, start(task, 3)), drive(used, start(task, 2)))


def test_looking_and_asking_for_truth_do_not_touch_physics():
    fast, public = MetaWorld(size=64), MetaWorld(protocol="public", resets="mt1")
    blind = drive(fast, start("drawer-open", 4))
    np.testing.assert_array_equal(drive(fast, start("drawer-open", 4), look=True), blind)
    np.testing.assert_array_equal(drive(public, start("drawer-open", 4)), blind)
    fast.close()


def test_environments_beyond_keep_are_closed_and_made_again_the_same():
    one, many = MetaWorld(keep=1, size=32), MetaWorld(keep=3, size=32)
    for task in ("reach", "push", "reach"):
        np.testing.assert_array_equal(drive(one, start(task), 5), drive(many, start(task), 5))
        np.testing.assert_array_equal(one.render()[0].image, many.render()[0].image)
    one.close()
    many.close()


# --- pictures ---------------------------------------------------------------------------------------------------------------------------


def test_the_public_look_is_pixel_equal_to_the_packages_renderer():
    world = MetaWorld(tasks=("drawer-open",), protocol="public")
    world.reset(Episode("drawer-open", 11))
    env = ALL_V3_ENVIRONMENTS["drawer-open-v3"](render_mode="rgb_array", camera_name="corner2")
    env.model.camera("corner2").pos = (0.75, 0.075, 0.7)
    env._set_task_called, env._freeze_rand_vec = True, False
    np.random.seed(11)  # noqa: NPY002
    env.reset()
    for _ in range(2):  # the first picture, which lags behind the reset, and one after a step
        np.testing.assert_array_equal(world.render()[0].image, np.rot90(env.render(), 2))
        world.step(np.zeros(4))
        env.step(np.zeros(4, np.float32))
    assert world.fingerprint()["world"] == "metaworld-public"
    env.close()
    world.close()


def in_view(view: View, thing: ObjectTruth, points: np.ndarray) -> np.ndarray:
    """Pixels (u, v) [N, 2] of points [N, 3] in the object's axes."""
    assert view.camera is not None and view.camera.T_base_cam is not None
    in_camera = se3.apply(se3.invert(view.camera.T_base_cam) @ thing.T_base_object, points)
    return cameras.project(view.camera.K, in_camera)[0]


@pytest.mark.parametrize("task", ["reach", "push"])
def test_goal_balls_and_pucks_project_onto_the_centre_of_their_masks(world: MetaWorld, task: str):
    """A turned picture with an unturned camera (or the other way round) would miss by tens of pixels."""
    measured = 0
    for index in range(6):
        world.reset(start(task, index))
        things = world.truth().objects
        for view in world.render(masks=True):
            assert view.mask is not None
            for thing in things:
                v, u = np.nonzero(view.mask == thing.instance)
                corners = in_view(view, thing, np.array(np.meshgrid(*[(-s / 2, s / 2) for s in thing.size])).reshape(3, -1).T)
                inside = (corners > 0).all() and (corners < view.mask.shape[0] - 1).all()
                if not inside or not len(u):
                    continue
                measured += 1
                centre = in_view(view, thing, np.zeros((1, 3)))[0]
                # A ball's picture is centred on it but for the lens angle; of a cylinder seen from above one side shows.
                allowed = 1.0 if thing.category == "ball" else 0.15 * np.ptp(u)
                assert np.abs(centre - (u.mean(), v.mean())).max() < allowed, (view.role, thing.name)
    assert measured >= 10


def test_depth_is_metric_and_unprojects_into_the_objects_box(world: MetaWorld):
    world.reset(start("push", 1))
    puck = next(thing for thing in world.truth().objects if thing.name == "red puck")
    for view in world.render(depth=True, masks=True):
        assert view.mask is not None and view.depth is not None and view.camera is not None and view.camera.T_base_cam is not None
        v, u = np.nonzero(view.mask == puck.instance)
        assert len(u) > 20
        in_camera = cameras.unproject(view.camera.K, np.stack((u, v), -1), view.depth[v, u])
        in_object = se3.apply(se3.invert(puck.T_base_object) @ view.camera.T_base_cam, in_camera)
        assert (np.abs(in_object) < puck.size / 2 + 0.002).all()


def test_fingertips_project_onto_the_arm(world: MetaWorld):
    world.reset(start("reach", 0))
    truth, view = world.truth(), world.render(("scene",), masks=True)[0]
    assert view.mask is not None and view.camera is not None and view.camera.T_base_cam is not None
    tip = se3.apply(se3.invert(view.camera.T_base_cam) @ truth.T_base_tool["right"], np.zeros(3))
    u, v = np.round(cameras.project(view.camera.K, tip)[0]).astype(int)
    assert (view.mask[v - 8 : v + 9, u - 8 : u + 9] == 1).mean() > 0.2
    assert np.linalg.norm(truth.T_base_tool["right"][:3, 3] - world.state()[:3]) == pytest.approx(0.045, abs=0.003)


@pytest.mark.parametrize("task", ["coffee-pull", "pick-place", "plate-slide-back", "stick-pull"])
def test_a_goal_that_only_a_marker_shows_can_be_seen_at_96_pixels(task: str):
    world = MetaWorld(tasks=(task,))
    for index in range(3):
        world.reset(start(task, index))
        ball = world.truth().objects[-1]
        assert ball.category == "ball" and np.allclose(ball.T_base_object[:3, 3], world.truth().goal, atol=1e-6)
        assert sum(int((view.mask == ball.instance).sum()) for view in world.render(masks=True) if view.mask is not None) >= 4
    world.close()


# --- behaviour --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", EIGHT)
def test_the_packaged_expert_solves_the_task(task: str):
    world = MetaWorld(tasks=(task,), limit=200)
    solved = 0
    for index in range(3):
        world.reset(start(task, index, seed=777))
        for _ in range(world.max_steps(task)):
            step = world.step(world.expert())
            if step.success:
                break
        solved += step.success
    assert solved >= 2


def test_state_is_the_hand_alone_and_goes_where_the_action_says(world: MetaWorld):
    world.reset(start("reach", 0))
    before = world.state()
    for _ in range(10):
        world.step(np.array([0, 0, 5, 1]))  # beyond the limits: clipped
    moved = world.state() - before
    assert before.shape == (world.state_spec.width,) == (4,)
    assert 0.05 < moved[2] <= 0.10 and abs(moved[0]) < 0.01 and moved[3] < -0.1


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: MetaWorld(tasks=("drawer-opn",)), "drawer-open"),
        (lambda: MetaWorld(views=("head",)), "scene"),
        (lambda: MetaWorld(protocol="public", size=96), "480"),
        (lambda: MetaWorld(limit=501), "500"),
        (lambda: episode_seed(0, 50), "0 to 49"),
        (lambda: MetaWorld().render(), "reset"),
        (lambda: MetaWorld(tasks=("reach",)).reset(Episode("push", 0)), "reach"),
        (lambda: MetaWorld().reset(Episode("push", 0, "dark")), "perturbation"),
    ],
)
def test_bad_input_is_answered_with_what_would_be_right(build, says: str):
    with pytest.raises(ConfigError, match=says):
        build()


def test_actions_that_cannot_be_executed_are_refused(world: MetaWorld):
    world.reset(start("reach", 0))
    for action in (np.zeros(3), np.array([0, 0, np.nan, 0])):
        with pytest.raises(ConfigError, match="4 finite numbers"):
            world.step(action)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "metaworld", None)
    with pytest.raises(ConfigError, match=r"pip install -e '.\[metaworld\]'"):
        MetaWorld()


# --- perturbations ------------------------------------------------------------------------------------------------------------------------


def perturbed(task: str, category: str, kind: str, level: int, index: int = 0) -> Episode:
    """The index-th start whose episode shows this kind of the category."""
    seeds = (episode_seed(4242, i) for i in range(50))
    found = [s for s in seeds if draw(Episode(task, s, f"{category}:1"), TABLE, "Meta-World").kind.name == kind]  # type: ignore[union-attr]
    return Episode(task, found[index], f"{category}:{level}")


@pytest.mark.parametrize(("category", "kind"), [(c, k.name) for c, kinds in TABLE.items() if c != "language" for k in kinds])
def test_a_perturbation_changes_its_episode_and_leaves_nothing_behind(world: MetaWorld, category: str, kind: str):
    strong, weak = (perturbed("drawer-open", category, kind, level) for level in (5, 1))
    plain = Episode(strong.task, strong.seed)
    pictures = []
    for episode in (plain, weak, strong, strong, plain):
        world.reset(episode)
        pictures.append([view.image.astype(int) for view in world.render()])
    before, little, much, again, after = pictures
    assert all(map(np.array_equal, before, after)) and all(map(np.array_equal, much, again))
    assert np.array_equal(before[1], much[1]) == (category in ("camera", "noise") or (category, kind) == ("background", "surroundings"))
    if category not in ("camera", "robot"):  # these soon change all they can
        assert 0 < np.abs(little[0] - before[0]).mean() < np.abs(much[0] - before[0]).mean()


@pytest.mark.parametrize("kind", ["orbit", "distance", "look"])
def test_a_moved_camera_is_calibrated_where_it_is(world: MetaWorld, kind: str):
    world.reset(perturbed("push", "camera", kind, 4))
    view = world.render(("scene",), depth=True, masks=True)[0]
    assert view.mask is not None and view.depth is not None and view.camera is not None and view.camera.T_base_cam is not None
    for thing in world.truth().objects:
        v, u = np.nonzero(view.mask == thing.instance)
        seen = cameras.unproject(view.camera.K, np.stack((u, v), -1), view.depth[v, u])
        in_thing = se3.apply(se3.invert(thing.T_base_object) @ view.camera.T_base_cam, seen)
        assert (np.abs(in_thing) < thing.size / 2 + 0.004).all()


def test_the_hand_starts_elsewhere_and_the_expert_does_not_mind():
    world = MetaWorld(tasks=EIGHT, limit=200, size=32)
    for task in EIGHT:
        world.reset(start(task, 1, seed=4242))
        usual = world.state()
        world.reset(replace(start(task, 1, seed=4242), perturbation="robot:5"))
        assert np.linalg.norm(world.state()[:3] - usual[:3]) == pytest.approx(0.10, abs=0.02)
        assert any(world.step(world.expert()).success for _ in range(200)), task
    world.close()


def test_words_are_said_otherwise_and_layout_is_refused(world: MetaWorld):
    said = [world.reset(replace(start("door-open"), perturbation=f"language:{level}")) for level in range(6)]
    assert len(set(said)) == 6 and all("open the door of the safe" in text for text in said) and len(said[5]) > len(said[4]) > len(said[3])
    with pytest.raises(ConfigError, match="layout does not apply"):
        world.reset(replace(start("door-open"), perturbation="layout:1"))
    with pytest.raises(ConfigError, match="did you mean 'camera:3'"):
        world.reset(replace(start("door-open"), perturbation="camra:3"))
