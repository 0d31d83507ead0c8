"""A sensor that sees badly: noise and blurs on colour pictures, seeded. Only grain is fresh in every picture; smears, glass and fog stay."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from praxia.worlds.perturbations.perturbation import Perturbation

_FOG = 0.86  # grey of fog
_ZOOMS = 7
_PATCHES = 5  # of fog, a side


@dataclass(frozen=True)
class SensorNoise:
    """The noise of one episode."""

    found: Perturbation

    def __call__(self, image: np.ndarray, frame: int) -> np.ndarray:
        """The picture uint8 [H, W, 3] as the sensor gives it at control step `frame`."""
        seen = _KINDS[self.found.kind.name](image / 255.0, self.found, frame)
        return np.round(255 * seen.clip(0, 1)).astype(np.uint8)


def _grain(image: np.ndarray, found: Perturbation, frame: int) -> np.ndarray:
    return image + found.rng(1 + frame).normal(0, found.strength / 255, image.shape)


def _motion_blur(image: np.ndarray, found: Perturbation, frame: int) -> np.ndarray:
    length = found.strength * image.shape[0]
    half = int(np.ceil(length / 2))
    way = found.rng().uniform(0, np.pi)
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    along, across = u * np.cos(way) + v * np.sin(way), v * np.cos(way) - u * np.sin(way)
    line = (1 - np.abs(across)).clip(0) * (length / 2 + 0.5 - np.abs(along)).clip(0, 1)  # a pixel wide
    return ndimage.convolve(image, (line / line.sum())[..., None], mode="nearest")


def _gaussian_blur(image: np.ndarray, found: Perturbation, frame: int) -> np.ndarray:
    return _smooth(image, found.strength * image.shape[0])


def _zoom_blur(image: np.ndarray, found: Perturbation, frame: int) -> np.ndarray:
    centre = ((np.array(image.shape[:2]) - 1) / 2)[:, None, None]
    away = _grid(image) - centre
    return np.mean([_look_up(image, away / zoom + centre) for zoom in np.linspace(1, found.strength, _ZOOMS)], axis=0)


def _glass_blur(image: np.ndarray, found: Perturbation, frame: int) -> np.ndarray:
    reach = found.strength * image.shape[0]
    grid = _grid(image)
    return _smooth(_look_up(image, grid + found.rng().uniform(-reach, reach, grid.shape)), reach / 5)


def _fog(image: np.ndarray, found: Perturbation, frame: int) -> np.ndarray:
    coarse, rows, columns = found.rng().random((_PATCHES, _PATCHES)), *image.shape[:2]
    patches = ndimage.map_coordinates(coarse, _grid(image) * (_PATCHES - 1) / np.array([rows - 1, columns - 1])[:, None, None], order=1)
    share = (found.strength * (0.75 + 0.5 * patches))[..., None]
    return image * (1 - share) + _FOG * share


def _grid(image: np.ndarray) -> np.ndarray:
    """(row, column) of every pixel, float64 [2, H, W]."""
    return np.indices(image.shape[:2]).astype(np.float64)


def _look_up(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The picture at (row, column) places [2, H, W], between pixels along straight lines."""
    return np.stack([ndimage.map_coordinates(image[..., c], places, order=1, mode="nearest") for c in range(3)], axis=-1)


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")


_KINDS: dict[str, Callable[[np.ndarray, Perturbation, int], np.ndarray]] = {
    "grain": _grain,
    "motion_blur": _motion_blur,
    "gaussian_blur": _gaussian_blur,
    "zoom_blur": _zoom_blur,
    "glass_blur": _glass_blur,
    "fog": _fog,
}
