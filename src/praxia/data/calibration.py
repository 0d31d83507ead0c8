"""Can a recorded camera pose be trusted? The tool's path is projected into the pictures and held against what they show (data_and_metrics §3.6)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.sample import Sample
from praxia.data.source import spread
from praxia.geometry.camera import project
from praxia.geometry.rotations import angle_between
from praxia.geometry.scene import View
from praxia.geometry.se3 import apply, invert

# Least share of steps (inside), of pictures (on_robot), of places in the picture (moves_with): of all episodes together, and of the few pictures of
# one alone, where sound cameras of tabletop have 0.5 to 0.94 on the robot, those turned by 5 degrees 0 to 0.06, and half of all places is chance.
TOGETHER, ALONE = (0.6, 0.7, 0.7), (0.4, 0.3, 0.5)
ON_ROBOT, EPISODE_ON_ROBOT = TOGETHER[1], ALONE[1]
RIGID = (0.02, np.deg2rad(5))  # most that a wrist camera may move on its tool: metres, radians
_HELD = 0.01  # m around a thing's box
_NEAREST = 0.05  # m before the camera
_NEAR = 15 / 640  # of the picture's longer side: how near the robot's pixels, and how far around, is looked
_EPISODES, _STEPS = 8, 16  # that are looked at
_LEAST_PAIRS = 8  # of pictures between which the tool moves and the camera does not
_MOVED = 0.01  # of the picture's longer side


@dataclass(frozen=True)
class CalibrationQuality:
    """What the pictures of one camera say of its poses; NaN = nothing could be said.

    inside: share of steps with the tool before the camera and in the picture. on_robot: share of pictures whose pixels near the projected tool
    belong to a mask that is no listed object, or one in the hand. moves_with: share of the places in the picture that change less than the one
    around the moving tool (half of them would by chance), mean over pairs of pictures.
    """

    inside: float
    on_robot: float
    moves_with: float

    def faults(self, least: tuple[float, float, float] = TOGETHER) -> list[str]:
        """What does not fit, in words; empty if the pose can be trusted. least: TOGETHER or ALONE."""
        inside, on_robot, moves_with = least
        found = []
        if self.inside < inside:
            found.append(f"the tool is in the picture in only {self.inside:.0%} of the steps (expected {inside:.0%})")
        if self.on_robot < on_robot:
            found.append(f"the projected tool lies on the robot in only {self.on_robot:.0%} of the pictures (expected {on_robot:.0%})")
        if self.moves_with < moves_with:
            found.append(
                f"where the projected tool moves, the picture changes more than in only {self.moves_with:.0%} of it (expected {moves_with:.0%})"
            )
        return found


def fixed_camera_quality(source: LeRobotSource, role: str, arm: str) -> dict[int, CalibrationQuality]:
    """Quality of a camera that does not sit on the arm, by episode: up to 8 of them, 16 pictures each. A camera may be moved between episodes."""
    return {episode: _quality(samples, arm) for episode, samples in _looked_at(source, role)}


def together(episodes: Collection[CalibrationQuality]) -> CalibrationQuality:
    """Mean over the episodes of which something can be said."""
    said = [[x for x in values if not np.isnan(x)] for values in zip(*((q.inside, q.on_robot, q.moves_with) for q in episodes), strict=True)]
    return CalibrationQuality(*map(_mean, said))


def _quality(samples: Sequence[Sample], arm: str) -> CalibrationQuality:
    pixels = [_tool_pixel(sample, arm) for sample in samples]
    shown = [(sample, pixel) for sample, pixel in zip(samples, pixels, strict=True) if pixel is not None]
    things = {o.instance for sample in samples for o in sample.objects}
    on_robot = [on for sample, pixel in shown if (on := _on_robot(sample.views[0], pixel, things - _held(sample, arm))) is not None]
    ranks = [rank for now, later in pairwise(shown) if (rank := _change_rank(*now, *later)) is not None]
    return CalibrationQuality(
        _mean([pixel is not None for pixel in pixels]), _mean(on_robot), _mean(ranks) if len(ranks) >= _LEAST_PAIRS else float("nan")
    )


def wrist_camera_spread(source: LeRobotSource, role: str, arm: str) -> dict[int, tuple[float, float]]:
    """How far a wrist camera moves on its tool, by episode: largest distance (m) and angle (rad) from where it sits in most pictures."""
    found = {
        episode: [invert(s.tool_path[arm][0]) @ T for s in samples if (T := _camera_pose(s.views[0])) is not None]
        for episode, samples in _looked_at(source, role)
    }
    poses = {episode: np.stack(some) for episode, some in found.items() if some}
    if not poses:
        return {}
    every = np.concatenate(list(poses.values()))
    places = every[:, :3, 3]
    usual = every[np.linalg.norm(places[:, None] - places[None], axis=-1).sum(axis=1).argmin()]  # the one that the others are nearest to
    return {
        episode: (float(np.linalg.norm(T[:, :3, 3] - usual[:3, 3], axis=1).max()), float(angle_between(T[:, :3, :3], usual[None, :3, :3]).max()))
        for episode, T in poses.items()
    }


def _looked_at(source: LeRobotSource, role: str) -> Iterator[tuple[int, list[Sample]]]:
    """Number and samples, with the role's picture, of each episode."""
    rows = source.rows()
    want = Want(horizon=0, roles=(role,), masks=True, objects=True, tool_horizon=1)
    for index in spread(len(source.episodes), _EPISODES):
        episode = source.episodes[index]
        mine = rows[(rows >= episode.start) & (rows < episode.stop)]
        if len(mine):
            yield episode.index, [source.sample_at(int(row), want) for row in mine[spread(len(mine), _STEPS)]]


