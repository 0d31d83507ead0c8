"""What a picture shows of a scene: which things are seen, where, and what could be doubted."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import picture_size
from praxia.geometry.camera import project
from praxia.geometry.image_transform import of_view, resample_nearest, valid
from praxia.geometry.scene import ObjectTruth, View
from praxia.geometry.se3 import apply, invert

GROUPS = ("general", "grounding", "affordance", "reasoning")
OFF = -1  # mask of what lies off the stored picture


@dataclass(frozen=True)
class Question:
    """One question with its exact answer. form: how the answer is written (`tokens.coordinates` for points and boxes).

    region: bool [H, W] of the shown picture, every pixel that is right for a point. box: shares (x1, y1, x2, y2). choices: all possible answers, ()
    where they are not listed. about: float64 [n, 3], up to two places in the base frame that the question speaks of.
    """

    group: str
    kind: str
    text: str
    answer: str
    form: Literal["words", "point", "box"] = "words"
    region: np.ndarray | None = None
    box: np.ndarray | None = None
    choices: tuple[str, ...] = ()
    about: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))


@dataclass(frozen=True)
class Thing:
    """Something that is seen. area: bool [H, W], its visible pixels. pixel: (u, v) of the visible pixel nearest to their middle.

    box: (u0, v0, u1, v1), outer edges of the visible pixels, float64 [4]. depth: metres along the optical axis to its centre.
    """

    truth: ObjectTruth
    area: np.ndarray
    pixel: np.ndarray
    box: np.ndarray
    depth: float

    @property
    def centre(self) -> np.ndarray:
        """In the base frame, float64 [3]."""
        return self.truth.T_base_object[:3, 3]


@dataclass(frozen=True)
class Look:
    """The view that questions are about. mask: int [H, W] instance ids of the shown picture, OFF where it shows nothing that was stored.

    things: seen with at least the least area; doubtful: truths of which less is seen, but something.
    """

    sample: Sample
    view: View
    mask: np.ndarray
    things: tuple[Thing, ...]
    doubtful: tuple[ObjectTruth, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the shown picture."""
        return picture_size(self.view)

    @property
    def named(self) -> list[Thing]:
        """Things that are seen and whose name nothing else in the scene has."""
        names = [o.name for o in self.sample.objects] + list(self.sample.others)
        return [t for t in self.things if names.count(t.truth.name) == 1]

    @property
    def pixels_per_metre(self) -> float:
        """At the mean depth of what is seen."""
        assert self.view.camera is not None
        return float(self.view.camera.K[0, 0] / np.mean([t.depth for t in self.things]))

    def project(self, point: np.ndarray) -> tuple[np.ndarray, float]:
        """Pixel (u, v) and depth of a point [3] of the base frame; the pixel is NaN behind the camera."""
        camera = self.view.camera
        assert camera is not None and camera.T_base_cam is not None
        pixel, depth = project(camera.K, apply(invert(camera.T_base_cam), point))
        return pixel, float(depth)

    def shows(self, pixel: np.ndarray) -> bool:
        """Whether the pixel lies in the picture."""
        return bool((pixel >= -0.5).all() and pixel[0] < self.size[1] - 0.5 and pixel[1] < self.size[0] - 0.5)


def look(sample: Sample, view: View, least_area: float) -> Look | None:
    """What the view shows. least_area: share of the picture that a thing must fill to be asked about. None without a mask or a camera pose."""
    if view.mask is None or not view.valid or view.camera is None or view.camera.T_base_cam is None or not sample.objects:
        return None
    transform = of_view(view)
    mask = np.where(valid(transform), resample_nearest(transform, view.mask), OFF)
    counts = np.bincount(mask[mask >= 0], minlength=max(o.instance for o in sample.objects) + 1)
    least = least_area * mask.size
    named = [o for o in sample.objects if o.instance]  # 0 is the background: of a thing without a mask nobody knows what shows
    seen = [o for o in named if counts[o.instance] >= max(1, least)]
    doubtful = tuple(o for o in sample.objects if not o.instance or 0 < counts[o.instance] < least)
    bare = Look(sample, view, mask, (), doubtful)
    return Look(sample, view, mask, tuple(_thing(bare, o) for o in seen), doubtful)


def _thing(bare: Look, truth: ObjectTruth) -> Thing:
    area = bare.mask == truth.instance
    rows, columns = np.nonzero(area)
    places = np.stack([columns, rows], axis=1).astype(np.float64)
    pixel = places[np.linalg.norm(places - places.mean(0), axis=1).argmin()]
    box = np.concatenate([places.min(0) - 0.5, places.max(0) + 0.5])
    return Thing(truth, area, pixel, box, bare.project(truth.T_base_object[:3, 3])[1])


def phrase(rng: np.random.Generator, templates: tuple[str, ...], **words: str) -> str:
    """One of the phrasings, with its words."""
    return templates[rng.integers(len(templates))].format(**words)


def shuffled(rng: np.random.Generator, things: list) -> list:
    """In a random order."""
    return [things[i] for i in rng.permutation(len(things))]
