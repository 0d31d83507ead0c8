"""The 50 Meta-World tasks in words: instruction, difficulty group, what the instruction is about, what stands in the scene.

The package has no instructions and no object names. Tasks are named without the version suffix ("reach", not "reach-v3").
Difficulty groups are those the published MT50 results are reported by.
"""

from dataclasses import dataclass
from typing import Literal

Group = Literal["easy", "medium", "hard", "very_hard"]
GROUPS: tuple[Group, ...] = ("easy", "medium", "hard", "very_hard")


@dataclass(frozen=True)
class Task:
    """One task. `scene`, `target` and `marker` are names inside the package's MuJoCo model of the task."""

    instruction: str
    group: Group
    scene: str  # key of SCENES: what the bodies are called
    target: str = "obj"  # body the instruction is about; "" = the goal marker itself
    marker: str = ""  # site that shows a goal which nothing else in the picture gives away
    marker_colour: str = ""


# Scene -> body -> "colour noun". A body name stands for the rigid piece it belongs to; pieces that are not named are background.
_WALL = {"wall": "brown wall"}
_PUCK = {"obj": "red puck"}
_BUTTON = {"box": "yellow button box", "button": "red button"}
SCENES: dict[str, dict[str, str]] = {
    "assembly": {"RoundNut": "green nut", "peg": "red peg"},
    "basketball": {"bsktball": "orange ball", "basket_goal": "white basket"},
    "bins": {"obj": "green block", "bin_start": "red bin", "bin_goal": "blue bin"},
    "box": {"boxbody": "brown box", "boxbodytop": "brown lid"},
    "button": _BUTTON,
    "button_wall": _BUTTON | _WALL,
    "coffee": {"obj": "white mug", "coffee_machine": "brown coffee machine", "cmbutton": "grey button"},
    "dial": {"dial": "black dial"},
    "door": {"door": "black safe", "door_link": "black door"},
    "door_lock": {"door": "black safe", "lock_link": "grey lock"},
    "drawer": {"drawer": "green cabinet", "drawer_link": "green drawer"},
    "faucet": {"faucetBase": "grey faucet", "faucet_link2": "red faucet handle"},
    "hammer": {"hammerbody": "red hammer", "box": "brown box", "nail_link": "grey nail"},
    "handle": {"box": "grey handle box", "handle_link": "red handle"},
    "lever": {"lever": "grey lever stand", "lever_link1": "blue lever"},
    "peg_insert": {"peg": "green peg", "box": "red box"},
    "peg_unplug": {"plug1": "grey plug", "box": "white socket"},
    "puck": _PUCK,
    "puck_wall": _PUCK | _WALL,
    "block": {"obj": "brown block"},
    "plate": {"puck_channel": "black plate", "puck_goal": "red cabinet"},
    "shelf": {"obj": "blue block", "shelf": "brown shelf"},
    "soccer": {"soccer_ball": "white ball", "goal_whole": "blue goal"},
    "stick": {"stick": "blue stick", "object": "green bottle"},
    "window": {"window": "brown window frame", "windowb_a": "brown window"},
}

