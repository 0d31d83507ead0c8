"""Embodied reasoning: what next for the instruction, what is nearer to the gripper, what would be in the way, is the thing where it must get to."""

from itertools import combinations, permutations

import numpy as np

from praxia.data.supervision.questions.general import NO, YES
from praxia.data.supervision.questions.look import Look, Question, Thing, phrase, shuffled
from praxia.geometry.scene import Contact, ObjectTruth

NEARER = ("which is nearer to the gripper : the {a} or the {b} ?", "is the {a} or the {b} nearer to the gripper ?")
NEXT = ("the task : {instruction} . what next ?", "to {instruction} , what must the gripper do now ?")
MOVE, CARRY = "move to the {target}", "carry it to the {place}"
BLOCK = ("would the {c} be in the way if the {a} moved straight to the {b} ?", "does the {c} stand between the {a} and the {b} ?")
THERE = ("the task : {instruction} . is the {target} there ?", "has the {target} got to where it must be to {instruction} ?")
CLEARLY = 0.04  # metres: difference of two distances
FAR = 0.08  # metres from the tool to a target that it must still get to
RAISED, HELD = 0.03, 0.06  # metres: above what stands lowest; from the tool to what it carries
ON, OFF = 0.03, 0.06  # metres sideways to the goal: there, and clearly not there
RESTS = 0.015  # metres between underside and goal of what has been put down
LOW = 0.01  # metres: what is flatter is in nobody's way


def nearer(look: Look, contacts: tuple[Contact, ...], rng: np.random.Generator) -> Question | None:
    """Of two things by the distance of their centres from the tool, which must be in the picture."""
    tool = _tool(look)
    if tool is None or not look.shows(look.project(tool)[0]):
        return None
    for pair in shuffled(rng, list(combinations(look.named, 2))):
        a, b = shuffled(rng, list(pair))
        gaps = [float(np.linalg.norm(t.centre - tool)) for t in (a, b)]
        if abs(gaps[0] - gaps[1]) >= CLEARLY:
            names = (a.truth.name, b.truth.name)
            text = phrase(rng, NEARER, a=names[0], b=names[1])
            return Question("reasoning", "nearer", text, names[int(np.argmin(gaps))], choices=names, about=np.stack([a.centre, b.centre]))
    return None


def next_step(look: Look, contacts: tuple[Contact, ...], rng: np.random.Generator) -> Question | None:
    """Move to the target while the tool is far from it, carry it to its goal while it is held up; between these it is not asked."""
    sample, tool, target = look.sample, _tool(look), _target(look)
    if tool is None or target is None or not sample.instruction:
        return None
    far = float(np.linalg.norm(target.centre - tool))
    lifted = _bottom(target.truth) - min(map(_bottom, sample.objects))
    text = phrase(rng, NEXT, instruction=sample.instruction)
    if far >= FAR and lifted < RAISED / 2:
        return Question("reasoning", "next", text, MOVE.format(target=target.truth.name), about=np.stack([target.centre, tool]))
    place = _place(look, target)
    if far <= HELD and lifted >= RAISED and place is not None and sample.goal is not None and _aside(target, sample.goal) >= OFF:
        return Question("reasoning", "next", text, CARRY.format(place=place.truth.name), about=np.stack([target.centre, place.centre]))
    return None


def block(look: Look, contacts: tuple[Contact, ...], rng: np.random.Generator) -> Question | None:
    """Whether c stands in the strip that a sweeps when it slides straight to b: yes if their cores meet, no if their outlines cannot."""
    movable = {c.category for c in contacts if c.verb == "grasp"}
    asked = [(a, b, c) for a, b, c in permutations(look.named, 3) if a.truth.category in movable and c.truth.size[2] >= LOW]
    found: dict[str, tuple[Thing, Thing, Thing]] = {}
    for a, b, c in shuffled(rng, asked):
        off, between = _off_way(a.centre[:2], b.centre[:2], c.centre[:2])
        core, outline = (sum(f(t.truth.size[:2]) for t in (a, c)) / 2 for f in (np.min, np.linalg.norm))
        answer = YES if between and off < core else NO if off > outline else ""
        if answer and answer not in found:
            found[answer] = (a, b, c)
        if len(found) == 2:
            break
    if not found:
        return None
    answer = shuffled(rng, sorted(found))[0]
    a, b, c = found[answer]
    text = phrase(rng, BLOCK, a=a.truth.name, b=b.truth.name, c=c.truth.name)
    return Question("reasoning", "block", text, answer, choices=(YES, NO), about=np.stack([a.centre, c.centre]))


def there(look: Look, contacts: tuple[Contact, ...], rng: np.random.Generator) -> Question | None:
    """Whether the target is where it must get to; only of tasks whose goal is another thing's place."""
    sample, target = look.sample, _target(look)
    if target is None or sample.goal is None or not sample.instruction or _place(look, target) is None:
        return None
    aside, above = _aside(target, sample.goal), abs(_bottom(target.truth) - float(sample.goal[2]))
    answer = YES if aside < ON and above < RESTS else NO if aside > OFF else ""
    if not answer:
        return None
    text = phrase(rng, THERE, instruction=sample.instruction, target=target.truth.name)
    return Question("reasoning", "there", text, answer, choices=(YES, NO), about=np.stack([target.centre, sample.goal]))


def _tool(look: Look) -> np.ndarray | None:
    """Of the only arm; with two, which gripper is meant could be doubted."""
    paths = list(look.sample.tool_path.values())
    return paths[0][0, :3, 3] if len(paths) == 1 and len(paths[0]) else None


def _target(look: Look) -> Thing | None:
    return next((t for t in look.named if t.truth.name == look.sample.target), None)


def _place(look: Look, target: Thing) -> Thing | None:
    """The one thing, other than the target, whose middle is the goal."""
    goal = look.sample.goal
    found = [] if goal is None else [t for t in look.named if t.truth.name != target.truth.name and _aside(t, goal) < ON / 2]
    return found[0] if len(found) == 1 else None


def _aside(thing: Thing, goal: np.ndarray) -> float:
    return float(np.linalg.norm(thing.centre[:2] - goal[:2]))


def _bottom(truth: ObjectTruth) -> float:
    """Height of the lowest corner of its box."""
    return float(truth.T_base_object[2, 3] - np.abs(truth.T_base_object[2, :3]) @ truth.size / 2)


def _off_way(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> tuple[float, bool]:
    """Distance of a point from a straight way, and whether it is beside the way rather than before its start or behind its end."""
    way = end - start
    along = float((point - start) @ way / max(float(way @ way), 1e-12))
    return float(np.linalg.norm(point - start - min(max(along, 0.0), 1.0) * way)), 0 < along < 1
