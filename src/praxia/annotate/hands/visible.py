"""Which joints a camera sees, and which pixels are hands: bones as capsules stand in for a hand's surface (default 15, without MANO)."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from praxia.geometry.camera import project
from praxia.geometry.paths import NEAREST_VISIBLE
from praxia.specs.hands import BONES, KNUCKLES, WRIST

FINGER, _PALM, _ARM = 0.009, 0.013, 0.035  # metres of flesh around the bones of fingers and palm; radius of a forearm
_ARM_LENGTH = 0.25
_RADII = np.array([_PALM if a == WRIST else FINGER for a, _ in BONES])


def visible(joints: np.ndarray, there: np.ndarray, K: np.ndarray, size: tuple[int, int], behind: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which joints [2, 21, 3] (camera frame) a camera sees: bool [2, 21]; their pixels float64 [2, 21, 2]; z of the skin before them float64 [2, 21].

    there: bool [2, 21], joints that are known. Visible: before the lens, inside the picture of (height, width), at most `behind` metres behind the
    front-most surface of both hands.
    """
    pixels, z = project(K, joints)
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= -0.5) & (pixels < (size[1] - 0.5, size[0] - 0.5))).all(-1) & (z >= NEAREST_VISIBLE)
    far = np.linalg.norm(joints, axis=-1)
    rays = joints / np.maximum(far, 1e-9)[..., None]
    front = far.copy()
    for hand in joints[there.any(1)]:
        front = np.minimum(front, _surface(rays.reshape(-1, 3), hand).reshape(front.shape))
    return inside & there & (far - front <= behind), pixels, z * front / np.maximum(far, 1e-9)


def _surface(rays: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """How far [n] unit rays [n, 3] from the camera get to the surface of a hand [21, 3]; infinite past it."""
    a, b = hand[[x for x, _ in BONES]], hand[[y for _, y in BONES]]
    across = lambda v: v[None] - np.einsum("nk,bk->nb", rays, v)[..., None] * rays[:, None]  # noqa: E731  part of v [20, 3] across each ray
    start, step = across(a), across(b - a)
    t = np.clip(-(start * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12), 0, 1)
    off = np.linalg.norm(start + t[..., None] * step, axis=-1)
    depth = np.einsum("nk,nbk->nb", rays, a[None] + t[..., None] * (b - a)[None])
    return np.where(off < _RADII, depth - np.sqrt(np.maximum(_RADII**2 - off**2, 0)), np.inf).min(1)


def hand_pixels(joints: np.ndarray, there: np.ndarray, K: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: pixels of hands and forearms, from joints [2, 21, 3] in the camera frame; there: bool [2]."""
    picture = Image.new("1", (size[1], size[0]))
    pen = ImageDraw.Draw(picture)
    for hand in joints[there]:
        knuckles = hand[list(KNUCKLES[1:])].mean(0)
        back = (hand[WRIST] - knuckles) / max(float(np.linalg.norm(hand[WRIST] - knuckles)), 1e-9)
        bones = [(hand[a], hand[b], r) for (a, b), r in zip(BONES, _RADII, strict=True)]
        bones += [(hand[a], hand[b], _PALM) for a, b in pairwise(KNUCKLES[1:])]
        bones.append((hand[WRIST] + 0.02 * back, hand[WRIST] + _ARM_LENGTH * back, _ARM))
        for start, end, radius in bones:
            _draw(pen, start, end, radius, K)
    return np.asarray(picture)


def _draw(pen: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, radius: float, K: np.ndarray) -> None:
    if not min(start[2], end[2]) >= NEAREST_VISIBLE:  # also of a joint whose place is not known
        return
    (pixels, z) = project(K, np.stack([start, end]))
    radii = radius * K[0, 0] / z
    pen.line([tuple(pixels[0]), tuple(pixels[1])], fill=1, width=max(1, round(2 * float(radii.mean()))))
    for (u, v), r in zip(pixels, radii, strict=True):
        pen.ellipse((u - r, v - r, u + r, v + r), fill=1)
