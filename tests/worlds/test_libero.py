"""The real LIBERO: what its process tells, against the published loop (benchmarks/peers/libero_every_step.py). Skipped where it is not installed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import mujoco
import numpy as np
import pytest

from praxia.data.making import make_dataset
from praxia.errors import ConfigError, EvaluationError
from praxia.geometry import se3
from praxia.geometry.camera import project, unproject
from praxia.workflows.diagnose import libero_checks
from praxia.worlds.libero import LIMITS, STARTS, SUITES, Libero, installed, tasks_of
from praxia.worlds.libero.environment import DECIDING, check_versions, pins, python
from praxia.worlds.libero.process import Process
from praxia.worlds.libero.scene import Scene, Thing, _axis_angle, _upright
from praxia.worlds.libero.server.drawing import Drawing
from praxia.worlds.libero.tasks import instruction
from praxia.worlds.world import Episode

PEER = Path(__file__).parents[2] / "benchmarks" / "peers" / "libero_every_step.py"
DRAWER = "open_the_top_drawer_and_put_the_bowl_inside"
STOVE = "turn_on_the_stove"
IN_DRAWER = tasks_of("libero_spatial")[4]
real = pytest.mark.skipif(not installed(), reason="LIBERO is not installed here: scripts/oracles libero")


def test_130_tasks_in_five_suites():
    assert {suite: len(tasks) for suite, tasks in SUITES.items()} == dict.fromkeys(SUITES, 10) | {"libero_90": 90}
    assert len({task for tasks in SUITES.values() for task in tasks}) == 130
    assert LIMITS.keys() == SUITES.keys()
    assert instruction("KITCHEN_SCENE3_turn_on_the_stove_and_put_the_moka_pot_on_it") == "turn on the stove and put the moka pot on it"


def test_an_unknown_suite_task_or_setting_is_named():
    for settings, message in (
        ({"suite": "libero_objects"}, "did you mean 'libero_object'"),
        ({"suite": ()}, "expected at least one, each once"),
        ({"suite": ("libero_goal", "libero_goal")}, "expected at least one, each once"),
        ({"tasks": ("pick_up_the_milk_and_place_it_in_the_baskets",)}, "did you mean 'pick_up_the_milk_and_place_it_in_the_basket'"),
        ({"orientation": "mirror"}, "did you mean 'mirrored'"),
        ({"views": ("hand",)}, "valid: head, wrist"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            Libero(**settings)  # type: ignore[arg-type]


def test_where_libero_is_missing_the_message_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PRAXIA_ORACLES", str(tmp_path))
    monkeypatch.delenv("PRAXIA_LIBERO_PYTHON", raising=False)
    assert not installed()
    world = Libero()
    with pytest.raises(ConfigError, match="fix: scripts/oracles libero"):
        world.reset(Episode(world.tasks()[0], 0))


def test_other_versions_are_refused():
    check_versions(pins())
    for name in DECIDING:
        with pytest.raises(ConfigError, match=f"{name} is 9.9, expected {pins()[name]}"):
            check_versions(pins() | {name: "9.9"})
    check_versions(pins() | {"numpy": "2.4.6"})  # recorded in the fingerprint: the same states and pictures were seen


def test_what_is_absent_is_said_with_what_mends_it():
    with pytest.raises(ConfigError, match="robosuite is missing, expected"):
        check_versions(pins() | {"robosuite": ""})


def test_an_environment_that_cannot_start_says_how_to_mend_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PRAXIA_ORACLES", str(tmp_path))
    monkeypatch.delenv("PRAXIA_LIBERO_PYTHON", raising=False)
    (tmp_path / "libero").mkdir()
    (tmp_path / "libero" / ".ready").write_text("")
    with pytest.raises(ConfigError, match="has no bin/python; fix: scripts/oracles libero"):
        python()
    (tmp_path / "no_program").write_text("no program")
    monkeypatch.setenv("PRAXIA_LIBERO_PYTHON", str(tmp_path / "no_program"))
    with pytest.raises(ConfigError, match="cannot be started"):
        Libero().reset(Episode(Libero().tasks()[0], 0))
    monkeypatch.setenv("PRAXIA_LIBERO_PYTHON", sys.executable)
    missing = next(check for check in libero_checks() if check.status == "missing")
    assert "apt-get" not in missing.fix and "scripts/oracles libero" in missing.fix


def test_demonstrations_do_not_begin_where_policies_are_judged(tmp_path):
    with pytest.raises(ConfigError, match="seeds 0 to 2 of Libero are the starts that policies are judged on"):
        make_dataset("praxia.worlds.libero.world:Libero", {}, root=tmp_path / "data", seeds=range(3))


def test_objects_of_interest_are_things_also_where_the_task_file_names_a_region():
    things = {n: Thing(n, n[:-2], n, False, 2, ()) for n in ("wooden_cabinet_1", "plate_1")}
    scene = Scene(things, (), {}, {}, (), ("wooden_cabinet_1_middle_region", "plate_1", "main_table_stove_front_region"))
    assert [thing.name for thing in scene.interesting()] == ["wooden_cabinet_1", "plate_1"]


def test_axis_angle_does_not_jump_where_the_hand_points_down():
    just_before, just_after = _axis_angle(np.array((0.001, 1, 0, 0.0))), _axis_angle(np.array((-0.001, 1, 0, 0.0)))
    assert np.abs(just_before - just_after).max() < 0.01 and just_before[0] < np.pi < just_after[0]


def scene(
    wall: str = "1 0 0", floor: str = "1 1 0.1", extent: float = 1.0, at: float = 0.0, top: float = 0.3
) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><statistic extent="{extent}"/><visual><map fogstart="0.5" fogend="4"/></visual><asset>'
        f'<texture name="wall" type="2d" builtin="checker" width="32" height="32" rgb1="{wall}" rgb2="0 0 1"/><material name="wall" texture="wall"/>'
        f'<mesh name="tent" vertex="0 0 0  0.2 0 0  0 0.2 0  0 0 {top}"/></asset>'
        '<worldbody><light pos="0 0 2" castshadow="true"/><camera name="head" pos="0 -1 1" xyaxes="1 0 0 0 1 1"/>'
        f'<geom name="floor" type="plane" size="{floor}" material="wall" group="1"/>'
        f'<geom name="ball" size="0.2" pos="{at} 0 0.2" group="1" rgba="0 1 0 1"/>'
        '<geom name="tent" type="mesh" mesh="tent" pos="-0.3 -0.1 0.1" group="1" rgba="1 1 0 1"/></worldbody></mujoco>'
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def painted() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model, data = scene()
    model.tex_data[:] = 255 - model.tex_data
    return model, data


def test_meshes_and_textures_are_uploaded_anew_only_where_they_differ():
    kept, contexts = Drawing(), []
    scenes = {
        "first": scene(), "same": scene(), "ball moved": scene(at=0.3), "extent": scene(extent=2.0), "floor": scene(floor="0.3 1 0.1"),
        "endless floor": scene(floor="0 0 0.1"), "endless floor, extent": scene(floor="0 0 0.1", extent=2.0), "texture": scene(wall="0 1 1"),
        "vertex": scene(top=0.4), "texels": painted(), "back": scene(),
    }  # fmt: skip
    for name, (model, data) in scenes.items():
        kept.prepare(model, 48)
        contexts.append(kept._context)  # held, so that no two are told apart by an address that is used again
        assert (len(contexts) == 1 or contexts[-1] is not contexts[-2]) == (name not in ("same", "ball moved")), name
        alone = Drawing()
        alone.prepare(model, 48)
        image, depth = kept.picture(data, 0, 48, depth=True)
        assert depth is not None and image.std() > 10
        fresh, z = alone.picture(data, 0, 48, depth=True)
        assert np.array_equal(image, fresh) and np.array_equal(depth, z), name
        ids = kept.geoms(data, 0, 48)
        assert set(np.unique(ids)) - {-1} == {0, 1, 2} and np.array_equal(ids, alone.geoms(data, 0, 48))
        kept.forget()
        alone.close()
    kept.prepare(model, 700)  # more than a context of the usual size holds
    assert kept._context is not contexts[-1] and kept.picture(data, 0, 700, depth=False)[0][600:, 600:].any()
    kept.prepare(model, 48)
    assert np.array_equal(kept.picture(data, 0, 48, depth=False)[0], image)
    kept.close()


def test_an_upright_frame_has_its_z_axis_up():
    lying = se3.from_position_quaternion(np.zeros(3), np.array((1, 1, 0.02, 0.0)))[:3, :3]
    axes = _upright(lying)
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) > 0
    assert (lying @ axes)[2, 2] > 0.99


@pytest.fixture(scope="module")
def goal_world() -> Iterator[Libero]:
    world = Libero("libero_goal", (DRAWER, STOVE))
    yield world
    world.close()


def published(tmp_path: Path, suite: str, task: str, seed: int, start: int, actions: np.ndarray) -> dict[str, np.ndarray]:
    """What the published loop sees."""
    np.save(tmp_path / "actions.npy", actions)
    command = [python(), PEER, tmp_path / "seen.npz", suite, task, str(seed), str(start), tmp_path / "actions.npy"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "seen.npz") as arrays:
        return dict(arrays)


def check_against_published(world: Libero, tmp_path: Path, task: str, start: int, looks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Pictures at some steps, states at all of them, equal to the last bit; then the world is back at its start."""
    commands = np.random.default_rng(0).uniform(-1, 1, (max(looks), 7)).astype(np.float32)
    commands[:, 6] = np.sign(commands[:, 6])
    seen = published(tmp_path, world.name, task, start, start, np.clip(commands * SCALE / SCALE, -1, 1))
    world.reset(Episode(task, start))
    for step in range(max(looks) + 1):
        if step in looks:
            head, wrist = world.render()
            assert np.array_equal(head.image, seen["head"][step]) and np.array_equal(wrist.image, seen["wrist"][step])
        assert np.array_equal(world._running().call("state"), seen["states"][step])
        assert np.array_equal(world.state()[:3], seen["position"][step].astype(np.float32))
        if step < max(looks):
            world.step(commands[step] * SCALE)
    world.reset(Episode(task, start))
    return seen


