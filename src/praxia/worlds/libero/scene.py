"""A LIBERO scene as its process tells it: things, their rigid parts, regions and joints, and where all that is now.

Base frame = the simulator's world: axes parallel to the robot's base, metres. Poses are float64 [4, 4].
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np

from praxia.geometry import se3
from praxia.geometry.scene import ObjectTruth


@dataclass(frozen=True)
class Part:
    """A rigid body of a thing. solid: what collides, one array [N, 3] a convex shape, in the part's axes; seen: box [2, 3] around what is drawn."""

    thing: str
    solid: tuple[np.ndarray, ...]
    seen: np.ndarray
    drawn: bool

    @cached_property
    def points(self) -> np.ndarray:
        """All points of what collides, float64 [N, 3]."""
        return np.concatenate([np.zeros((0, 3)), *self.solid])


@dataclass(frozen=True)
class Thing:
    """An object or a fixture by its name in the task file ("akita_black_bowl_1")."""

    name: str
    category: str
    words: str  # told apart: "akita black bowl", or "akita black bowl 1" where there are several
    fixture: bool
    instance: int
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Region:
    """A box in which, or on which, something is to be; half: half its sides along its own axes."""

    name: str
    parent: str  # the thing it belongs to; "" = the table or floor
    half: np.ndarray
    part: int = -1  # the part that it moves with; -1 = none


@dataclass(frozen=True)
class Joint:
    """A hinge or slide inside a thing: its axis in the axes of the part that it moves."""

    name: str
    part: int
    axis: np.ndarray
    slides: bool
    range: tuple[float, float]  # of its position, metres or radians; drawers are shut at 0


@dataclass(frozen=True)
class Scene:
    """What stays the same during an episode."""

    things: dict[str, Thing]
    parts: tuple[Part, ...]
    regions: dict[str, Region]
    joints: dict[str, Joint]
    goal: tuple[tuple[str, ...], ...]  # predicates, all to hold: ("in", "alphabet_soup_1", "basket_1_contain_region"), ("open", ...), ...
    of_interest: tuple[str, ...]  # as the task file has it, regions among them
    placed: tuple[tuple[str, ...], ...] = ()  # predicates of the start, as in `goal`
    arena: str = ""  # floor, table, kitchen, living_room or study
    height: float = 0.0  # m, of what things stand on
    added: tuple[str, ...] = ()  # things that a perturbation brought

    def resolve(self, name: str) -> str:
        """The thing that a thing's or a region's name speaks of; "" for a region of the table."""
        if name in self.things:
            return name
        found = re.match(r"(.+?_\d+)(?:_|$)", name)
        return found[1] if found and found[1] in self.things else ""

    def interesting(self) -> tuple[Thing, ...]:
        """The task's objects of interest as things: regions stand for what they belong to, the table's are left out."""
        names = dict.fromkeys(self.resolve(name) for name in self.of_interest)
        return tuple(self.things[name] for name in names if name)


@dataclass(frozen=True)
class Now:
    """Where everything is at the time of the last observation."""

    scene: Scene
    holds: tuple[bool, ...]  # each predicate of the goal, like `success`
    success: bool  # the goal holds now (checked after the control step's end)
    state: np.ndarray  # float32 [8]: gripper position, axis-angle, two finger positions, as the benchmark observes them
    tool: np.ndarray  # T_base_tool: origin between the fingertips, z out of the hand, x along which the fingers close
    fingers: np.ndarray  # float64 [2], metres from closed: 0 to 0.04 and 0 to -0.04
    finger_speeds: np.ndarray  # float64 [2], m/s
    poses: np.ndarray  # float64 [parts, 4, 4]
    region_poses: np.ndarray  # float64 [regions, 4, 4]
    touched: tuple[str, ...]  # things that both fingers touch
    joints: tuple[float, ...] = ()  # positions of the scene's joints, metres or radians, at the control step's end

    @property
    def opening(self) -> float:
        """Metres between the fingers."""
        return float(self.fingers[0] - self.fingers[1])

    def thing(self, name: str) -> np.ndarray:
        """T_base_thing: the pose of its root body, whose origin is what the goal's predicates look at."""
        return self.poses[self.scene.things[name].parts[0]]

    def region(self, name: str) -> np.ndarray:
        """T_base_region."""
        return self.region_poses[tuple(self.scene.regions).index(name)]

    def out(self, joint: str) -> float:
        """How far a drawer is open, of how far it can be: 0 to 1."""
        position, end = self.joints[tuple(self.scene.joints).index(joint)], max(self.scene.joints[joint].range, key=abs)
        return float(np.clip(position / end, 0.0, 1.0))

    def shapes(self, part: int) -> list[np.ndarray]:
        """What collides of a part: one array [N, 3] a shape, in the base frame."""
        return [se3.apply(self.poses[part], shape) for shape in self.scene.parts[part].solid]

    @cached_property
    def points(self) -> dict[str, np.ndarray]:
        """Thing -> corners of its collision shapes, float64 [N, 3] in the base frame."""
        placed = [part.points @ T[:3, :3].T + T[:3, 3] for part, T in zip(self.scene.parts, self.poses)]
        return {name: np.concatenate([placed[i] for i in thing.parts]) for name, thing in self.scene.things.items()}

    @cached_property
    def table(self) -> float:
        """Height of what everything stands on."""
        return min(float(self.points[name][:, 2].min()) for name, thing in self.scene.things.items() if not thing.fixture)


