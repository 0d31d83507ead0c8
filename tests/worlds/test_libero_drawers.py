"""Experts at drawers and flat things, in a little world that moves as they command. No LIBERO is needed."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from praxia.geometry import se3
from praxia.worlds.libero.experts import Expert, can, drawers, motion, skills
from praxia.worlds.libero.experts.grasp import filled, free_closing
from praxia.worlds.libero.goal import drawer, subgoal
from praxia.worlds.libero.scene import Joint, Now, Part, Region, Scene, Thing

OUT = np.array((0.0, 1.0, 0.0))  # where the drawer of the little cabinet opens to
FRONT = -0.15  # y of its front when shut
BAR = np.array((0.0, FRONT + 0.03, 1.0))  # middle of its handle when shut
REST = se3.pose(motion.downward(np.array((0.0, 1.0, 0.0))), np.array((-0.2, 0.0, 1.17)))
GRIP = np.array((0.0, 0.0, 0.02))  # from the cup's origin to where it is held
PLATE = np.array((0.04, -0.02, 0.9))


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    """Corners [8, 3] in the order in which the process tells them."""
    return np.array([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for j in (0, 1) for i in (0, 1) for k in (0, 1)], np.float64)


def part(thing: str, *shapes: np.ndarray) -> Part:
    points = np.concatenate(shapes)
    return Part(thing, shapes, np.stack((points.min(0), points.max(0))), True)


def scene(goal: tuple[tuple[str, ...], ...], sign: float = 1.0) -> Scene:
    """A cabinet with one drawer that opens towards +y, a cup, a plate and a spot on the table. sign: which way the drawer's joint is drawn."""
    front, bar = box((-0.1, FRONT - 0.005, 0.96), (0.1, FRONT, 1.04)), box((-0.04, BAR[1] - 0.007, 0.993), (0.04, BAR[1] + 0.007, 1.007))
    floor = box((-0.1, -0.31, 0.96), (0.1, FRONT, 0.965))
    parts = (
        part("cabinet_1", box((-0.11, -0.33, 0.9), (0.11, FRONT - 0.005, 0.955)), box((-0.11, -0.33, 1.045), (0.11, FRONT - 0.005, 1.1))),
        part("cabinet_1", floor, front, bar),
        part("cup_1", box((-0.02, -0.02, 0.0), (0.02, 0.02, 0.05))),
        part("plate_1", box((-0.07, -0.07, 0.0), (0.07, 0.07, 0.019))),
    )
    things = {
        "cabinet_1": Thing("cabinet_1", "cabinet", "cabinet", True, 2, (0, 1)),
        "cup_1": Thing("cup_1", "cup", "cup", False, 3, (2,)),
        "plate_1": Thing("plate_1", "plate", "plate", False, 4, (3,)),
    }
    regions = {
        "cabinet_1_top_region": Region("cabinet_1_top_region", "cabinet_1", np.array((0.09, 0.07, 0.03)), 1),
        "table_spot": Region("table_spot", "", np.array((0.04, 0.04, 0.007))),
    }
    return Scene(
        things, parts, regions, {"slide": Joint("slide", 1, sign * OUT, True, (min(0.0, 0.16 * sign), max(0.0, 0.16 * sign)))}, goal, ("cup_1",)
    )