SCALE = np.array((0.05,) * 3 + (0.5,) * 3 + (1,), np.float32)


@real
def test_looking_now_and_then_sees_what_rendering_every_step_sees(goal_world, tmp_path):
    seen = check_against_published(goal_world, tmp_path, DRAWER, 3, (0, 2, 4))
    for view in goal_world.render(masks=True, depth=True):
        assert view.camera is not None and view.mask is not None and view.depth is not None and view.camera.T_base_cam is not None
        shown = 0
        for thing in goal_world.now.scene.things.values():
            mask = view.mask == thing.instance
            rows, columns = np.nonzero(mask)
            inside = len(rows) and rows.min() > 0 and rows.max() < 127 and columns.min() > 0 and columns.max() < 127
            if thing.fixture or not inside:
                continue
            pixels, z = project(view.camera.K, se3.apply(se3.invert(view.camera.T_base_cam), seen[f"seen/{thing.name}"]))
            edges = np.array((columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5))
            hidden = len(rows) < 0.95 * _area(pixels)
            if not hidden:
                assert np.abs(edges - np.concatenate((pixels.min(0), pixels.max(0)))).max() <= 0.5 + 1e-6, thing.name  # edges fall on whole pixels
                shown += 1
            points = se3.apply(view.camera.T_base_cam, unproject(view.camera.K, np.stack((columns, rows), -1), view.depth[mask]))
            low, high = seen[f"seen/{thing.name}"].min(0) - 0.002, seen[f"seen/{thing.name}"].max(0) + 0.002
            assert ((points > low) & (points < high)).all(1).mean() > 0.9, thing.name  # but for pixels on the outline
            assert z.min() > 0
        assert shown >= 2


