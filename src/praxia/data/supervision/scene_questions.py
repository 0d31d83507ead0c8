"""scene_questions: captions, colours, counts and 2-D pointing on scenes whose objects are known (stage 0, `base_vlm`).

Points are written as two location tokens (`praxia.tokens.locations`).
"""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs, picture_size, posed_view
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.scene import ObjectTruth, View
from praxia.geometry.se3 import apply, invert
from praxia.registry import register
from praxia.tokens.locations import point_text

POINT = ("point to the {name}", "where is the {name} ?", "locate the {name}")
COLOUR = ("what colour is the {category} ?", "name the colour of the {category}")
COUNT = ("how many {colour} things are there ?", "count the {colour} things")
CAPTION = ("describe the picture", "what is on the table ?")
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LEAST_PIXELS = 8  # of an object behind others; fewer are no basis for an answer


@register("supervision/scene_questions")
@dataclass(frozen=True)
class SceneQuestions:
    """One random question per sample about one view (the first posed camera if empty). mix: relative frequency of point, colour, count, caption.

    Only objects that are in the picture are asked about, by names that no other object of the scene has. Where a kind of question has no
    such object, the picture is described instead.
    """

    view: str = ""
    mix: tuple[float, float, float, float] = (0.55, 0.15, 0.15, 0.15)
    name: str = "scene_questions"

    def __post_init__(self) -> None:
        if len(self.mix) != 4 or min(self.mix) < 0 or sum(self.mix) <= 0:
            raise ConfigError(f"SceneQuestions.mix is {self.mix}; expected four frequencies (point, colour, count, caption), none below 0, not all 0")

    @property
    def needs(self) -> Needs:
        """Object truths, and masks where they were recorded."""
        return Needs(objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if the view is missing or uncalibrated, or no object is in the picture."""
        view = posed_view(sample, self.view)
        if view is None or view.camera is None or view.camera.T_base_cam is None:
            return None
        seen = visible_objects(sample.objects, view)
        if not seen:
            return None
        ask = (_point, _colour, _count, _caption)[rng.choice(4, p=np.asarray(self.mix) / sum(self.mix))]
        question, answer = ask(seen, sample.objects, picture_size(view), rng) or _caption(seen, sample.objects, picture_size(view), rng)
        return Example(sample, question, answer)


@dataclass(frozen=True)
class Seen:
    """An object, the pixel (u, v) float64 [2] of its centre in the transformed picture, and the centre's depth in metres."""

    truth: ObjectTruth
    pixel: np.ndarray
    depth: float


Objects = tuple[ObjectTruth, ...]
Answer = tuple[str, str] | None  # question and answer; None: nothing can be asked


def _point(seen: list[Seen], objects: Objects, size: tuple[int, int], rng: np.random.Generator) -> Answer:
    names = [o.name for o in objects]
    one = _draw([s for s in seen if names.count(s.truth.name) == 1], rng)
    return one and (str(rng.choice(POINT)).format(name=one.truth.name), point_text(one.pixel, size))


def _colour(seen: list[Seen], objects: Objects, size: tuple[int, int], rng: np.random.Generator) -> Answer:
    categories = [o.category for o in objects]
    one = _draw([s for s in seen if s.truth.colour and categories.count(s.truth.category) == 1], rng)
    return one and (str(rng.choice(COLOUR)).format(category=one.truth.category), one.truth.colour)


def _count(seen: list[Seen], objects: Objects, size: tuple[int, int], rng: np.random.Generator) -> Answer:
    one = _draw([s for s in {s.truth.colour: s for s in seen}.values() if s.truth.colour], rng)
    if one is None:
        return None
    number = sum(s.truth.colour == one.truth.colour for s in seen)
    return str(rng.choice(COUNT)).format(colour=one.truth.colour), NUMBERS[number] if number < len(NUMBERS) else str(number)


def _caption(seen: list[Seen], objects: Objects, size: tuple[int, int], rng: np.random.Generator) -> tuple[str, str]:
    """Names from left to right."""
    return str(rng.choice(CAPTION)), " , ".join(s.truth.name for s in sorted(seen, key=lambda s: s.pixel[0]))


def _draw(seen: list[Seen], rng: np.random.Generator) -> Seen | None:
    return seen[rng.integers(len(seen))] if seen else None


def visible_objects(objects: Objects, view: View) -> list[Seen]:
    """Objects whose centre projects into the transformed picture and, where the view has a mask, of which something is to be seen."""
    assert view.camera is not None and view.camera.T_base_cam is not None
    if not objects:
        return []
    centres = np.stack([o.T_base_object[:3, 3] for o in objects])
    pixels, depth = project(view.camera.K, apply(invert(view.camera.T_base_cam), centres))
    height, width = picture_size(view)
    inside = (depth > 0.01) & (pixels >= -0.5).all(1) & (pixels[:, 0] < width - 0.5) & (pixels[:, 1] < height - 0.5)
    if view.mask is not None:
        shown = np.bincount(view.mask.ravel(), minlength=max(o.instance for o in objects) + 1)
        inside &= shown[[o.instance for o in objects]] >= LEAST_PIXELS
    return [Seen(o, uv, float(z)) for o, uv, z, ok in zip(objects, pixels, depth, inside, strict=True) if ok]
