"""Samples of hands made here: a picture whose brightness says where the wrist goes, paths and answers that follow from it."""

import numpy as np

from praxia.data.sample import Sample, WristPaths
from praxia.geometry.camera import Camera
from praxia.geometry.scene import View

RATE = 15.0
CAMERA = Camera(np.array([[30.0, 0, 16], [0, 30.0, 16], [0, 0, 1]]), np.eye(4))


def picture(seed: int, role: str = "head", time: float = 0.0) -> View:
    return View(role, np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8), CAMERA, time=time)


def line(steps: int, start=(0.0, 0.0, 0.5), velocity=(0.1, 0.0, 0.0), first: int = 1) -> np.ndarray:
    """A straight path, metres; row 0 is step `first`."""
    return np.array(start) + np.arange(first, first + steps)[:, None] / RATE * np.array(velocity)


def moving(family: str = "instructional", future: int = 30, past: int = 15, sides: tuple[str, ...] = ("left", "right"), **fields) -> Sample:
    """Hands on straight paths: `past` rows up to now, `future` rows from the next step on."""
    starts = {"left": (-0.2, 0.0, 0.5), "right": (0.2, 0.1, 0.6)}
    before = {side: line(past, starts[side], first=1 - past) for side in sides if past}
    after = {side: line(future, starts[side]) for side in sides}
    return Sample((picture(0),), "move the red mug", wrists=WristPaths(before, after, RATE, family), **fields)


def asked(question: str, answer: str, category: str, frames: int = 1, seed: int = 0) -> Sample:
    return Sample(tuple(picture(seed + k, time=k - frames + 1.0) for k in range(frames)), question=question, answer=answer, category=category)