def scene_from(told: dict[str, Any]) -> Scene:
    """What the process told at a reset."""
    parts = tuple(
        Part(p["thing"], tuple(np.split(p["solid"], np.cumsum(p["runs"])[:-1])) if len(p["runs"]) else (), p["seen"], p["drawn"])
        for p in told["parts"]
    )
    categories = [t["category"] for t in told["things"]]
    things = {
        t["name"]: Thing(
            t["name"], t["category"], _words(t["name"], t["category"], categories), t["fixture"], t["instance"],
            tuple(i for i, part in enumerate(parts) if part.thing == t["name"]),
        )
        for t in told["things"]
    }  # fmt: skip
    return Scene(
        things,
        parts,
        {r["name"]: Region(r["name"], r["parent"], np.abs(r["half"]), r["part"]) for r in told["regions"]},
        {j["name"]: Joint(j["name"], j["part"], j["axis"], j["slides"], tuple(j["range"])) for j in told["joints"]},
        tuple(tuple(predicate) for predicate in told["goal"]),
        tuple(told["of_interest"]),
        tuple(tuple(predicate) for predicate in told["placed"]),
        told["arena"],
        told["height"],
        tuple(told["added"]),
    )


def now_from(scene: Scene, told: dict[str, Any]) -> Now:
    """What the process tells after a reset and after every step."""
    position, quaternion = told["tool"][:3], told["tool"][3:]
    state = np.concatenate((position, _axis_angle(quaternion), told["fingers"])).astype(np.float32)
    return Now(
        scene, tuple(told["holds"]), told["success"], state, se3.pose(told["tool_axes"].reshape(3, 3), position), told["fingers"],
        told["finger_speeds"],
        se3.from_position_quaternion(told["parts"][:, :3], told["parts"][:, 3:]),
        se3.pose(told["regions"][:, 3:].reshape(-1, 3, 3), told["regions"][:, :3]), tuple(told["touched"]),
        tuple(float(position) for position in told["joint_positions"]),
    )  # fmt: skip


def truths(now: Now, upright: dict[str, np.ndarray]) -> tuple[ObjectTruth, ...]:
    """Every thing with the box around what is drawn of it, drawers and doors where they are; upright: see `upright_axes`."""
    return tuple(_truth(now, thing, upright[name]) for name, thing in now.scene.things.items())


def upright_axes(now: Now) -> dict[str, np.ndarray]:
    """Thing -> rotation [3, 3] from an upright object frame to the root's axes: many meshes have another axis up. Decided at the start."""
    return {name: _upright(now.thing(name)[:3, :3]) for name in now.scene.things}


def _truth(now: Now, thing: Thing, axes: np.ndarray) -> ObjectTruth:
    frame = now.thing(thing.name).copy()
    frame[:3, :3] = frame[:3, :3] @ axes
    corners = [se3.apply(se3.invert(frame) @ now.poses[i], _corners(now.scene.parts[i].seen)) for i in thing.parts if now.scene.parts[i].drawn]
    points = np.concatenate(corners)
    low, high = points.min(0), points.max(0)
    return ObjectTruth(thing.words, thing.category.replace("_", " "), "", frame @ se3.pose(np.eye(3), (low + high) / 2), high - low, thing.instance)


def _corners(box: np.ndarray) -> np.ndarray:
    return np.array([[box[i, 0], box[j, 1], box[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


def _upright(R: np.ndarray) -> np.ndarray:
    """The rotation among the 24 of a cube whose z axis, seen from R, is nearest to up, and whose x axis is then nearest to the root's own."""
    cube = [
        np.eye(3)[:, list(p)] * signs for p in permutations(range(3)) for signs in np.array(np.meshgrid((1, -1), (1, -1), (1, -1))).reshape(3, 8).T
    ]
    proper = [C for C in cube if np.linalg.det(C) > 0]
    return max(proper, key=lambda C: (round(float((R @ C)[2, 2]), 3), C[0, 0], C[1, 1]))


def _words(name: str, category: str, categories: Iterable[str]) -> str:
    plain = category.replace("_", " ")
    return plain if list(categories).count(category) == 1 else f"{plain} {name.rsplit('_', 1)[1]}"


def _axis_angle(wxyz: np.ndarray) -> np.ndarray:
    """As the benchmark's public data has it: the angle is 2 acos(w) in [0, 2 pi], so it does not jump where the hand points straight down."""
    w = float(np.clip(wxyz[0], -1, 1))
    sine = np.sqrt(1 - w * w)
    return np.zeros(3) if sine < 1e-8 else wxyz[1:] * (2 * np.arccos(w) / sine)
