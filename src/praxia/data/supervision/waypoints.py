"""waypoints: where the gripper of every arm will be, in every view, as place and pose in the camera frame (Pose-VLA stage 1b)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.places import place_targets, task_places
from praxia.data.supervision.pose_text import END, Sections, check_most_tokens, pixel_quantity
from praxia.data.supervision.supervision import Example, Needs, picture_size
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.rotations import matrix_to_euler
from praxia.geometry.scene import View
from praxia.geometry.se3 import invert
from praxia.registry import register
from praxia.tokens.pose_grammar import MOST_TOKENS, WAYPOINT
from praxia.tokens.quantity import quantity


@register("supervision/waypoints")
@dataclass(frozen=True)
class Waypoints:
    """Prompt: the instruction. Target: one section a view; for every arm it lists `count` poses, `every` steps apart, the first being now.

    A waypoint: `{arm} {i}`, place (projected origin, clipped to the border), translation, rotation, and a semicolon; left before right.
    A wrist view lists its own arm and no other; any other view lists the arms whose first waypoint it shows. Behind the episode's end the last
    pose is repeated. Behind the camera (z <= 0) the pose stays and the place is the border on its side.

    frame: of translation and rotation, `camera` as published or the robot's `base`. grip: metres from the recorded tool frame to the point
    between the fingers, along the tool's z. delimiters: whether sections stand between <imageK> and </imageK>.
    positions: views in whose frames the register tokens also learn where tool, target and goal are (`supervision.places`), 0 = none.
    most_tokens: of an answer with its prompt; the last waypoints of the fullest view are left out of one that is longer. Two arms in three views
    say 20 waypoints, about 250 tokens.
    """

    count: int = 5
    every: int = 10
    frame: Literal["camera", "base"] = "camera"
    grip: float = 0.0
    delimiters: bool = True
    positions: int = 0
    most_tokens: int = MOST_TOKENS
    name: str = "waypoints"

    def __post_init__(self) -> None:
        for field in ("count", "every"):
            if getattr(self, field) < 1:
                raise ConfigError(f"Waypoints.{field} is {getattr(self, field)}; expected at least 1")
        if self.positions < 0:
            raise ConfigError(f"Waypoints.positions is {self.positions}; expected a number of views, 0 for none")
        check_most_tokens("Waypoints", self.most_tokens)

    @property
    def needs(self) -> Needs:
        """The tool's path; no actions."""
        return Needs(tool_path=True, objects=self.positions > 0, tool_steps=self.every * (self.count - 1) + 1)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no calibrated view shows an arm."""
        sections, shown = Sections(self.delimiters), 0
        for view in sample.views:
            said: list = []
            for arm in sorted(sample.tool_path):
                if (poses := self.seen(sample.tool_path[arm], arm, view, sample)) is not None:
                    shown += 1
                    pixels, T = poses
                    for i in range(self.count):
                        said += [f" {called(arm)} {i}", pixel_quantity(pixels[i : i + 1], picture_size(view))]
                        said += [quantity("translation", T[i, :3, 3]), quantity("rotation", matrix_to_euler(T[i, :3, :3])), END]
            sections.add(said)
        taught = place_targets(sample, task_places(sample), self.positions) if self.positions else {}
        return Example(sample, sample.instruction, sections.parts(), taught, most_tokens=self.most_tokens) if shown else None

    def usual_tokens(self, views: int) -> int:
        """Of an answer about an outside view and a wrist view on each arm, where a word is a token: two arms in three views say 246."""
        arms = max(1, views - 1)
        return (arms + views - 1) * self.count * (3 + len(WAYPOINT) + 1) + 2 * views * self.delimiters

    def seen(self, path: np.ndarray, arm: str, view: View, sample: Sample) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels [count, 2], clipped to the picture, and poses [count, 4, 4] in `frame`; None if the view does not list the arm."""
        if view.camera is None or view.camera.T_base_cam is None or not view.valid:
            return None
        steps = np.minimum(np.arange(self.count) * self.every, len(path) - 1)
        T_base = path[steps].copy()
        T_base[:, :3, 3] += self.grip * T_base[:, :3, 2]
        T_cam = invert(view.camera.T_base_cam) @ T_base
        height, width = picture_size(view)
        pixels, z = project(view.camera.K, T_cam[:, :3, 3])
        border = np.where(T_cam[:, :2, 3] >= 0, np.inf, -np.inf)
        pixels = np.where((z > 0)[:, None], pixels, border)
        inside = z[0] > 0 and bool((pixels[0] >= -0.5).all() and pixels[0, 0] < width - 0.5 and pixels[0, 1] < height - 0.5)
        if not (carries(view.role, arm, sample.tool_path) if view.role.startswith("wrist") else inside):
            return None
        return np.clip(pixels, -0.5, (width - 0.5, height - 0.5)), T_cam if self.frame == "camera" else T_base


def called(arm: str) -> str:
    """An arm as the target names it: "left" -> "left arm"."""
    return arm if arm.endswith("arm") else f"{arm} arm"


def carries(role: str, arm: str, arms: Collection[str]) -> bool:
    """Whether a wrist camera sits on an arm: its role names it (`wrist_left`), or there is only one."""
    return len(arms) == 1 or arm.removesuffix("_arm") in role.split("_")
