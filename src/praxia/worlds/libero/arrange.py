"""Another layout: where more objects can stand, and how far the target can go, in the scene as it was reset.

Both look from above only: nothing is put where something else stands, hangs or drops. More objects keep away from what is asked for by the width
of an open hand, and from one another.
"""

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from praxia.errors import EvaluationError
from praxia.geometry import se3
from praxia.worlds.libero.experts.grasp import filled
from praxia.worlds.libero.rewording import clauses
from praxia.worlds.libero.scene import Now, Scene
from praxia.worlds.perturbations import Perturbation

_AS_MODELLED, _ON_ITS_FEET = (1.0, 0.0, 0.0, 0.0), (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)  # quaternions w, x, y, z
# Objects that scenes can have more of, and how they stand in the benchmark's own starts, up to a turn about the vertical.
MORE: dict[str, tuple[float, float, float, float]] = {
    **dict.fromkeys(("alphabet_soup", "tomato_sauce", "salad_dressing", "ketchup", "milk", "orange_juice"), _ON_ITS_FEET),
    **dict.fromkeys(("bbq_sauce", "butter", "chocolate_pudding", "cream_cheese"), _AS_MODELLED),
    **dict.fromkeys(("moka_pot", "porcelain_mug", "red_coffee_mug", "white_yellow_mug"), _AS_MODELLED),
}
_WITHIN = np.array([[-0.26, -0.33], [0.20, 0.33]])  # m from the middle of the table or floor: seen by the camera, within reach
_GAP, _HAND = 0.02, 0.07  # m, to anything; to what is asked for
_TRIES, _WAYS = 600, 24
_LIFT = 0.004  # m above what it is put on


def spots(now: Now, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Thing -> position and quaternion [7] for every object that was added, upright, in the order in which they were added."""
    scene, placed = now.scene, {}
    rest = _from_above(now, [name for name in scene.things if name not in scene.added])
    asked = np.concatenate((_from_above(now, [thing.name for thing in scene.interesting()]), _regions(now)))
    for name in scene.added:
        yaw = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi)) * Rotation.from_quat(np.roll(MORE[scene.things[name].category], -1))
        points = _own(now, name) @ yaw.as_matrix().T
        radius = float(np.linalg.norm(points[:, :2], axis=1).max())
        tried = _middle(scene) + rng.uniform(_WITHIN[0], _WITHIN[1], (_TRIES, 2))
        room = np.minimum(KDTree(rest).query(tried)[0] - _GAP, KDTree(asked).query(tried)[0] - _HAND)
        best = int(np.argmax(room > radius)) if (room > radius).any() else int(np.argmax(room))
        placed[name] = np.array([*tried[best], now.scene.height + _LIFT - points[:, 2].min(), *np.roll(yaw.as_quat(), 1)])
        rest = np.concatenate((rest, points[:, :2] + tried[best]))
    return placed


def displaced(now: Now, found: Perturbation, said: str) -> dict[str, np.ndarray]:
    """Thing -> position and quaternion [7] for what is moved aside together, in the first drawn direction with room at every level."""
    names = company(now.scene, said)
    group, rest = _from_above(now, names), KDTree(_from_above(now, [name for name in now.scene.things if name not in names]))
    ways = np.radians(found.rng().uniform(0, 360) + np.arange(_WAYS) * 360 / _WAYS)[found.rng(1).permutation(_WAYS)]
    steps = np.stack((np.cos(ways), np.sin(ways)), axis=1)
    low, high = _middle(now.scene) + _WITHIN
    room = []
    for step in steps:
        there = [group + length * step for length in found.kind.strengths]
        inside = all(((points.mean(0) > low) & (points.mean(0) < high)).all() for points in there)
        room.append(min(float(rest.query(points)[0].min()) for points in there) if inside else -1.0)
    enough = np.array(room) > _GAP
    step = steps[int(np.argmax(enough)) if enough.any() else int(np.argmax(room))] * found.strength
    return {name: np.concatenate(se3.to_position_quaternion(now.thing(name))) + np.array([*step, 0, 0, 0, 0, 0]) for name in names}


def company(scene: Scene, said: str) -> list[str]:
    """What is moved with the target so that the instruction stays true: what it stands on, what stands on it, what it is described by.

    "pick up the black bowl next to the ramekin and place it on the plate": the bowl and the ramekin. Where the target cannot move (a drawer, or
    a bowl in one), the first thing of interest that can; where none can, the first movable thing of the scene.
    """
    support = {placed[1]: scene.resolve(placed[2]) for placed in scene.placed if len(placed) == 3}

    def with_support(name: str) -> list[str]:
        chain = [name]
        while support.get(chain[-1]):
            chain.append(support[chain[-1]])
        return chain

    movable = [thing.name for thing in scene.interesting()] + list(scene.things)
    name = next((n for n in movable if not any(scene.things[m].fixture for m in with_support(n))), None)
    if name is None:
        raise EvaluationError(f"nothing in this scene can be moved aside ({', '.join(scene.things)}); fix: leave the layout out")
    own = scene.things[name].category
    words = {word.rstrip("s") for word in clauses(said)[0].x.split() if word not in own.split("_")} if name == movable[0] else set()
    described = [n for n, thing in scene.things.items() if not thing.fixture and thing.category != own and _noun(thing.category) in words]
    group = [*with_support(name), *described]
    group += [n for n in scene.things if set(with_support(n)) & set(group)]
    return list(dict.fromkeys(group))


def _noun(category: str) -> str:
    """ "glazed_rim_porcelain_ramekin" -> "ramekin", "cookies" -> "cookie"."""
    return category.rsplit("_", 1)[-1].rstrip("s")


def _middle(scene: Scene) -> np.ndarray:
    return np.array([-0.2, 0.0]) if scene.arena == "study" else np.zeros(2)  # the desk is nearer to the robot


def _own(now: Now, name: str) -> np.ndarray:
    """Points [N, 3] of what collides, in the axes of the thing's root."""
    root = se3.invert(now.thing(name))
    thing = now.scene.things[name]
    return np.concatenate([se3.apply(root @ now.poses[i], filled(now.scene.parts[i].solid)) for i in thing.parts if now.scene.parts[i].solid])


def _from_above(now: Now, names: list[str]) -> np.ndarray:
    """Points [N, 2] of things, their boxes filled."""
    return np.concatenate([se3.apply(now.thing(name), _own(now, name))[:, :2] for name in names])


def _regions(now: Now) -> np.ndarray:
    """Corners and middles [N, 2] of the goal's regions on the table itself."""
    regions = [name for predicate in now.scene.goal for name in predicate[1:] if name in now.scene.regions and not now.scene.regions[name].parent]
    grid = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
    return np.concatenate([np.zeros((0, 2)), *(now.region(n)[:2, 3] + grid * now.scene.regions[n].half[:2] for n in regions)])
