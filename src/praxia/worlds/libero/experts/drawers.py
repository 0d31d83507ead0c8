"""Drawers: the hand comes from in front with its fingers ahead, pulls at the handle or presses against it. Functions of the present scene alone."""

from dataclasses import dataclass, replace

import numpy as np

from praxia.worlds.libero.experts import motion
from praxia.worlds.libero.scene import Now

_BEFORE = 0.12  # m before the handle, where the hand turns towards it
_AROUND = 0.016  # m from the middle of the bar: the fingers close around it
_HELD = 0.03  # m from there within which what both fingers touch is the bar
_PULL = 0.04  # m a command: slow enough for two fingers' friction
_LEFT = 0.08  # m before the handle, where the hand may go elsewhere
_HAND = 0.15  # m before an open drawer that the hand takes up
_THROUGH = 0.03  # m behind the bar, where a hand that presses is sent to
_STILL = 0.015  # m/s of the fingers


@dataclass(frozen=True)
class Handle:
    """In the base frame. middle [3] of the bar; unit vectors: ahead [3], in which the drawer shuts; closing [3], over the bar's thin side."""

    middle: np.ndarray
    ahead: np.ndarray
    closing: np.ndarray


def handle(now: Now, joint: str) -> Handle:
    """What stands out furthest of a drawer, on the side on which it stands out of the fixture."""
    found = now.scene.joints[joint]
    thing = now.scene.things[now.scene.parts[found.part].thing]
    moved = {other.part for other in now.scene.joints.values()}
    fixed = [i for i in thing.parts if i not in moved]
    body = np.concatenate([shape for i in fixed for shape in now.shapes(i)])
    shapes = now.shapes(found.part)
    own, axis = np.concatenate(shapes), now.poses[found.part][:3, :3] @ found.axis
    out = max((axis, -axis), key=lambda way: float((own @ way).max() - (body @ way).max()))
    bar = max(shapes, key=lambda shape: float((shape @ out).max()))
    up = np.array([0.0, 0.0, 1.0])
    across = np.cross(up, out)
    return Handle((bar.min(0) + bar.max(0)) / 2, -out, up if np.ptp(bar @ up) < np.ptp(bar @ across) else across)


def way(now: Now, joint: str) -> np.ndarray:
    """Lowest and highest corner [2, 2], seen from above, of what a shut drawer takes up once it is open, and the hand that pulls it."""
    found = now.scene.joints[joint]
    points = np.concatenate(now.shapes(found.part))
    out = -(max(abs(end) for end in found.range) + _HAND) * handle(now, joint).ahead
    both = np.concatenate((points, points + out))[:, :2]
    return np.stack((both.min(0), both.max(0)))


def pull(now: Now, joint: str) -> np.ndarray:
    """Command float32 [7] that brings the open fingers around the handle, closes them and pulls."""
    found = handle(now, joint)
    tool = now.tool[:3, 3]
    R = motion.pointing(now.tool, found.ahead, found.closing)
    off = float(np.linalg.norm(found.middle - tool))
    if off < _HELD and now.scene.parts[now.scene.joints[joint].part].thing in now.touched:
        pulled = _PULL if np.abs(now.finger_speeds).max() < _STILL else 0.0
        return motion.towards(now.tool, tool - pulled * found.ahead, R, motion.CLOSED)
    if off < _AROUND:
        return motion.towards(now.tool, found.middle, R, motion.CLOSED)
    return _from_front(now, found, R, motion.OPEN)


def press(now: Now, joint: str) -> np.ndarray:
    """Command that brings the closed fingers before the handle and presses it in; half down, or the hand would meet handles above or the table."""
    found = handle(now, joint)
    across = np.cross(found.ahead, (0.0, 0.0, 1.0))
    R = motion.pointing(now.tool, (found.ahead - (0.0, 0.0, 1.0)) / np.sqrt(2), across)
    return _from_front(now, replace(found, middle=found.middle + _THROUGH * found.ahead), R, motion.CLOSED)


def leave(now: Now, wanted: str | None) -> np.ndarray | None:
    """Command that takes the hand back from any drawer's handle but the wanted one's; None where it is at none."""
    handles = {joint: handle(now, joint) for joint, found in now.scene.joints.items() if found.slides}
    off = {joint: float(np.linalg.norm(found.middle - now.tool[:3, 3])) for joint, found in handles.items()}
    at = min(off, key=off.__getitem__, default=None)
    if at is None or at == wanted or off[at] > _LEFT or now.tool[:3, 2] @ handles[at].ahead < 0.5:
        return None
    return back(now)


def back(now: Now) -> np.ndarray:
    """Command that opens the fingers and then takes the hand back the way that it points."""
    free = not now.touched and now.opening > motion.FREE
    return motion.towards(now.tool, now.tool[:3, 3] - now.tool[:3, 2] * (0.05 if free else 0.0), now.tool[:3, :3], motion.OPEN)


def _from_front(now: Now, found: Handle, R: np.ndarray, gripper: float) -> np.ndarray:
    """Towards the handle through a funnel: stay before it while the hand is aside or turned otherwise; high up while it is not before it yet."""
    gap = found.middle - now.tool[:3, 3]
    depth = float(gap @ found.ahead)
    aside = float(np.linalg.norm(gap - depth * found.ahead))
    # all the way back from 5 cm aside or 0.4 rad on, not at all within 1 cm and 0.1 rad
    share = max(np.clip((aside - 0.012) / 0.04, 0.0, 1.0), np.clip((motion.angle_between(now.tool, R) - 0.1) / 0.3, 0.0, 1.0))
    target = found.middle - share * _BEFORE * found.ahead
    if depth < share * _BEFORE - 0.05:
        target[2] = max(target[2], now.tool[2, 3])
    return motion.towards(now.tool, target, R, gripper)
