"""Random shift: each picture moves by a few pixels, its camera with it."""

from dataclasses import dataclass, replace

import numpy as np

from praxia.data.sample import Sample
from praxia.geometry.camera import Camera
from praxia.geometry.scene import View
from praxia.registry import register


@register("transform/shift")
@dataclass(frozen=True)
class RandomShift:
    """Shift every view independently by whole pixels, uniform in [-fraction, fraction] of its width and height."""

    fraction: float = 0.0625

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Only affines and principal points change; pixels are moved later, in batch."""
        return replace(sample, views=tuple(self._shifted(view, rng) for view in sample.views))

    def _shifted(self, view: View, rng: np.random.Generator) -> View:
        height, width = view.size if view.size != (0, 0) else view.image.shape[:2]
        reach = (int(self.fraction * width), int(self.fraction * height))
        move = rng.integers((-reach[0], -reach[1]), (reach[0] + 1, reach[1] + 1))
        affine = view.affine.copy()
        affine[:, 2] += move
        camera = view.camera
        if camera is not None:
            K = camera.K.copy()
            K[:2, 2] += move
            camera = Camera(K, camera.T_base_cam)
        return replace(view, affine=affine, camera=camera, size=(height, width))