def _camera_pose(view: View) -> np.ndarray | None:
    return None if view.camera is None else view.camera.T_base_cam


def _tool_pixel(sample: Sample, arm: str) -> np.ndarray | None:
    """Where the tool is in the stored picture, float64 [2]; None behind the camera or outside."""
    view = sample.views[0]
    if view.camera is None or view.camera.T_base_cam is None:
        return None
    pixel, z = project(view.camera.K, apply(invert(view.camera.T_base_cam), sample.tool_path[arm][0, :3, 3]))
    height, width = view.image.shape[:2]
    seen = z > _NEAREST and (pixel >= -0.5).all() and pixel[0] < width - 0.5 and pixel[1] < height - 0.5
    return pixel if seen else None


def _held(sample: Sample, arm: str) -> set[int]:
    """Instances of things in whose box the tool is: between its fingers they hide it."""
    tool = sample.tool_path[arm][0, :3, 3]
    return {o.instance for o in sample.objects if (np.abs(apply(invert(o.T_base_object), tool)) < o.size / 2 + _HELD).all()}


def _on_robot(view: View, pixel: np.ndarray, things: set[int]) -> bool | None:
    """Whether pixels near the tool belong to a mask that is none of `things`; None if no pixel of the picture does."""
    if view.mask is None:
        return None
    robot = (view.mask > 0) & ~np.isin(view.mask, list(things))
    return bool(_window(robot, pixel).any()) if robot.any() else None


def _change_rank(now: Sample, pixel: np.ndarray, later: Sample, following: np.ndarray) -> float | None:
    """Share of places that change less than the one between the tool's two pixels; None where the tool stands still or the camera moves."""
    first, second = now.views[0], later.views[0]
    poses = [_camera_pose(first), _camera_pose(second)]
    assert poses[0] is not None and poses[1] is not None
    moved = np.linalg.norm(following - pixel) > _MOVED * max(first.image.shape[:2])
    if not moved or not np.array_equal(poses[0], poses[1]):
        return None
    change = ndimage.uniform_filter(np.abs(first.image.astype(np.float32) - second.image).mean(-1), 2 * _radius(first.image) + 1)
    u, v = np.round((pixel + following) / 2).astype(int)
    return float((change < change[v, u]).mean())


def _radius(image: np.ndarray) -> int:
    """Pixels around the tool that are looked at."""
    return max(2, round(_NEAR * max(image.shape[:2])))


def _window(values: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    u, v = np.round(pixel).astype(int)
    radius = _radius(values)
    return values[max(0, v - radius) : v + radius + 1, max(0, u - radius) : u + radius + 1]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
