"""object_poses: every visible instance of a class, in every view, as place, pose and size in the camera frame (Pose-VLA stage 1a)."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.places import place_targets, places
from praxia.data.supervision.pose_text import END, Sections, check_most_tokens, pixel_quantity
from praxia.data.supervision.supervision import Example, Needs, picture_size
from praxia.errors import ConfigError
from praxia.geometry.boxes import Boxes, corners, outline_area
from praxia.geometry.camera import project
from praxia.geometry.image_transform import of_view, points
from praxia.geometry.rotations import euler_to_matrix, matrix_to_euler
from praxia.geometry.scene import ObjectTruth, View
from praxia.geometry.se3 import invert, pose
from praxia.registry import register
from praxia.tokens.pose_grammar import MOST_TOKENS, OBJECT_BOX, OBJECT_CENTRE
from praxia.tokens.pose_vocabulary import NO_OBJECT
from praxia.tokens.quantity import Parts, quantity

_NEAREST = 0.01  # metres in front of the camera
_SHOWN = 0.30  # part of the projected box that must be in the picture
_SHOWN_OF_BOX = 0.05  # and the same as an area: at least this part of the box ...


@dataclass(frozen=True)
class Visible:
    """An object in a view. T: float64 [4, 4] camera frame, box centre. box: (u0, v0, u1, v1) clipped to the picture. centre: projected centre."""

    truth: ObjectTruth
    T: np.ndarray
    box: np.ndarray
    centre: np.ndarray


@register("supervision/object_poses")
@dataclass(frozen=True)
class ObjectPoses:
    """Prompt `detect the {class}`, target one section a view, objects from near to far.

    An object: a space (a class is then the same tokens everywhere), class, place (`box` two corners, `centre` one point), translation, extent,
    rotation, and a semicolon. A class that is not in a view leaves its section empty; its name and `<no_object>` stand in every section for a
    class that the scene does not have.

    roles: views that are shown and spoken of; all if empty.
    names: what is asked for, the `category` (all its instances are listed) or the full `name` ("red mug").
    negatives: probability of asking for one of `classes` that no object of the scene has and that shares no word with any.
    classes: names to ask for where they are absent; of a dataset that says what it labels only those that it labels, all of those if empty.
    least_area: of an object's visible part, as a share of the padded square picture (published: 150 pixels of 224 x 224).
    least_visible: of the area inside an object's outline (its projected box), what its mask must show in the picture as it is cropped, where there
    are masks; 0 = any of it. (Published: a visibility of 0.333 by the dataset's own account, which the readers of public data look at.)
    least_side: metres; thinner things (a mark on the table) are not listed: a box of no height overlaps nothing that is a millimetre off.
    delimiters: whether sections stand between <imageK> and </imageK>.
    positions: views in whose frames the register tokens also learn where the asked object is (the nearest of them; `supervision.places`), 0 = none.
    most_tokens: of an answer with its prompt; the farthest objects of the fullest view are left out of one that is longer (published: cut off).
    symmetric: (category, n): things that look the same after a turn of 360 / n degrees about their z axis, 0 = after any turn. Of all rotations
    that look alike the one nearest to the camera's axes is said; empty = rotations as recorded, as published.
    """

    roles: tuple[str, ...] = ()
    place: Literal["box", "centre"] = "box"
    names: Literal["category", "name"] = "category"
    negatives: float = 0.1
    classes: tuple[str, ...] = ()
    least_area: float = 150 / 224**2
    least_visible: float = 0.0
    least_side: float = 0.0
    delimiters: bool = True
    positions: int = 0
    symmetric: tuple[tuple[str, int], ...] = ()
    most_tokens: int = MOST_TOKENS
    name: str = "object_poses"

    def __post_init__(self) -> None:
        if not 0 <= self.negatives <= 1:
            raise ConfigError(f"ObjectPoses.negatives is {self.negatives}; expected a probability from 0 to 1")
        if not 0 <= self.least_visible <= 1:
            raise ConfigError(f"ObjectPoses.least_visible is {self.least_visible}; expected a share from 0 to 1")
        for name, bound in (("least_area", 1.0), ("least_side", float("inf"))):
            if not 0 <= getattr(self, name) < bound:
                raise ConfigError(f"ObjectPoses.{name} is {getattr(self, name)}; expected a number from 0 to below {bound}")
        if self.positions < 0:
            raise ConfigError(f"ObjectPoses.positions is {self.positions}; expected a number of views, 0 for none")
        check_most_tokens("ObjectPoses", self.most_tokens)
        for category, turns in self.symmetric:
            if turns < 0 or turns == 1:
                raise ConfigError(f"ObjectPoses.symmetric says {turns} for {category!r}; expected 0 (looks alike after any turn) or at least 2")

    @property
    def needs(self) -> Needs:
        """Object truths, and masks where they were recorded."""
        return Needs(objects=True, masks=True)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no object is visible in any calibrated view. Raises ConfigError without names to ask for where they are absent."""
        if self.negatives and not (self.classes or sample.labelled):
            raise ConfigError(
                "ObjectPoses.negatives needs names to ask for where they are absent, and this dataset does not say what it labels; give them as "
                "`classes`, or set negatives to 0"
            )
        sample = self.shown(sample)
        seen = [self.visible(sample.objects, view) for view in sample.views]
        present = sorted({self.called(v.truth) for objects in seen for v in objects})
        if not present:
            return None
        if rng.random() < self.negatives and (absent := self._absent(sample)):
            asked = absent[rng.integers(len(absent))]
            return Example(sample, self.question(asked), self._nothing(asked, sample.views), self._places(sample, []), most_tokens=self.most_tokens)
        asked = present[rng.integers(len(present))]
        named = [v for objects in seen for v in objects if self.called(v.truth) == asked]
        answer = self.answer(asked, seen, sample.views)
        return Example(sample, self.question(asked), answer, self._places(sample, named), most_tokens=self.most_tokens)

    def _places(self, sample: Sample, named: list[Visible]) -> dict[str, np.ndarray]:
        """Where the nearest of some objects is, for the registers."""
        nearest = min(named, key=lambda v: v.T[2, 3], default=None)
        return place_targets(sample, places(None, nearest and nearest.truth, None), self.positions) if self.positions else {}

    def shown(self, sample: Sample) -> Sample:
        """The sample with the views that this supervision shows."""
        return replace(sample, views=tuple(v for v in sample.views if v.role in self.roles)) if self.roles else sample

    @staticmethod
    def question(name: str) -> str:
        """The prompt that asks for a class."""
        return f"detect the {name}"

    def usual_tokens(self, views: int) -> int:
        """Of an answer with one object in every view, where a word is a token."""
        return views * (1 + len(OBJECT_BOX if self.place == "box" else OBJECT_CENTRE) + 1 + 2 * self.delimiters)

    def answer(self, asked: str, seen: list[list[Visible]], views: tuple[View, ...]) -> Parts:
        """The target for a class, from what is visible in each view."""
        sections = Sections(self.delimiters)
        for objects, view in zip(seen, views, strict=True):
            said: list = []
            for v in sorted((v for v in objects if self.called(v.truth) == asked), key=lambda v: v.T[2, 3]):
                place = v.box.reshape(2, 2) if self.place == "box" else v.centre[None]
                said += [f" {asked}", pixel_quantity(place, picture_size(view)), quantity("translation", v.T[:3, 3])]
                said += [quantity("extent", v.truth.size), quantity("rotation", matrix_to_euler(v.T[:3, :3])), END]
            sections.add(said)
        return sections.parts()

    def visible(self, objects: tuple[ObjectTruth, ...], view: View) -> list[Visible]:
        """Objects that pass the published filters in a view; none in a view without calibration."""
        if view.camera is None or view.camera.T_base_cam is None or not view.valid or not objects:
            return []
        T_cam_base, (height, width) = invert(view.camera.T_base_cam), picture_size(view)
        shown = _mask_areas(view, max(o.instance for o in objects) + 1)
        found = []
        for o in (o for o in objects if min(o.size) >= self.least_side):
            T = self._nearest_alike(T_cam_base @ o.T_base_object, o.category)
            uv, depth = project(view.camera.K, corners(Boxes(T[:3, 3], T[:3, :3], o.size)))
            centre, z = project(view.camera.K, T[:3, 3])
            if z < _NEAREST or (depth <= 0).any() or not _inside(centre, width, height):
                continue
            if shown is not None and (shown[o.instance] == 0 or shown[o.instance] < self.least_visible * outline_area(uv)):
                continue
            low, high = uv.min(0), uv.max(0)
            box = np.concatenate([np.clip(low, -0.5, (width - 0.5, height - 0.5)), np.clip(high, -0.5, (width - 0.5, height - 0.5))])
            whole, part = float(np.prod(high - low)), float(np.prod(box[2:] - box[:2]))
            if part >= _SHOWN * whole and part >= max(self.least_area * max(width, height) ** 2, _SHOWN_OF_BOX * whole):
                found.append(Visible(o, T, box, centre))
        return found

    def _nearest_alike(self, T: np.ndarray, category: str) -> np.ndarray:
        """T with the rotation, of those that look alike, that has the largest trace: the least turn away from the camera's axes."""
        for name, turns in self.symmetric:
            if name == category:
                # trace(R Rz(a)) = (R00 + R11) cos a + (R01 - R10) sin a + R22
                best = np.arctan2(T[0, 1] - T[1, 0], T[0, 0] + T[1, 1])
                angle = best if turns == 0 else np.round(best * turns / (2 * np.pi)) * 2 * np.pi / turns
                return T @ pose(euler_to_matrix(np.array([0.0, 0.0, angle])), np.zeros(3))
        return T

    def called(self, truth: ObjectTruth) -> str:
        return truth.category if self.names == "category" else truth.name

    def _absent(self, sample: Sample) -> list[str]:
        words = {word for o in sample.objects for word in f"{o.category} {o.name}".split()} | {w for name in sample.others for w in name.split()}
        known = {self.called(o) for o in sample.objects} | set(sample.others)
        # A name shares its colour with half the scene: there only the whole name decides.
        asked = [c for c in self.classes if c in sample.labelled or not sample.labelled] if self.classes else sample.labelled
        return [c for c in asked if c not in known and (self.names == "name" or not words & set(c.split()))]

    def _nothing(self, absent: str, views: tuple[View, ...]) -> Parts:
        sections = Sections(self.delimiters)
        for _ in views:
            sections.add([f" {absent}", NO_OBJECT])
        return sections.parts()


def _mask_areas(view: View, count: int) -> np.ndarray | None:
    """How much of the transformed picture the masks of instances 0 .. count - 1 cover, float64 [count or more] pixels; None without masks."""
    if view.mask is None:
        return None
    rows, columns = np.nonzero(view.mask)
    pixels, (height, width) = points(of_view(view), np.stack((columns, rows), axis=-1)), picture_size(view)
    inside = ((pixels >= -0.5) & (pixels < (width - 0.5, height - 0.5))).all(axis=-1)
    return np.bincount(view.mask[rows[inside], columns[inside]], minlength=count) * abs(np.linalg.det(view.affine[:, :2]))


def _inside(uv: np.ndarray, width: int, height: int) -> bool:
    return bool((uv >= -0.5).all() and uv[0] < width - 0.5 and uv[1] < height - 0.5)
