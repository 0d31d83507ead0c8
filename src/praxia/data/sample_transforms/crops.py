"""Crops: windows of pictures with cameras of their own, as augmentation and as pseudo views of single pictures (Pose-VLA stages 1a, 1b)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.errors import ConfigError
from praxia.geometry.image_transform import apply_to_view, crop, of_view
from praxia.geometry.scene import View
from praxia.registry import register


@register("transform/crop")
@dataclass(frozen=True)
class RandomCrop:
    """Every view is cut to a share of its height and of its width, each drawn from [least, 1], anywhere in the picture (published: 0.8)."""

    least: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise ConfigError(f"RandomCrop.least is {self.least}; expected a share above 0, at most 1")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Only affines, sizes and cameras change; pixels are cut later, in batch."""

        def cut(view: View) -> View:
            shares = rng.uniform(self.least, 1.0, 2)
            return window(view, shares[0] * of_view(view).size[0], shares[1] * of_view(view).size[1], rng)

        return replace(sample, views=tuple(map(cut, sample.views)))


@register("transform/area_crop")
@dataclass(frozen=True)
class AreaCrop:
    """Every view is cut to this share of its area, its aspect kept, anywhere in the picture. Held-out samples, and what a policy sees that was
    trained so, are cut to as much in the middle (public code of VLA-Adapter and OpenVLA-OFT: 0.9)."""

    area: float = 0.9

    def __post_init__(self) -> None:
        _check_area("AreaCrop", self.area)

    @property
    def tested(self) -> "CentreCrop":
        """In its place where nothing is drawn."""
        return CentreCrop(self.area)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Only affines, sizes and cameras change."""
        share = np.sqrt(self.area)
        return replace(sample, views=tuple(window(v, share * of_view(v).size[0], share * of_view(v).size[1], rng) for v in sample.views))


@register("transform/centre_crop")
@dataclass(frozen=True)
class CentreCrop:
    """The middle of every view: this share of its area, its aspect kept."""

    area: float = 0.9
    structural: ClassVar[bool] = True  # nothing is drawn

    def __post_init__(self) -> None:
        _check_area("CentreCrop", self.area)

    def __call__(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """Only affines, sizes and cameras change."""

        def cut(view: View) -> View:
            whole = of_view(view).size
            height, width = (max(1, round(np.sqrt(self.area) * side)) for side in whole)
            return apply_to_view(view, crop(whole, (whole[0] - height) // 2, (whole[1] - width) // 2, height, width))

        return replace(sample, views=tuple(map(cut, sample.views)))


@register("transform/pseudo_views")
@dataclass(frozen=True)
class PseudoViews:
    """One picture gives several views: crops of it, each with its own intrinsics (and so with labels of its own).

    areas: smallest and largest share of the picture's area, one pair a view (published: nearly all of it, then two details; BOP 0.15 to 0.65).
    aspect: width / height of the windows; one that would be larger than the picture is as large as the picture.
    """

    structural: ClassVar[bool] = True  # it decides how many views there are: held-out samples go through it too

    areas: tuple[tuple[float, float], ...] = ((0.9, 1.0), (0.25, 0.55), (0.25, 0.55))
    aspect: float = 4 / 3

    def __post_init__(self) -> None:
        if not self.areas or not all(0 < low <= high <= 1 for low, high in self.areas):
            raise ConfigError(f"PseudoViews.areas is {self.areas}; expected pairs of shares, smallest first, above 0 and at most 1")
        if self.aspect <= 0:
            raise ConfigError(f"PseudoViews.aspect is {self.aspect}; expected width / height above 0")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample's first view, as often as there are areas."""
        if not sample.views:
            return sample
        view = sample.views[0]
        height, width = of_view(view).size
        areas = [rng.uniform(low, high) * height * width for low, high in self.areas]
        return replace(sample, views=tuple(window(view, np.sqrt(area / self.aspect), np.sqrt(area * self.aspect), rng) for area in areas))


def _check_area(name: str, area: float) -> None:
    if not 0 < area <= 1:
        raise ConfigError(f"{name}.area is {area}; expected a share above 0, at most 1")


def window(view: View, height: float, width: float, rng: np.random.Generator) -> View:
    """A random window of about this height and width in pixels, inside the picture, on whole pixels."""
    whole = of_view(view).size
    size = [int(np.clip(round(side), 1, most)) for side, most in zip((height, width), whole, strict=True)]
    top, left = (int(rng.integers(0, most - side + 1)) for side, most in zip(size, whole, strict=True))
    return apply_to_view(view, crop(whole, top, left, size[0], size[1]))
