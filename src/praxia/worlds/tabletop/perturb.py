"""What a perturbation changes in tabletop besides the layout: head camera, light, backdrop, start of the arms, instruction."""

from collections.abc import Sequence

import numpy as np

from praxia.errors import EvaluationError
from praxia.worlds.perturbations import Perturbation
from praxia.worlds.perturbations.light import change_light
from praxia.worlds.perturbations.viewpoint import move_camera
from praxia.worlds.perturbations.wording import amid_talk, pick, politely
from praxia.worlds.tabletop.control import ArmControl
from praxia.worlds.tabletop.phrasings import OTHERS, OUTCOMES, PhrasingSplit, say
from praxia.worlds.tabletop.scene import Scene
from praxia.worlds.tabletop.tasks import Plan
from praxia.worlds.tabletop.textures import FOREIGN, mix, paint

WIDER = ("background", "layout")  # categories that need a scene with more in it
_LOOKED_AT = 0.033  # m above the table: middle of what the head camera looks at
_START_X, _START_Z = (0.27, 0.68), (0.125, 0.36)  # m, where a perturbed start may leave the tool: above everything, within reach
_START_Y, _START_Y_OF_TWO = 0.25, 0.11  # m, to either side of where it starts otherwise
_TRIES = 10_000  # directions that are drawn for a start


def perturb_look(scene: Scene, found: Perturbation) -> None:
    """Change what the pictures show; `surroundings.vary` has just written the episode's own look, and will write the next one's."""
    if found.category == "camera":
        m, head, moved = scene.model, scene.ids.heads[0], scene.ids.moved
        m.cam_pos[moved], m.cam_quat[moved], m.cam_fovy[moved] = m.cam_pos[head], m.cam_quat[head], m.cam_fovy[head]
        move_camera(m, moved, found, _LOOKED_AT)
        scene.moved = True
    elif found.category == "light":
        change_light(scene.model, found)
    elif found.category == "background":
        own = scene.split.tables[scene.model.geom_matid[scene.model.geom("table").id]]
        other = FOREIGN[int(found.rng().integers(len(FOREIGN)))]
        scene.show_backdrop(mix(paint(own), paint(other), found.strength), found.kind.name == "table")


def perturb_start(arms: Sequence[ArmControl], starts: Sequence[np.ndarray], found: Perturbation) -> list[np.ndarray]:
    """Joint angles at the start, every arm's off by the strength in a direction that leaves its tool free."""
    rng = found.rng()
    return [_off(arm, start, found.strength, _START_Y if len(arms) == 1 else _START_Y_OF_TWO, rng) for arm, start in zip(arms, starts, strict=True)]


def _off(arm: ArmControl, start: np.ndarray, norm: float, aside: float, rng: np.random.Generator) -> np.ndarray:
    limits, middle = arm.hand.mount.arm.limits, arm.hand.mount.start_y
    for _ in range(_TRIES):
        direction = rng.normal(size=start.shape)
        q = start + norm * direction / np.linalg.norm(direction)
        x, y, z = arm.kinematics.forward(q)[0]
        inside = _START_X[0] < x < _START_X[1] and _START_Z[0] < z < _START_Z[1] and abs(y - middle) < aside
        if inside and (q > limits[:, 0]).all() and (q < limits[:, 1]).all():
            return q
    raise EvaluationError(f"no start {norm:.2f} rad from {np.round(start, 2).tolist()} keeps the tool over the table; take a lower level of `robot`")


def perturb_words(plan: Plan, scene: Scene, found: Perturbation) -> str:
    """The instruction, further from those of training with every level; what it is about keeps its name."""
    rng = found.rng()
    if found.level <= 3:
        frame = {1: lambda text, _: text, 2: politely, 3: amid_talk}[found.level]
        return frame(instruction(plan, scene, "held_out", rng), rng)
    outcome = _outcome(plan, scene, rng)
    if found.level == 4:
        return outcome
    asked = {word for step in plan.steps for words in step.words(scene).values() for word in words.split()}
    others = [thing.name for thing in scene.truths() if thing.colour not in asked]
    return amid_talk(f"{pick(OTHERS, rng).format(other=others[int(rng.integers(len(others)))])} {outcome}" if others else outcome, rng)


def instruction(plan: Plan, scene: Scene, phrasing: PhrasingSplit, rng: np.random.Generator) -> str:
    """The plan in one of the phrasings of a split."""
    if plan.verb:
        return say(plan.verb, phrasing, plan.steps[-1].words(scene), rng)
    said = [say(step.verb, phrasing, step.words(scene), rng) for step in plan.steps]
    return said[0] if len(said) == 1 else say("two_step", phrasing, {"first": said[0], "second": said[1]}, rng)


def _outcome(plan: Plan, scene: Scene, rng: np.random.Generator) -> str:
    """What shall be the case in the end, not what to do."""
    if plan.verb:
        return pick(OUTCOMES[plan.verb], rng).format(**plan.steps[-1].words(scene))
    said = [pick(OUTCOMES[step.verb], rng).format(**step.words(scene)) for step in plan.steps]
    return said[0] if len(said) == 1 else pick(OUTCOMES["two_step"], rng).format(first=said[0], second=said[1])
