"""Perturbations of the real LIBERO: the vocabulary of the other worlds, what they change and nothing else. Slow tests look at every category."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest

from praxia.errors import ConfigError, EvaluationError
from praxia.geometry import se3
from praxia.geometry.scene import View
from praxia.worlds.libero import SUITES, Libero, installed, tasks_of
from praxia.worlds.libero.arrange import MORE, company, displaced, spots
from praxia.worlds.libero.perturb import TABLE, _mixed, _start, more_objects
from praxia.worlds.libero.rewording import clauses, reworded, unnamed
from praxia.worlds.libero.scene import Now, Part, Scene, Thing
from praxia.worlds.libero.server.changes import field
from praxia.worlds.libero.server.files import with_more
from praxia.worlds.libero.tasks import instruction
from praxia.worlds.perturbations import CATEGORIES, LEVELS, STRENGTHS, Perturbation, draw
from praxia.worlds.world import Episode

real = pytest.mark.skipif(not installed(), reason="LIBERO is not installed here: scripts/oracles libero")
SOUP, BOWL = tasks_of("libero_object")[0], tasks_of("libero_spatial")[1]
KITCHEN = "KITCHEN_SCENE3_turn_on_the_stove_and_put_the_moka_pot_on_it"


def drawn(task: str, seed: int, name: str) -> Perturbation:
    found = draw(Episode(task, seed, name), TABLE, "LIBERO")
    assert found is not None
    return found


def of_kind(task: str, category: str, kind: str) -> int:
    """The first init state whose episode shows this kind of the category."""
    return next(seed for seed in range(50) if drawn(task, seed, f"{category}:1").kind.name == kind)


# --- words and plans of the scene, without LIBERO ---------------------------------------------------------------------------------------


def test_the_vocabulary_is_that_of_the_other_worlds():
    assert tuple(TABLE) == CATEGORIES
    shared = {category: {kind.name for kind in kinds} for category, kinds in STRENGTHS.items()}
    shared["noise"] -= {"grain"}  # LIBERO-Plus's five families have none
    assert {category: {kind.name for kind in kinds} for category, kinds in TABLE.items()} == shared
    assert all(len(kind.strengths) == (10 if category == "noise" else 5) for category, kinds in TABLE.items() for kind in kinds)
    assert all((np.diff(kind.strengths) > 0).all() for kinds in TABLE.values() for kind in kinds)
    with pytest.raises(ConfigError, match="unknown LIBERO perturbation 'camra:3'.*camera:3"):
        Libero().reset(Episode(SOUP, 0, "camra:3"))


def test_noise_has_ten_severities_of_which_an_episode_keeps_the_weaker_or_the_stronger_of_each_level():
    met = set()
    for seed in range(200):
        rising = [drawn(SOUP, seed, f"noise:{level}") for level in LEVELS]
        places = [found.kind.strengths.index(found.strength) for found in rising]
        assert places in ([0, 2, 4, 6, 8], [1, 3, 5, 7, 9])
        met |= {(rising[0].kind.name, places[0])}
    assert len(met) == 10


def test_all_130_instructions_are_said_otherwise_and_keep_what_they_are_about():
    scene = scene_of(("basket_1", "basket", (0.3, 0.3)), ("soup_can_1", "soup_can", (0, 0)))
    for task in (task for tasks in SUITES.values() for task in tasks):
        said = instruction(task)
        asked = clauses(said)
        rebuilt = {word for clause in asked for word in f"{clause.x} {clause.where}".split()}
        assert len(asked) == 1 + len(re.findall(r" and (?=put the|put both|close|place them|open)", said.replace("and put it", ""))), said
        versions = [reworded(said, drawn(task, 3, f"language:{level}"), scene.scene) for level in LEVELS]
        assert len({said, *versions}) == 6
        for version in versions:
            assert rebuilt - {"it", "them", "both"} <= set(re.findall(r"[\w']+", version)), (said, version)


def test_the_last_step_names_what_nobody_asks_for():
    things = (("basket_1", "basket", (0.3, 0.3)), ("milk_1", "milk", (0, 0)), ("bbq_sauce_1", "bbq_sauce", (0.1, 0.2)))
    scene = scene_of(*things, asked=("milk_1",)).scene
    said = "pick up the milk and place it in the basket"
    assert unnamed(said, scene) == ("bbq sauce",)
    assert all("bbq sauce" in reworded(said, drawn(SOUP, seed, "language:5"), scene) for seed in range(5))
    pan = scene_of(*things, ("chefmate_8_frypan_1", "chefmate_8_frypan", (0.1, 0.2)), asked=("milk_1", "bbq_sauce_1")).scene
    assert unnamed("pick up the bbq sauce and place it in the basket", pan)[-1] == "frying pan"


def test_an_instruction_of_another_form_is_refused():
    with pytest.raises(ConfigError, match="'juggle the plates': no wording"):
        clauses("juggle the plates")


def scene_of(*things: tuple[str, str, tuple[float, float]], placed=(), asked=(), fixtures=(), added=()) -> Now:
    """Boxes of 6 x 6 x 8 cm, standing at (x, y)."""
    half = np.array((0.03, 0.03, 0.04))
    corners = np.array([[x, y, z] for y in (-1, 1) for x in (-1, 1) for z in (-1, 1)]) * half
    parts = tuple(Part(name, (corners,), np.stack((-half, half)), True) for name, *_ in things)
    known = {n: Thing(n, kind, kind.replace("_", " "), n in fixtures, i + 2, (i,)) for i, (n, kind, _) in enumerate(things)}
    scene = Scene(known, parts, {}, {}, (), tuple(asked) or (things[0][0],), tuple(placed), "table", 0.9, tuple(added))
    poses = np.stack([se3.pose(np.eye(3), np.array((*at, 0.94))) for *_, at in things])
    tool, none = se3.pose(np.eye(3), np.array((0, 0, 1.2))), np.zeros(2)
    return Now(scene, (), False, np.zeros(8, np.float32), tool, none, none, poses, np.zeros((0, 4, 4)), ())


def test_what_the_instruction_describes_the_target_by_moves_along():
    bowls = (("bowl_1", "black_bowl", (0, 0)), ("bowl_2", "black_bowl", (0.2, 0)), ("ramekin_1", "porcelain_ramekin", (0, 0.1)))
    plate, box, stove = ("plate_1", "plate", (0, 0.3)), ("cookies_1", "cookies", (0, -0.2)), ("stove_1", "flat_stove", (-0.3, 0))
    things, asked = (*bowls, plate, box, stove), ("bowl_1", "plate_1")

    def moved(where: str, *placed: tuple[str, ...]) -> set[str]:
        scene = scene_of(*things, asked=asked, fixtures=("stove_1",), placed=placed).scene
        return set(company(scene, f"pick up the black bowl {where} and place it on the plate"))

    assert moved("next to the ramekin") == {"bowl_1", "ramekin_1"}
    assert moved("between the plate and the ramekin") == {"bowl_1", "ramekin_1", "plate_1"}
    assert moved("on the cookie box", ("on", "bowl_1", "cookies_1")) == {"bowl_1", "cookies_1"}
    assert moved("from table center", ("on", "bowl_2", "bowl_1")) == {"bowl_1", "bowl_2"}, "what stands on it too"
    assert moved("on the stove", ("on", "bowl_1", "stove_1_cook_region")) == {"plate_1"}, "a stove stays, so where it is brought to moves"


def test_a_target_goes_as_far_as_the_table_says_to_one_side_where_there_is_room():
    now = scene_of(("milk_1", "milk", (0, 0)), ("box_1", "box", (0.09, 0.0)), ("can_1", "can", (0.0, 0.12)))
    kind = next(kind for kind in TABLE["layout"] if kind.name == "displaced")
    for seed in range(8):
        steps = []
        for level in LEVELS:
            ((name, pose),) = displaced(now, Perturbation("layout", level, kind, (seed,)), "put the milk in the can").items()
            steps.append(pose[:2])
            assert name == "milk_1" and np.linalg.norm(pose[:2]) == pytest.approx(kind.strengths[level - 1]) and pose[2] == pytest.approx(0.94)
            assert all(np.abs(pose[:2] - other).max() > 0.06 + 0.015 for other in ((0.09, 0.0), (0.0, 0.12)))
        assert steps[0] @ steps[4] == pytest.approx(np.linalg.norm(steps[0]) * np.linalg.norm(steps[4])), "the same way at every level"


def test_more_objects_come_one_by_one_and_stand_free_of_all_others():
    things = [(f"{kind}_1", kind, (9.0, 9.0)) for kind in tuple(MORE)[:5]]
    old = (("plate_1", "plate", (0, 0)), ("box_1", "box", (0.15, 0.15)))
    before: dict[str, np.ndarray] = {}
    for count in LEVELS:
        now = scene_of(*old, *things[:count], added=tuple(n for n, *_ in things[:count]))
        placed = spots(now, np.random.default_rng(4))
        assert list(placed) == [n for n, *_ in things[:count]] and all(np.array_equal(before[n], placed[n]) for n in before)
        before = placed
    where = [pose[:2] for pose in before.values()]
    for i, xy in enumerate(where):
        others = [np.array((0.15, 0.15)), *where[:i]]
        assert min(np.linalg.norm(xy - other) for other in others) > 0.03 + 0.03 + 0.02 and np.linalg.norm(xy) > 0.03 + 0.03 + 0.07
    assert all(pose[2] - 0.03 >= 0.9 for pose in before.values())  # whatever way they lie


def test_a_task_file_with_more_objects_has_those_that_it_lacks(tmp_path: Path):
    objects = "(:objects\n    milk_1 - milk\n    plate_1 plate_2 - plate\n  )"
    (tmp_path / "task.bddl").write_text(f"(define (problem X)\n  {objects}\n  (:init (On milk_1 plate_1))\n)\n")
    made, names = with_more(tmp_path / "task.bddl", ("milk", "ketchup", "butter", "moka_pot"), 2, tmp_path)
    assert names == ["ketchup_1", "butter_1"]
    block = re.search(r"\(:objects(.*?)\)", made.read_text(), re.S)
    assert block and " ".join(block[1].split()) == "milk_1 - milk plate_1 plate_2 - plate ketchup_1 - ketchup butter_1 - butter"
    assert made.read_text().endswith("(:init (On milk_1 plate_1))\n)\n")
    order, count = more_objects(replace(drawn(SOUP, of_kind(SOUP, "layout", "distractors"), "layout:4")))
    assert sorted(order) == sorted(MORE) and count == 4 and more_objects(None) == ([], 0)


def test_parts_of_a_model_are_read_and_written_by_name():
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><asset><texture name="a" type="2d" builtin="flat" width="4" height="2" rgb1="1 0 0"/>'
        '<texture name="b" type="cube" builtin="flat" width="4" height="4" rgb1="0 1 0" rgb2="0 1 0"/></asset>'
        '<worldbody><camera name="one"/><camera name="two" pos="1 2 3"/></worldbody></mujoco>'
    )
    assert field(model, "cam_pos/two").tolist() == [1, 2, 3]
    field(model, "headlight/ambient")[:] = 0.25
    assert model.vis.headlight.ambient.tolist() == [0.25] * 3
    cube = field(model, "texture/b")
    assert cube.shape == (24, 4, 3) and (cube == (0, 255, 0)).all()
    half = _mixed(cube, np.zeros((128, 128, 3), np.uint8), 0.5)
    cube[:] = half
    assert (field(model, "texture/b") == (0, 128, 0)).all() and (field(model, "texture/a") == (255, 0, 0)).all()


def test_a_cube_has_the_new_texture_on_every_face():
    new = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    mixed = _mixed(np.zeros((96, 16, 3), np.uint8), new, 1.0)
    assert all(np.array_equal(face, new) for face in np.split(mixed, 6))


# --- the real environments ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> Iterator[Libero]:
    world = Libero(("libero_object", "libero_spatial", "libero_10"), (SOUP, BOWL, KITCHEN), size=64)
    yield world
    world.close()


def look(world: Libero, task: str, seed: int, perturbation: str = "") -> SimpleNamespace:
    """What an episode begins with."""
    said = world.reset(Episode(task, seed, perturbation))
    head, wrist = world.render(depth=True, masks=True)
    return SimpleNamespace(said=said, head=head, wrist=wrist, state=world._running().call("state"), now=world.now, truth=world.truth())


def same(a: View, b: View) -> bool:
    return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in ("image", "depth", "mask"))


@real
def test_a_moved_camera_changes_the_base_view_alone_and_is_calibrated(world):
    seed = of_kind(SOUP, "camera", "orbit")
    plain, moved = look(world, SOUP, seed), look(world, SOUP, seed, "camera:3")
    assert np.array_equal(plain.state, moved.state) and plain.said == moved.said and same(plain.wrist, moved.wrist)
    assert not np.array_equal(plain.head.image, moved.head.image)
    here, there = plain.head.camera.T_base_cam, moved.head.camera.T_base_cam
    pivot = here[:3, 3] - here[:3, 2] * here[2, 3] / here[2, 2]
    arm, other = here[:3, 3] - pivot, there[:3, 3] - pivot
    assert abs(np.degrees(np.arctan2(arm[0] * other[1] - arm[1] * other[0], arm[:2] @ other[:2]))) == pytest.approx(45, abs=0.01)
    assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(arm), abs=1e-6)
    rows, columns = np.nonzero(moved.head.mask == moved.now.scene.things["basket_1"].instance)
    depth = moved.head.depth[rows, columns]
    rays = np.linalg.inv(moved.head.camera.K) @ np.stack((columns, rows, np.ones(len(rows))))
    points = se3.apply(there, (rays * depth).T)
    assert len(rows) > 30 and np.abs(np.median(points, axis=0)[:2] - moved.now.thing("basket_1")[:2, 3]).max() < 0.1
    world.step(np.zeros(7, np.float32))
    assert np.array_equal(world.render()[0].camera.T_base_cam, there), "it stays there"


@real
@pytest.mark.slow
@pytest.mark.parametrize("task", [SOUP, BOWL])
@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_changes_what_it_should_and_nothing_else(world, category, task):
    seed = {"camera": 1, "robot": 2}.get(category, 3)
    plain, found, again = look(world, task, seed), look(world, task, seed, f"{category}:5"), look(world, task, seed, f"{category}:5")
    assert np.array_equal(found.state, again.state) and same(found.head, again.head) and same(found.wrist, again.wrist) and found.said == again.said
    after = look(world, task, seed, f"{category}:0")
    assert np.array_equal(plain.state, after.state) and same(plain.head, after.head) and same(plain.wrist, after.wrist), "nothing stays behind"
    assert np.array_equal(plain.state, found.state) == (category not in ("robot", "layout"))
    assert (plain.said == found.said) == (category != "language")
    assert np.array_equal(plain.head.image, found.head.image) == (category == "language")
    assert same(plain.wrist, found.wrist) == (category in ("camera", "noise", "language"))
    if category in ("light", "background", "noise"):
        assert np.array_equal(plain.head.depth, found.head.depth) and np.array_equal(plain.head.mask, found.head.mask)


@real
@pytest.mark.slow
@pytest.mark.parametrize("task", [SOUP, BOWL, KITCHEN])
@pytest.mark.parametrize(("category", "kind", "least"), [("light", "direction", 2.0), ("background", "surroundings", 1.0)])
def test_from_level_to_level_the_picture_is_another(world, category, kind, least, task):
    seed = of_kind(task, category, kind)
    plain = look(world, task, seed).head.image.astype(float)
    changes = [np.abs(look(world, task, seed, f"{category}:{level}").head.image - plain).mean() for level in LEVELS]
    assert changes == sorted(changes) and least < changes[0] < 0.7 * changes[-1]


@real
@pytest.mark.slow
def test_the_arm_starts_off_by_the_norm_the_table_says_and_holds_still(world):
    for task in (SOUP, BOWL):
        for level in (1, 5):
            world.reset(Episode(task, 2))
            joints = world._running().call("settle", steps=0)["joints"]
            plain = {name: world.now.thing(name) for name in world.now.scene.things}
            world.reset(Episode(task, 2, f"robot:{level}"))
            off = world._running().call("settle", steps=0)["joints"] - joints
            assert np.linalg.norm(off) == pytest.approx(0.1 * level, abs=0.02)
            tool = world.now.tool
            for name, T in plain.items():
                assert np.abs(world.now.thing(name) - T).max() < 1e-3, "it touched nothing"
            for _ in range(10):
                world.step(np.array((0, 0, 0, 0, 0, 0, -1), np.float32))
            assert np.abs(world.now.tool[:3, 3] - tool[:3, 3]).max() < 0.01
    assert world.fingerprint()["renderer"], "what draws decides pixels too"


@real
@pytest.mark.slow
@pytest.mark.parametrize("task", [SOUP, BOWL])
def test_layouts_come_to_rest_where_they_were_put(world, task):
    seed = of_kind(task, "layout", "distractors")
    plain, more = look(world, task, seed), look(world, task, seed, "layout:5")
    assert len(more.truth.objects) == len(plain.truth.objects) + 5 and len({o.name for o in more.truth.objects}) == len(more.truth.objects)
    for name in plain.now.scene.things:
        assert np.abs(plain.now.thing(name) - more.now.thing(name)).max() < 2e-3
        assert plain.now.scene.things[name].instance == more.now.scene.things[name].instance
    for name in more.now.scene.added:
        assert more.now.points[name][:, 2].min() == pytest.approx(more.now.scene.height, abs=0.01)
        assert np.abs(more.now.thing(name)[:2, 3]).max() < 0.35
    assert more.truth.target == plain.truth.target

    seed = of_kind(task, "layout", "displaced")
    plain, moved = look(world, task, seed), look(world, task, seed, "layout:5")
    steps = {name: (moved.now.thing(name) - plain.now.thing(name))[:2, 3] for name in plain.now.scene.things}
    far = {name for name, step in steps.items() if np.linalg.norm(step) > 0.01}
    assert far == set(company(plain.now.scene, plain.said))
    assert all(np.linalg.norm(steps[name]) == pytest.approx(0.1, abs=0.01) for name in far)


@real
@pytest.mark.slow
def test_noise_is_of_the_control_step_whenever_one_looks(world):
    seed = of_kind(SOUP, "noise", "fog")
    world.reset(Episode(SOUP, seed))
    clear = world.render()[0].image
    world.reset(Episode(SOUP, seed, "noise:4"))
    first = world.render()[0].image
    for _ in range(3):
        world.step(np.zeros(7, np.float32))
    late = world.render()[0].image
    world.reset(Episode(SOUP, seed, "noise:4"))
    for _ in range(3):
        world.step(np.zeros(7, np.float32))
        eager = world.render()[0].image
    assert np.array_equal(late, eager) and not np.array_equal(late, first) and np.abs(first.astype(int) - clear).mean() > 20


@real
@pytest.mark.slow
@pytest.mark.parametrize("name", ["robot:5", "layout:5", "camera:5"])
@pytest.mark.parametrize("task", [SOUP, BOWL])
def test_experts_still_solve_the_hardest(world, task, name):
    for seed in (0, 1):
        world.reset(Episode(task, seed, name))
        assert any(world.step(world.expert()).success for _ in range(world.max_steps(task))), seed


def test_in_a_full_scene_the_arm_starts_where_it_is_free_at_this_level():
    found = draw(Episode(SOUP, 0, "robot:2"), TABLE, "LIBERO")
    tool = np.eye(4)

    def start(free):
        process = SimpleNamespace(call=lambda name, joints, lowest: np.array(free(len(joints) // 5)).reshape(-1))
        return _start(process, found, SimpleNamespace(tool=tool), np.zeros(7))

    def only(level, way, count):
        table = np.zeros((5, count), bool)
        table[level, way] = True
        return table

    everywhere = start(lambda count: np.ones((5, count), bool))
    here = start(lambda count: only(1, 7, count))
    assert np.linalg.norm(everywhere) == pytest.approx(0.2) == np.linalg.norm(here) and not np.allclose(everywhere, here)
    with pytest.raises(EvaluationError, match="off by 0.2 rad is free.*--levels"):
        start(lambda count: only(3, 7, count))