def _area(pixels: np.ndarray) -> float:
    """Pixels inside the outline of projected vertices [N, 2]."""
    from scipy.spatial import ConvexHull

    return float(ConvexHull(pixels).volume)


@real
def test_doctor_knows_how_an_episode_begins(monkeypatch):
    found = {check.name: check for check in libero_checks()}
    assert found["first frame"].status == "ok" and {check.status for check in found.values()} == {"ok", "note"}
    monkeypatch.setattr("praxia.workflows.diagnose.Libero", partial(Libero, orientation="mirrored"))
    turned = next(check for check in libero_checks() if check.name == "first frame")
    assert turned.status == "missing" and re.search(r"head picture 1[0-9]\.\d grey levels", turned.found)


@real
def test_a_moment_is_drawn_later_as_it_was_seen(goal_world):
    goal_world.reset(Episode(STOVE, STARTS + 7))
    kept = []
    for _ in range(2):
        kept.append((goal_world.moment(), goal_world.render(depth=True, masks=True)))
        for _ in range(4):
            goal_world.step(np.array((0.05, 0, -0.02, 0, 0, 0.2, 1.0)))
    goal_world.render()
    for moment, views in kept:
        for then, later in zip(views, goal_world.render_moment(moment, depth=True, masks=True)):
            for name in ("image", "depth", "mask"):
                assert np.array_equal(getattr(then, name), getattr(later, name))
            assert then.camera is not None and later.camera is not None and np.array_equal(then.camera.T_base_cam, later.camera.T_base_cam)
    assert not np.array_equal(kept[0][1][1].image, kept[1][1][1].image)