TASKS: dict[str, Task] = {
    "assembly": Task("put the nut over the peg", "hard", "assembly", "RoundNut"),
    "basketball": Task("drop the ball through the basket", "medium", "basketball", "bsktball"),
    "bin-picking": Task("move the block from the red bin to the blue bin", "medium", "bins"),
    "box-close": Task("put the lid on the box", "medium", "box", "boxbodytop"),
    "button-press": Task("press the button on the side of the box", "easy", "button", "button"),
    "button-press-topdown": Task("press the button on top of the box", "easy", "button", "button"),
    "button-press-topdown-wall": Task("reach over the wall and press the button on top of the box", "easy", "button_wall", "button"),
    "button-press-wall": Task("reach around the wall and press the button on the side of the box", "easy", "button_wall", "button"),
    "coffee-button": Task("press the button of the coffee machine", "easy", "coffee", "cmbutton"),
    "coffee-pull": Task("pull the mug away from the coffee machine to the green dot", "medium", "coffee", "obj", "mug_goal", "green"),
    "coffee-push": Task("push the mug under the coffee machine", "medium", "coffee"),
    "dial-turn": Task("turn the dial half way around", "easy", "dial", "dial"),
    "disassemble": Task("lift the nut off the peg", "very_hard", "assembly", "RoundNut"),
    "door-close": Task("close the door of the safe", "easy", "door", "door_link"),
    "door-lock": Task("turn the lock of the safe to lock it", "easy", "door_lock", "lock_link"),
    "door-open": Task("open the door of the safe", "easy", "door", "door_link"),
    "door-unlock": Task("turn the lock of the safe to unlock it", "easy", "door_lock", "lock_link"),
    "drawer-close": Task("close the drawer", "easy", "drawer", "drawer_link"),
    "drawer-open": Task("open the drawer", "easy", "drawer", "drawer_link"),
    "faucet-close": Task("turn the faucet handle to close it", "easy", "faucet", "faucet_link2"),
    "faucet-open": Task("turn the faucet handle to open it", "easy", "faucet", "faucet_link2"),
    "hammer": Task("drive the nail into the box with the hammer", "medium", "hammer", "hammerbody"),
    "hand-insert": Task("put the block into the hole", "hard", "block"),
    "handle-press": Task("press down the handle in front of the gripper", "easy", "handle", "handle_link"),
    "handle-press-side": Task("press down the handle beside the gripper", "easy", "handle", "handle_link"),
    "handle-pull": Task("pull up the handle in front of the gripper", "easy", "handle", "handle_link"),
    "handle-pull-side": Task("pull up the handle beside the gripper", "easy", "handle", "handle_link"),
    "lever-pull": Task("pull the lever up", "easy", "lever", "lever_link1"),
    "peg-insert-side": Task("insert the peg into the side of the box", "medium", "peg_insert", "peg"),
    "peg-unplug-side": Task("pull the plug out of the socket", "easy", "peg_unplug", "plug1"),
    "pick-out-of-hole": Task("lift the puck out of the hole to the blue ball", "hard", "puck", "obj", "goal", "blue"),
    "pick-place": Task("pick up the puck and bring it to the blue ball", "hard", "puck", "obj", "goal", "blue"),
    "pick-place-wall": Task("pick up the puck and bring it over the wall to the blue ball", "very_hard", "puck_wall", "obj", "goal", "blue"),
    "plate-slide": Task("slide the plate forward into the cabinet", "easy", "plate", "puck_channel"),
    "plate-slide-back": Task("slide the plate back out of the cabinet to the red ball", "easy", "plate", "puck_channel", "goal", "red"),
    "plate-slide-back-side": Task("slide the plate sideways out of the cabinet to the red ball", "easy", "plate", "puck_channel", "goal", "red"),
    "plate-slide-side": Task("slide the plate sideways into the cabinet", "easy", "plate", "puck_channel"),
    "push": Task("push the puck to the green ball", "hard", "puck", "obj", "goal", "green"),
    "push-back": Task("push the block back to the green ball", "hard", "block", "obj", "goal", "green"),
    "push-wall": Task("push the puck around the wall to the green ball", "medium", "puck_wall", "obj", "goal", "green"),
    "reach": Task("move the gripper to the red ball", "easy", "puck", "", "goal", "red"),
    "reach-wall": Task("move the gripper over the wall to the red ball", "easy", "puck_wall", "", "goal", "red"),
    "shelf-place": Task("put the block on the shelf", "very_hard", "shelf"),
    "soccer": Task("push the ball into the goal", "medium", "soccer", "soccer_ball"),
    "stick-pull": Task("pull the bottle with the stick to the green ball", "very_hard", "stick", "stick", "goal", "green"),
    "stick-push": Task("push the bottle with the stick to the green ball", "very_hard", "stick", "stick", "goal", "green"),
    "sweep": Task("sweep the block off the table", "medium", "block"),
    "sweep-into": Task("sweep the block into the hole", "medium", "block"),
    "window-close": Task("close the window", "easy", "window", "windowb_a"),
    "window-open": Task("open the window", "easy", "window", "windowb_a"),
}

MT10: tuple[str, ...] = (
    "reach",
    "push",
    "pick-place",
    "door-open",
    "drawer-open",
    "drawer-close",
    "button-press-topdown",
    "peg-insert-side",
    "window-open",
    "window-close",
)
EIGHT: tuple[str, ...] = ("reach", "push", "pick-place", "drawer-open", "drawer-close", "door-open", "button-press-topdown", "window-open")


def tasks_of(group: Group) -> tuple[str, ...]:
    """Names of the tasks of one difficulty group."""
    return tuple(name for name, task in TASKS.items() if task.group == group)
