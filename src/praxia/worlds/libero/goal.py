"""Which part of a task's goal is worked on now: the expert, and what is told of the target and of where it goes, follow the same choice.

But for what the expert does on the way to it: see `subgoal`.
"""

from praxia.worlds.libero.scene import Now, Scene

_ORDER = {"open": 1, "turnon": 2, "on": 3, "in": 3, "turnoff": 4, "close": 5}  # a door is opened before something is put behind it

_OPEN, _ENOUGH = 0.9, 0.72  # of the way that a drawer comes out: so far it is pulled; more than that is left as it is


def subgoal(now: Now) -> tuple[str, ...]:
    """The first predicate that does not hold yet, in the order in which a goal is reached; the last one once all hold.

    What nothing is put into is shut first: open it would be in the way. Before something is put into a drawer, that it be open, whether the goal says
    so or not. While the expert sets something aside for that, or lays down what the benchmark calls in already, this does not say so.
    """
    filled = [predicate[2] for predicate in now.scene.goal if predicate[0] == "in"]
    first = [predicate for predicate in now.scene.goal if predicate[0] == "close" and not any(place.startswith(predicate[1]) for place in filled)]
    goal = sorted(zip(now.scene.goal, now.holds), key=lambda pair: 0 if pair[0] in first else _ORDER[pair[0][0]])
    predicate = next((predicate for predicate, holds in goal if not holds), goal[-1][0])
    joint = drawer(now.scene, predicate[2]) if predicate[0] == "in" and not all(now.holds) else None
    if joint:
        pulled = now.scene.parts[now.scene.joints[joint].part].thing in now.touched
        if now.out(joint) < (_OPEN if pulled else _ENOUGH):
            return ("open", predicate[2])
    return predicate


def drawer(scene: Scene, region: str) -> str | None:
    """The joint of the drawer that a region is in; None for any other name."""
    part = scene.regions[region].part if region in scene.regions else -1
    return next((name for name, joint in scene.joints.items() if part >= 0 and joint.part == part and joint.slides), None)
