"""Tasks by name: what an episode puts on the table and asks for."""

from praxia.worlds.tabletop.tasks.fixtures import draw_drawer, draw_press, draw_two_step
from praxia.worlds.tabletop.tasks.objects import draw_pick_and_place, draw_push, draw_reach, draw_stack
from praxia.worlds.tabletop.tasks.task import Plan, Task
from praxia.worlds.tabletop.tasks.two_hands import draw_hand_over, draw_lift_tray

TASKS: dict[str, Task] = {
    t.name: t
    for t in (
        Task("reach", 50, draw_reach),
        Task("push", 80, draw_push),
        Task("pick_and_place", 80, draw_pick_and_place),
        Task("stack", 80, draw_stack),
        Task("drawer", 60, draw_drawer),
        Task("press", 50, draw_press),
        Task("two_step", 100, draw_two_step),
        Task("lift_tray", 60, draw_lift_tray, arms=2),
        Task("hand_over", 100, draw_hand_over, arms=2),
    )
}

__all__ = ["TASKS", "Plan", "Task"]