def test_tasks_that_need_a_door_are_said_to_have_no_expert():
    without = Libero("libero_10").without_expert()
    assert {tasks_of("libero_10").index(task): why for task, why in without.items()} == {9: "no skill for doors"}
    assert not Libero("libero_goal").without_expert()


@real
def test_truth_names_things_apart_and_speaks_of_what_is_asked(goal_world):
    said = goal_world.reset(Episode(DRAWER, 0))
    assert said == "open the top drawer and put the bowl inside"
    truth = goal_world.truth()
    assert truth.target == "wooden cabinet" and truth.extra["of_interest"] == ("akita black bowl", "wooden cabinet")  # shut: it is opened first
    joints = goal_world.now.scene.joints
    assert {name: joint.slides for name, joint in joints.items()} == {
        **{f"wooden_cabinet_1_{level}_level": True for level in ("top", "middle", "bottom")}, "flat_stove_1_button": False,
    }  # fmt: skip
    assert all(goal_world.now.out(name) < 0.07 for name, joint in joints.items() if joint.slides)
    bowl = next(o for o in truth.objects if o.name == "akita black bowl")
    assert bowl.T_base_object[2, 2] > 0.99 and np.allclose(bowl.size, (0.11, 0.11, 0.053), atol=0.005)
    assert len({o.name for o in truth.objects}) == len(truth.objects) == 7
    assert truth.T_base_tool["right"][2, 2] < -0.99  # the hand points down


@real
def test_episodes_follow_from_their_seed_alone(goal_world):
    def start(seed: int) -> tuple[np.ndarray, np.ndarray]:
        goal_world.reset(Episode(STOVE, seed))
        return goal_world._running().call("state"), goal_world.now.thing("flat_stove_1")[:3, 3]

    first, where = start(STARTS + 7)
    joints = goal_world._running().call("now")["joints"]
    start(STARTS + 8)
    assert 0.005 < np.abs(goal_world._running().call("now")["joints"] - joints).max() < 0.15  # the arm's pose is drawn too, as init states have it
    other, _ = start(4)
    again, _ = start(STARTS + 7)
    assert np.abs(first - again).max() < 1e-12 and not np.array_equal(first, other)
    _, elsewhere = start(5)
    assert np.abs(where - elsewhere).max() > 1e-4  # fixtures are drawn with the episode


