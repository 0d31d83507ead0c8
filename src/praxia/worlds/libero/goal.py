"""Which part of a task's goal is worked on now: the expert, and what is told of the target and of where it goes, follow the same choice."""

from praxia.worlds.libero.scene import Now

_ORDER = {"open": 0, "turnon": 1, "on": 2, "in": 2, "turnoff": 3, "close": 4}  # a door is opened before something is put behind it


def subgoal(now: Now) -> tuple[str, ...]:
    """The first predicate that does not hold yet, in the order in which a goal is reached; the last one once all hold."""
    goal = sorted(zip(now.scene.goal, now.holds), key=lambda pair: _ORDER[pair[0][0]])
    return next((predicate for predicate, holds in goal if not holds), goal[-1][0])
