"""scene_questions: captions, colours, counts and 2-D pointing on scenes whose objects are known (stage 0, `base_vlm`).

Points are written as two location tokens, x then y, each floor(v / side * 1023) over the padded square picture (PaliGemma's 1,024 slots).
"""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs
from praxia.geometry.camera import project
from praxia.geometry.scene import ObjectTruth, View
from praxia.geometry.se3 import apply, invert
from praxia.registry import register

POINT = ("point to the {name}", "where is the {name} ?", "locate the {name}")
COLOUR = ("what colour is the {category} ?", "name the colour of the {category}")
COUNT = ("how many {colour} things are there ?", "count the {colour} things")
CAPTION = ("describe the picture", "what is on the table ?")
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def location_token(value: float, side: float) -> str:
    """`<loc0000>` .. `<loc1023>` for a pixel coordinate on a square of `side` pixels, clipped to the border."""
    return f"<loc{int(np.clip(np.floor(value / side * 1023), 0, 1023)):04d}>"


@register("supervision/scene_questions")
@dataclass(frozen=True)
class SceneQuestions:
    """One random question per sample about one view. mix: relative frequency of point, colour, count, caption.

    Only objects whose centre is inside the picture are asked about; names must be unambiguous.
    """

    view: str = "head"
    mix: tuple[float, float, float, float] = (0.55, 0.15, 0.15, 0.15)
    name: str = "scene_questions"

    @property
    def needs(self) -> Needs:
        """Object truths."""
        return Needs(objects=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if the view is missing or uncalibrated, or no object is in the picture."""
        view = next((v for v in sample.views if v.role == self.view), None)
        if view is None or view.camera is None or view.camera.T_base_cam is None:
            return None
        seen = visible_objects(sample.objects, view)
        if not seen:
            return None
        ask = (self._point, self._colour, self._count, self._caption)
        probabilities = np.asarray(self.mix) / sum(self.mix)
        question, answer = ask[rng.choice(4, p=probabilities)](seen, view, rng)
        return Example(sample, question, answer)

    def _point(self, seen: "list[Seen]", view: View, rng: np.random.Generator) -> tuple[str, str]:
        names = [s.truth.name for s in seen]
        one = _draw([s for s in seen if names.count(s.truth.name) == 1] or seen, rng)
        return str(rng.choice(POINT)).format(name=one.truth.name), point_text(one.pixel, view)

    def _colour(self, seen: "list[Seen]", view: View, rng: np.random.Generator) -> tuple[str, str]:
        categories = [s.truth.category for s in seen]
        unambiguous = [s for s in seen if categories.count(s.truth.category) == 1]
        if not unambiguous:
            return self._point(seen, view, rng)
        one = _draw(unambiguous, rng)
        return str(rng.choice(COLOUR)).format(category=one.truth.category), one.truth.colour

    def _count(self, seen: "list[Seen]", view: View, rng: np.random.Generator) -> tuple[str, str]:
        colours = sorted({s.truth.colour for s in seen})
        colour = colours[rng.integers(len(colours))]
        return str(rng.choice(COUNT)).format(colour=colour), NUMBERS[min(sum(s.truth.colour == colour for s in seen), 9)]

    def _caption(self, seen: "list[Seen]", view: View, rng: np.random.Generator) -> tuple[str, str]:
        return str(rng.choice(CAPTION)), " , ".join(s.truth.name for s in sorted(seen, key=lambda s: s.pixel[0]))


@dataclass(frozen=True)
class Seen:
    """An object and the pixel (u, v) float64 [2] of its centre in the transformed picture."""

    truth: ObjectTruth
    pixel: np.ndarray


def _draw(seen: list[Seen], rng: np.random.Generator) -> Seen:
    return seen[rng.integers(len(seen))]


def visible_objects(objects: tuple[ObjectTruth, ...], view: View) -> list[Seen]:
    """Objects whose centre projects into the transformed picture."""
    assert view.camera is not None and view.camera.T_base_cam is not None
    if not objects:
        return []
    centres = np.stack([o.T_base_object[:3, 3] for o in objects])
    pixels, depth = project(view.camera.K, apply(invert(view.camera.T_base_cam), centres))
    height, width = picture_size(view)
    inside = (depth > 0.01) & (pixels >= 0).all(1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    return [Seen(o, uv) for o, uv, ok in zip(objects, pixels, inside, strict=True) if ok]


def picture_size(view: View) -> tuple[int, int]:
    """(height, width) of the transformed picture."""
    return view.size if view.size != (0, 0) else (view.image.shape[0], view.image.shape[1])


def point_text(uv: np.ndarray, view: View) -> str:
    """Two location tokens for a pixel of the transformed picture, over the centred padded square."""
    height, width = picture_size(view)
    side = max(height, width)
    return location_token(uv[0] + (side - width) / 2, side) + location_token(uv[1] + (side - height) / 2, side)
