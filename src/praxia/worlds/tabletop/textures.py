"""Table tops: small procedural textures in muted colours, so that the six object colours stand out."""

from dataclasses import dataclass

import numpy as np

SIZE = 128  # pixels a side


@dataclass(frozen=True)
class TableTop:
    """One table top: a pattern in two muted colours (RGB in [0, 1])."""

    pattern: str
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    seed: int = 0


def paint(top: TableTop) -> np.ndarray:
    """uint8 [SIZE, SIZE, 3]: the texture, the same every time."""
    rng = np.random.default_rng([top.seed, *top.pattern.encode()])
    share = PATTERNS[top.pattern](rng)[..., None]
    return np.round(255 * ((1 - share) * np.array(top.first) + share * np.array(top.second))).clip(0, 255).astype(np.uint8)


def mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """uint8 [SIZE, SIZE, 3]: `share` of the second texture, the rest of the first."""
    return np.round((1 - share) * first + share * second).astype(np.uint8)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    v, u = np.mgrid[:SIZE, :SIZE] / SIZE
    return u, v


def _smooth(rng: np.random.Generator, cells: tuple[int, int]) -> np.ndarray:
    """Periodic value noise in [0, 1] with `cells` (rows, columns) of detail."""
    coarse = rng.random(cells)
    v, u = np.mgrid[:SIZE, :SIZE]
    y, x = v * cells[0] / SIZE, u * cells[1] / SIZE
    i, j = y.astype(int), x.astype(int)
    fy, fx = (t * t * (3 - 2 * t) for t in (y - i, x - j))
    at = lambda a, b: coarse[(i + a) % cells[0], (j + b) % cells[1]]  # noqa: E731
    return (1 - fy) * ((1 - fx) * at(0, 0) + fx * at(0, 1)) + fy * ((1 - fx) * at(1, 0) + fx * at(1, 1))


def _wood(rng: np.random.Generator) -> np.ndarray:
    grain = _smooth(rng, (24, 3)) + 0.5 * _smooth(rng, (64, 4))
    planks = (np.arange(SIZE) * 4 // SIZE)[:, None] % 2 * 0.15
    seams = ((np.arange(SIZE) % (SIZE // 4)) < 2)[:, None] * 0.5
    return (0.45 * grain + planks + seams).clip(0, 1)


def _speckle(rng: np.random.Generator) -> np.ndarray:
    return (_smooth(rng, (64, 64)) > 0.72) * 0.8 + 0.15 * _smooth(rng, (8, 8))


def _stripes(rng: np.random.Generator) -> np.ndarray:
    u, _ = _grid()
    return (np.sin(2 * np.pi * 4 * u) > 0) * 0.8 + 0.1 * _smooth(rng, (8, 8))


def _checks(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid()
    return ((np.floor(u * 4) + np.floor(v * 4)) % 2) * 0.8 + 0.1 * _smooth(rng, (8, 8))


def _clouds(rng: np.random.Generator) -> np.ndarray:
    return 0.6 * _smooth(rng, (4, 4)) + 0.4 * _smooth(rng, (12, 12))


def _weave(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid()
    return 0.5 + 0.3 * np.sin(2 * np.pi * 16 * u) * np.sin(2 * np.pi * 16 * v) + 0.2 * (_smooth(rng, (32, 32)) - 0.5)


PATTERNS = {"wood": _wood, "speckle": _speckle, "stripes": _stripes, "checks": _checks, "clouds": _clouds, "weave": _weave}

# Table tops that no split has: other patterns, stronger contrast.
FOREIGN = (
    TableTop("checks", (0.16, 0.34, 0.36), (0.86, 0.84, 0.74), 7),
    TableTop("stripes", (0.22, 0.20, 0.19), (0.84, 0.84, 0.82), 7),
    TableTop("wood", (0.36, 0.20, 0.12), (0.13, 0.07, 0.04), 7),
    TableTop("speckle", (0.95, 0.95, 0.93), (0.14, 0.14, 0.17), 7),
    TableTop("weave", (0.72, 0.48, 0.52), (0.20, 0.30, 0.27), 7),
    TableTop("clouds", (0.24, 0.36, 0.26), (0.74, 0.78, 0.62), 7),
)