@dataclass
class Little:
    """What commands do: the hand goes a third of the way, the fingers 1 cm a step; what is held, or pressed on, comes along."""

    scene: Scene
    tool: np.ndarray = field(default_factory=REST.copy)
    opening: float = 0.08
    out: float = 0.0  # of the drawer
    cup: np.ndarray = field(default_factory=lambda: np.array((-0.05, 0.15, 0.9)))
    plate: np.ndarray = field(default_factory=PLATE.copy)

    def now(self) -> Now:
        poses = np.stack([np.eye(4), *(se3.pose(np.eye(3), p) for p in (self.out * OUT, self.cup, self.plate))])
        inside = np.array((0.0, -0.23, 1.0)) + self.out * OUT
        regions = np.stack([se3.pose(np.eye(3), p) for p in (inside, np.array((-0.05, 0.21, 0.9)))])
        is_open, sign = self.out >= 0.14, float(np.sign(sum(self.scene.joints["slide"].range)))
        truth = {
            "open": lambda name: is_open,
            "close": lambda name: self.out <= 0.0,
            "in": lambda name, place: bool((np.abs(self.cup - inside) < 0.07).all()),
            "on": lambda name, place: bool((np.abs(self.plate[:2] - regions[1][:2, 3]) < 0.04).all()),
        }
        holds = tuple(bool(truth[predicate[0]](*predicate[1:])) for predicate in self.scene.goal)
        fingers = np.array((self.opening / 2, -self.opening / 2))
        touched = tuple(name for name, where in (("cabinet_1", BAR + self.out * OUT), ("cup_1", self.cup + GRIP)) if self.held(where))
        return Now(
            self.scene, holds, all(holds), np.zeros(8, np.float32), self.tool, fingers, np.zeros(2), poses, regions, touched, (sign * self.out,),
        )  # fmt: skip

    def held(self, where: np.ndarray) -> bool:
        return self.opening < 0.045 and bool(np.linalg.norm(self.tool[:3, 3] - where) < 0.03)

    def step(self, command: np.ndarray) -> None:
        move, bar = command[:3] / 3, BAR + self.out * OUT
        if self.held(bar) and command[6] > 0:
            self.out = float(np.clip(self.out + move[1], 0.0, 0.16))
            move = move * (0, 1, 0)
        elif self.held(self.cup + GRIP) and command[6] > 0:
            self.cup = self.cup + move
        elif self.opening < 0.01 and self.tool[1, 3] > bar[1] and np.linalg.norm(self.tool[:3, 3] + move - bar) < 0.02:  # pressed from in front
            self.out = float(np.clip(self.out + move[1], 0.0, 0.16))
        on_plate = self.opening < 0.01 and np.linalg.norm(self.tool[:2, 3] - self.plate[:2]) < 0.05 and self.tool[2, 3] < 0.925
        if on_plate:
            self.plate = self.plate + move * (1, 1, 0)
        self.tool = self.tool.copy()
        self.tool[:3, 3] += move
        self.tool[:3, :3] = Rotation.from_rotvec(command[3:6] / 3).as_matrix() @ self.tool[:3, :3]
        self.opening = float(np.clip(self.opening - 0.01 * command[6], 0.0, 0.08))
        if on_plate or self.tool[2, 3] < 0.917:  # a floor under the fingers
            self.tool[2, 3] = max(self.tool[2, 3], 0.915)

    def play(self, steps: int) -> int:
        """Steps until the goal holds, `steps` if it never does."""
        expert = Expert()
        for k in range(steps):
            now = self.now()
            if now.success:
                return k
            self.step(expert(now))
        return steps


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_handle_is_what_stands_out_of_the_fixture_whichever_way_the_joint_is_drawn(sign):
    for out in (0.0, 0.15):
        found = drawers.handle(Little(scene((("open", "cabinet_1_top_region"),), sign), out=out).now(), "slide")
        assert np.allclose(found.middle, BAR + out * OUT) and np.allclose(found.ahead, -OUT)
        assert abs(found.closing[2]) == 1.0  # the bar lies along x: the fingers close over its height


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_drawer_is_opened(sign):
    world = Little(scene((("open", "cabinet_1_top_region"),), sign))
    assert world.play(150) < 150
    assert world.tool[:3, 2] @ -OUT > 0.95  # the fingers point at the front


def test_a_handle_is_approached_from_before_it():
    world, expert = Little(scene((("open", "cabinet_1_top_region"),))), Expert()
    for _ in range(150):
        if world.now().touched:
            break
        world.step(expert(world.now()))
        near = world.tool[1, 3] < BAR[1] + 0.05  # the fingers are on both sides of the bar's height
        assert not near or (abs(world.tool[2, 3] - BAR[2]) < 0.03 and world.tool[:3, 2] @ -OUT > 0.9)
    assert world.now().touched


def test_an_open_drawer_is_pressed_shut():
    world = Little(scene((("close", "cabinet_1_top_region"),)), out=0.15)
    assert world.play(200) < 200
    assert world.opening < 0.01


def test_after_a_drawer_the_hand_goes_back_before_it_goes_up():
    world, expert = Little(scene((("open", "cabinet_1_top_region"),))), Expert()
    assert world.play(150) < 150
    held = world.tool[:3, 3].copy()
    for _ in range(30):
        world.step(expert(world.now()))
        if world.tool[1, 3] - (BAR + world.out * OUT)[1] < 0.05:
            assert abs(world.tool[2, 3] - held[2]) < 0.01
    assert world.opening == pytest.approx(0.08) and world.tool[1, 3] > held[1] + 0.05


