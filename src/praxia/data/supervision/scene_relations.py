"""scene_relations: where one thing is as seen from another, in words and metres (stage 0 of a recipe whose later stages ask metres of hands).

Public vision-language models can say a direction and a rough distance; a small one has to be shown the form of such an answer somewhere before the
stage that trains nothing but the geometry branch.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.scene_questions import Seen, visible_objects
from praxia.data.supervision.supervision import Example, Needs, posed_view
from praxia.errors import ConfigError
from praxia.geometry.directions import displacement_text, distance_text
from praxia.geometry.se3 import apply, invert
from praxia.registry import register

POSITION = (
    "Relative to the {other}, where is the {object} and how far?",
    "Where is the {object} as seen from the {other}, and at what distance?",
    "Say where the {object} is, measured from the {other}.",
    "Which way and how far is it from the {other} to the {object}?",
)
DISTANCE = ("How far apart are the {other} and the {object}?", "What is the distance between the {other} and the {object}?")


@register("supervision/scene_relations")
@dataclass(frozen=True)
class SceneRelations:
    """Two things that the first posed view shows and that no other is called like; the answer is `left and down, 0.44m`, sometimes the metres alone.

    gamma: share of the way from which an axis is named (VIPA-VLA's default 9). far: share of questions about the distance alone.
    """

    gamma: float = 0.3
    far: float = 0.25
    name: str = "scene_relations"
    as_taken: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.gamma < 3**-0.5 or not 0 <= self.far <= 1:
            raise ConfigError(f"SceneRelations has gamma {self.gamma} and far {self.far}; expected 0 < gamma < 0.577 and a share from 0 to 1")

    @property
    def needs(self) -> Needs:
        """Object truths, and masks where they were recorded."""
        return Needs(objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """The posed view alone is shown, without the state: robots of one batch may have others. None if it shows fewer than two such things."""
        view = posed_view(sample, "")
        if view is None or view.camera is None or view.camera.T_base_cam is None:
            return None
        names = [o.name for o in sample.objects]
        seen = [s for s in visible_objects(sample.objects, view) if names.count(s.truth.name) == 1]
        if len(seen) < 2:
            return None
        other, asked = (seen[i] for i in rng.permutation(len(seen))[:2])
        way = _centre(asked, view.camera.T_base_cam) - _centre(other, view.camera.T_base_cam)
        far = rng.random() < self.far
        question = str(rng.choice(DISTANCE if far else POSITION)).format(other=other.truth.name, object=asked.truth.name)
        answer = distance_text(way) if far else displacement_text(way, self.gamma)
        return Example(replace(sample, views=(view,), state=None), question, answer)


def _centre(seen: Seen, T_base_cam: np.ndarray) -> np.ndarray:
    return apply(invert(T_base_cam), seen.truth.T_base_object[None, :3, 3])[0]
