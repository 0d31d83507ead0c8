"""Where to take hold of an object, from its collision shapes: a place between the fingertips and a horizontal closing direction, hand down.

Shapes are boxes and are filled with points. A grasp is free where no point stands in the way of the fingers and the palm as they come down, and good
where the fingers meet much of the object, near its middle, over a small width, with little turning of the hand. Rims of bowls come out by themselves;
of places as good as each other the one further to the robot's left is taken, so that alike scenes are grasped alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from praxia.geometry import se3
from praxia.worlds.libero.experts.motion import PALM

WIDEST = 0.074  # metres between the fingers, less some play
_OPEN, _THICK = 0.040, 0.016  # fingers stand at 4 cm on either side, so thick outwards
_HALF_WIDTH = 0.011  # of a finger, across the closing direction
_PALM_LENGTH, _PALM_WIDTH = 0.10, 0.032  # half sides of the palm along and across the closing direction; robosuite's collides within 0.103, 0.032
_DEPTHS = (0.034, 0.024, 0.015)  # of the fingertips' middle below an object's top; deeper, the palm meets it
_CLEAR = 0.011  # of the fingertips' middle above what the object stands on
_BAND = 0.009  # fingertips reach so far above and below their middle
_WAYS = np.radians(np.arange(0, 180, 15))
_SPACING = 0.007
_LEANING = 0.013  # m, over a finger's width
_ALIKE, _ALIKE_WAY = 0.02, float(np.cos(np.radians(25)))  # m; cosine
_SIDE = 5.0  # score a metre to the robot's left (+y): decides between like places; less than what a metre off the middle costs
_CENTRAL = 0.015  # m around the middle within which sides are alike


@dataclass(frozen=True)
class Grasp:
    """In the object's frame, so that it moves along. place [3]: between the fingertips; closing [3]: unit vector."""

    place: np.ndarray
    closing: np.ndarray

    def at(self, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Place and horizontal closing direction in the base frame, for an object at T."""
        closing = T[:3, :3] @ self.closing
        closing[2] = 0.0
        return se3.apply(T, self.place), closing / max(float(np.linalg.norm(closing)), 1e-9)


def alike(a: Grasp, b: Grasp) -> bool:
    """Whether two grasps of one object are about the same: if one missed, the other would."""
    return bool(np.linalg.norm(a.place - b.place) < _ALIKE and abs(a.closing @ b.closing) > _ALIKE_WAY)


def filled(shapes: Sequence[np.ndarray]) -> np.ndarray:
    """Points [N, 3] inside boxes of eight corners, of which 1, 2 and 4 are the neighbours of 0 (as `server` gives them); other shapes as they are."""
    made = [_filled(box) if len(box) == 8 else box for box in shapes]
    return np.concatenate(made) if made else np.zeros((0, 3))


def _filled(box: np.ndarray) -> np.ndarray:
    edges = box[[1, 2, 4]] - box[0]
    steps = [np.linspace(0, 1, 2 + int(length / _SPACING)) for length in np.linalg.norm(edges, axis=1)]
    return box[0] + np.array(np.meshgrid(*steps)).reshape(3, -1).T @ edges


def plan(
    T: np.ndarray, own: np.ndarray, others: np.ndarray, tool: np.ndarray, support: float, centred: bool = False, missed: Sequence[Grasp] = ()
) -> Grasp | None:
    """The best grasp of an object at T [4, 4] whose points are `own` [N, 3], or None where none is free.

    others: points of everything else; tool: T_base_tool; support: height of the table; centred: at the middle only; missed: none like these.
    """
    top, least = own[:, 2].max(), max(own[:, 2].min(), support) + _CLEAR
    middle = (own[:, :2].min(0) + own[:, :2].max(0)) / 2
    near = others[np.abs(others[:, :2] - middle).max(1) < 0.2]
    best, found = -np.inf, None
    for height in dict.fromkeys(max(top - depth, least) for depth in _DEPTHS):
        band = own[np.abs(own[:, 2] - height) < _BAND]
        if not len(band):
            continue
        high, beside, tall = own[own[:, 2] > height - _BAND], near[near[:, 2] > height - _BAND], near[near[:, 2] > height + PALM]
        for way in _WAYS:
            closing = np.array([np.cos(way), np.sin(way)])
            turn = np.arccos(np.clip(abs(closing @ tool[:2, 0]), 0, 1))
            for spot in middle[None] if centred else _spots(band, middle):
                score = _score(spot, closing, band, high, beside, tall, middle) - 0.1 * turn - 10.0 * (height - top + _DEPTHS[0])
                if score == -np.inf:
                    continue
                at = _centred(spot, closing, band)
                aside = float(at[1] - middle[1])
                score += _SIDE * (aside - np.clip(aside, -_CENTRAL, _CENTRAL))
                if score > best:
                    tried = Grasp(se3.apply(se3.invert(T), np.array([*at, height])), T[:3, :3].T @ np.array([*closing, 0.0]))
                    if not any(alike(tried, other) for other in missed):
                        best, found = score, tried
    return found


def free_closing(pivot: np.ndarray, hold: np.ndarray, others: np.ndarray, tool: np.ndarray) -> np.ndarray:
    """The closing direction [3] that turns the hand least and leaves its palm clear of `others` [N, 3]; the hand's own if none does.

    pivot: position [3] that the hand is turned about; hold [3]: from there to the fingertips, as the hand is now.
    """
    for angle in sorted((*_WAYS, *(_WAYS - np.pi)), key=abs):
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        place, closing = pivot + turn @ hold, (turn @ tool[:3, 0])[:2]
        offset = others[others[:, 2] > place[2] + PALM, :2] - place[:2]
        along, across = np.abs(offset @ closing), np.abs(offset @ np.array([-closing[1], closing[0]]))
        if not ((along < _PALM_LENGTH) & (across < _PALM_WIDTH)).any():
            return turn @ tool[:3, 0]
    return tool[:3, 0]


def _spots(band: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Places [K, 2] to try: the middle, and around it on the object's outline at this height."""
    spots = [middle]
    offsets = band[:, :2] - middle
    for way in np.radians(np.arange(0, 360, 15)):
        direction = np.array([np.cos(way), np.sin(way)])
        along, aside = offsets @ direction, np.abs(offsets @ np.array([-direction[1], direction[0]]))
        ray = along[(aside < 0.012) & (along > 0)]
        if len(ray):
            spots.append(middle + direction * (ray.max() - 0.004))
    return np.array(spots)


def _score(
    spot: np.ndarray, closing: np.ndarray, band: np.ndarray, high: np.ndarray, beside: np.ndarray, tall: np.ndarray, middle: np.ndarray
) -> float:
    """How good it is to close at `spot`; -inf where the fingers or the palm do not fit."""
    across = np.array([-closing[1], closing[0]])

    def seen(points: np.ndarray, half: float) -> np.ndarray:
        """Along the closing direction, what lies between the fingers' sides."""
        offset = points[:, :2] - spot
        return (offset @ closing)[np.abs(offset @ across) < half]

    held = seen(band, _HALF_WIDTH)
    held = held[np.abs(held) < _OPEN]
    if len(held) < 4 or np.ptp(held) > WIDEST or _leaning(spot, closing, across, band):
        return -np.inf
    shift = (held.max() + held.min()) / 2
    fingers = [
        np.abs(np.abs(seen(points, half) - shift) - _OPEN - _THICK / 2) < _THICK / 2 for points, half in ((high, _HALF_WIDTH), (beside, 0.014))
    ]
    if any(hit.any() for hit in fingers):
        return -np.inf
    between = np.abs(seen(beside, 0.014) - shift) < _OPEN  # another thing between the fingers
    if between.any() or (np.abs(seen(tall, _PALM_WIDTH) - shift) < _PALM_LENGTH).any():
        return -np.inf
    off = float(np.linalg.norm(spot + shift * closing - middle))
    return min(len(held), 20) / 20 - 10.0 * off - 15.0 * float(np.ptp(held))


def _leaning(spot: np.ndarray, closing: np.ndarray, across: np.ndarray, band: np.ndarray) -> bool:
    """Whether the fingers would meet a corner: on one side of their middle line the object begins or ends elsewhere than on the other."""
    offset = band[:, :2] - spot
    along, aside = offset @ closing, offset @ across
    sides = [along[(np.abs(aside - at) < _HALF_WIDTH) & (np.abs(along) < _OPEN)] for at in (-_HALF_WIDTH, _HALF_WIDTH)]
    if not all(len(side) for side in sides):
        return True
    return max(abs(sides[0].min() - sides[1].min()), abs(sides[0].max() - sides[1].max())) > _LEANING


def _centred(spot: np.ndarray, closing: np.ndarray, band: np.ndarray) -> np.ndarray:
    """The spot, moved along the closing direction to the middle of what is held."""
    offset, across = band[:, :2] - spot, np.array([-closing[1], closing[0]])
    held = (offset @ closing)[np.abs(offset @ across) < _HALF_WIDTH]
    held = held[np.abs(held) < _OPEN]
    return spot + closing * (held.max() + held.min()) / 2