def test_something_is_put_into_a_shut_drawer_after_it_was_opened():
    world = Little(scene((("in", "cup_1", "cabinet_1_top_region"),)))
    assert subgoal(world.now()) == ("open", "cabinet_1_top_region")
    assert drawer(world.scene, "cabinet_1_top_region") == "slide" and drawer(world.scene, "table_spot") is None
    assert world.play(600) < 600
    assert world.out >= 0.14


@pytest.mark.parametrize(("out", "pulled", "wanted"), [(0.10, False, "open"), (0.13, False, "in"), (0.13, True, "open"), (0.155, True, "in")])
def test_a_drawer_that_was_pushed_in_a_little_is_left_but_one_in_hand_is_pulled_to_the_end(out, pulled, wanted):
    world = Little(scene((("in", "cup_1", "cabinet_1_top_region"),)), out=out)
    if pulled:
        world.tool, world.opening = se3.pose(REST[:3, :3], BAR + out * OUT), 0.014
    assert ("cabinet_1" in world.now().touched) is pulled and subgoal(world.now())[0] == wanted


@pytest.mark.parametrize(
    ("other", "first"), [(("on", "plate_1", "table_spot"), "close"), (("in", "cup_1", "cabinet_1_top_region"), "in"), (("open", "shelf_1"), "close")]
)
def test_a_drawer_is_shut_first_unless_something_is_put_into_it(other, first):
    now = Little(scene((("close", "cabinet_1_top_region"),)), out=0.155).now()
    both = replace(now, scene=scene((other, ("close", "cabinet_1_top_region"))), holds=(False, False))
    assert subgoal(both)[0] == first


def test_what_is_called_in_while_it_is_above_the_drawer_is_laid_down_before_it_is_let_go():
    world, expert = Little(scene((("in", "cup_1", "cabinet_1_top_region"),)), out=0.155), Expert()
    heights = []
    for _ in range(400):
        now, before = world.now(), world.opening
        world.step(expert(now))
        if now.success and before < 0.045 <= world.opening:
            heights.append(float(world.cup[2]))
    assert heights and heights[-1] < 0.97 + 0.03  # the floor of what the region is


def test_what_stands_where_the_drawer_comes_out_is_set_aside_first():
    world = Little(scene((("in", "cup_1", "cabinet_1_top_region"),)), cup=np.array((0.05, 0.08, 0.9)))
    expert, way = Expert(), drawers.way(world.now(), "slide")
    assert way[0, 1] < FRONT and way[1, 1] > BAR[1] + 0.16 + 0.1
    for _ in range(300):
        if world.out > 0.0:
            break
        world.step(expert(world.now()))
    apart = np.linalg.norm(world.cup[:2] - np.clip(world.cup[:2], *way))
    assert world.out > 0.0 and apart > 0.02 and world.cup[2] == pytest.approx(0.9, abs=0.01)
    assert np.linalg.norm(world.cup[:2] - world.plate[:2]) > 0.08


def test_what_is_flat_and_wide_is_pushed_over_the_table():
    world = Little(scene((("on", "plate_1", "table_spot"),)))
    assert skills.flat(world.now(), "plate_1") and not skills.flat(world.now(), "cup_1")
    assert world.play(250) < 250
    assert np.linalg.norm(world.tool[:2, 3] - world.plate[:2]) < 0.05  # pressed on its middle


@pytest.mark.parametrize("closing", [1.0, -1.0])
def test_of_two_ways_to_close_over_a_bar_the_hand_takes_the_one_that_turns_it_less(closing):
    R = motion.pointing(REST, -OUT, np.array((0.0, 0.0, closing)))
    assert np.allclose(R[:, 2], -OUT) and np.linalg.det(R) == pytest.approx(1.0) and abs(R[2, 0]) == 1.0
    assert motion.angle_between(REST, R) == pytest.approx(np.pi / 2)  # the other one is half a turn