@real
def test_a_drawer_that_begins_open_does_not_make_an_episode_depend_on_those_before_it():
    with closing(Libero("libero_spatial", (IN_DRAWER,))) as world:  # LIBERO keeps one sampler more for every reset

        def start(seed: int) -> tuple[np.ndarray, np.ndarray]:
            world.reset(Episode(IN_DRAWER, seed))
            return world._running().call("state"), world.now.thing("flat_stove_1")

        first, other, again = (start(seed) for seed in (0, 1, 0))
        assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1]) and not np.array_equal(first[1], other[1])


def test_fixtures_follow_the_episode_or_are_always_the_same():
    asked: list[tuple[int, int]] = []
    called = SimpleNamespace(ended=False, call=lambda name, **said: asked.append((said["seed"], said["start"])))
    for fixtures in ("episode", "fixed"):
        world = Libero("libero_goal", (STOVE,), fixtures=fixtures)
        world._process = cast(Process, called)
        for seed in (7, STARTS + 10):
            world._reset(Episode(STOVE, seed), [], 0)
    assert asked == [(7, 7), (STARTS + 10, -1), (0, 7), (STARTS + 10, -1)]


@real
def test_mirrored_pictures_have_no_calibration(goal_world):
    goal_world.reset(Episode(STOVE, 0))
    true = goal_world.render(("head",), masks=True)[0]
    mirrored = Libero("libero_goal", (STOVE,), orientation="mirrored")
    mirrored._process, mirrored._now = goal_world._process, goal_world._now  # the same moment
    view = mirrored.render(("head",), masks=True)[0]
    assert np.array_equal(view.image, true.image[:, ::-1]) and np.array_equal(view.mask, true.mask[:, ::-1])
    assert view.camera is None and mirrored.cameras[0].mirrored and not mirrored.cameras[0].calibrated


@real
def test_a_dead_process_is_said_and_the_next_reset_starts_another(goal_world):
    goal_world.reset(Episode(STOVE, 0))
    with pytest.raises(ConfigError, match="expected 7 finite numbers"):
        goal_world.step(np.full(7, np.nan))
    goal_world._running()._child.kill()
    with pytest.raises(EvaluationError, match=r"died with exit code -9"):
        goal_world.step(np.zeros(7))
    for ask in (lambda: goal_world.step(np.zeros(7)), goal_world.render, goal_world.moment):
        with pytest.raises(ConfigError, match="no episode is running"):
            ask()
    assert goal_world.reset(Episode(STOVE, 0)) == "turn on the stove"


@real
def test_what_fails_in_the_process_is_said_in_a_line_and_leaves_it_usable(goal_world):
    goal_world.reset(Episode(STOVE, 0))
    with pytest.raises(EvaluationError, match=r"asked to reset .*failed: .*no_task.*; fix: praxia doctor --benchmark libero") as said:
        goal_world._running().call("reset", suite="libero_goal", task="no_task", seed=0, start=0, more=[], count=0)
    assert "\n" not in str(said.value) and "Traceback" in str(said.value.__cause__)
    assert goal_world.reset(Episode(STOVE, 0)) == "turn on the stove"


OTHERS = [("libero_spatial", 4, 1), ("libero_object", 0, 2), ("libero_10", 2, 0), ("libero_90", 40, 5)]
CASES = [*((*case, (0, 2)) for case in OTHERS[:2]), *(pytest.param(*case, (0, 8, 16), marks=pytest.mark.slow) for case in OTHERS)]


@real
@pytest.mark.parametrize(("suite", "place", "start", "looks"), CASES)
def test_the_same_in_other_suites(tmp_path, suite, place, start, looks):
    task = tasks_of(suite)[place]
    with closing(Libero(suite, (task,))) as world:
        check_against_published(world, tmp_path, task, start, looks)
