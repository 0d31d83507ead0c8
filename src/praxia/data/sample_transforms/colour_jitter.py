"""Colour jitter: brightness, contrast, saturation and hue of each picture, drawn here, applied to pixels in batch."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.errors import ConfigError
from praxia.geometry.scene import View
from praxia.registry import register


@register("transform/colour_jitter")
@dataclass(frozen=True)
class ColourJitter:
    """With `probability` every view gets factors from [1 - x, 1 + x] for brightness, contrast and saturation, and a turn of hue from [-hue, hue].

    hue: in full turns. The defaults are Pose-VLA's (released code). A sample is changed in all its views or in none.
    """

    probability: float = 0.5
    brightness: float = 0.5
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 0.05
    moves: ClassVar[bool] = False  # pixels stay where they are

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"ColourJitter.probability is {self.probability}; expected a number from 0 to 1")
        for name, most in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"ColourJitter.{name} is {getattr(self, name)}; expected a strength from 0 to {most:g}")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Only `View.colour` changes."""
        if rng.random() >= self.probability:
            return sample
        reach = np.array([self.brightness, self.contrast, self.saturation, self.hue])

        def drawn(view: View) -> View:
            return replace(view, colour=np.array([1.0, 1.0, 1.0, 0.0]) + rng.uniform(-reach, reach))

        return replace(sample, views=tuple(map(drawn, sample.views)))