@pytest.mark.parametrize("about", [1.0, -1.0])
def test_a_knob_is_turned_though_the_fingers_do_not_feel_it_all_the_time(about):
    knob = part("stove_1", box((-0.035, -0.012, 0.0), (0.035, 0.012, 0.04)))
    known = Scene(
        {"stove_1": Thing("stove_1", "stove", "stove", True, 2, (0, 1)), "cup_1": Thing("cup_1", "cup", "cup", False, 3, (2,))},
        (part("stove_1", box((0.05, -0.1, 0.0), (0.2, 0.1, 0.02))), knob, part("cup_1", box((-0.02, -0.02, 0.0), (0.02, 0.02, 0.05)))),
        {}, {"button": Joint("button", 1, np.array((0.0, 0.0, about)), False, (0.0, 2.0))}, (("turnon", "stove_1"),), ("stove_1",),
    )  # fmt: skip
    stands, tool, opening, angle, expert = np.array((-0.3, 0.2, 0.9)), REST.copy(), 0.08, 0.0, Expert()
    for k in range(150):
        around = opening < 0.03 and np.linalg.norm(tool[:3, 3] - stands - (0, 0, 0.02)) < 0.025
        R = Rotation.from_rotvec((0, 0, about * angle)).as_matrix()
        poses = np.stack([se3.pose(np.eye(3), stands), se3.pose(R, stands), se3.pose(np.eye(3), np.array((0.1, -0.2, 0.9)))])
        fingers, touched = np.array((opening / 2, -opening / 2)), ("stove_1",) if around and k % 8 == 0 else ()
        now = Now(
            known, (angle > 0.9,), angle > 0.9, np.zeros(8, np.float32), tool, fingers, np.zeros(2), poses, np.zeros((0, 4, 4)), touched, (angle,)
        )
        if now.success:
            break
        command = expert(now)
        tool = tool.copy()
        tool[:3, 3] += command[:3] / 3
        tool[:3, :3] = Rotation.from_rotvec(command[3:6] / 3).as_matrix() @ tool[:3, :3]
        lead = about * float(np.arctan2(-tool[0, 0], tool[1, 0])) - angle  # of the hand, which took hold along y; the knob has some play
        angle += float(np.clip(abs(lead) - 0.15, 0.0, None) * np.sign(lead)) if around else 0.0
        opening = float(np.clip(opening - 0.01 * command[6], 0.026 if around else 0.0, 0.08))
    assert angle > 0.9


def test_what_stands_or_has_no_solid_of_its_own_is_not_flat():
    now = Little(scene((("on", "plate_1", "table_spot"),))).now()
    upright = now.poses.copy()
    upright[3, :3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    assert not skills.flat(replace(now, poses=upright), "plate_1")
    things = now.scene.things | {"bottle_1": Thing("bottle_1", "bottle", "bottle", False, 5, (4, 5))}
    parts = (*now.scene.parts, Part("bottle_1", (), np.zeros((2, 3)), False), part("bottle_1", box((-0.02, -0.02, 0.0), (0.02, 0.02, 0.2))))
    poses = np.concatenate([now.poses, np.stack([np.eye(4)] * 2)])
    assert not skills.flat(replace(now, scene=replace(now.scene, things=things, parts=parts), poses=poses), "bottle_1")


def test_what_is_in_the_drawer_already_is_not_set_aside():
    world = Little(scene((("open", "cabinet_1_top_region"), ("in", "cup_1", "cabinet_1_top_region"))), out=0.13)
    world.cup = np.array((0.0, -0.23, 0.97)) + world.out * OUT
    assert world.now().holds == (False, True)
    assert world.play(200) < 200


def test_the_hand_turns_as_little_as_its_palm_needs():
    wall = filled([box((0.05, -0.3, 0.9), (0.07, 0.3, 1.1))])  # beside the place, along y
    along_x = se3.pose(motion.downward(np.array((1.0, 0.0, 0.0))), np.array((0.0, 0.0, 1.2)))
    place = np.array((0.0, 0.0, 0.91))
    assert np.allclose(free_closing(place, np.zeros(3), np.zeros((0, 3)), along_x), along_x[:3, 0])
    closing = free_closing(place, np.zeros(3), wall, along_x)
    assert abs(closing[1]) == pytest.approx(1.0)  # 15 degrees less, and the palm's end would be 5.7 cm aside
    held = free_closing(place, np.array((0.0, 0.03, 0.0)), wall, along_x)  # as it turns about what it holds it goes to the other side
    assert np.allclose(held[:2], (np.cos(np.radians(75)), np.sin(np.radians(75))))


def test_a_door_has_no_skill():
    known = scene((("open", "cabinet_1_top_region"),))
    assert can(known)
    assert not can(scene((("open", "cabinet_1"),)))
