"""The six colours a person can name, and the shades that make composed objects readable."""

import numpy as np

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.84, 0.07, 0.08),
    "green": (0.10, 0.60, 0.16),
    "blue": (0.10, 0.28, 0.90),
    "yellow": (0.97, 0.86, 0.10),
    "purple": (0.55, 0.14, 0.72),
    "orange": (1.00, 0.46, 0.02),
}
COLOUR_NAMES = tuple(COLOURS)

_NEUTRAL = {"white": (0.95, 0.95, 0.93), "black": (0.08, 0.08, 0.09), "wood": (0.55, 0.36, 0.20)}


def rgba(colour: str, shade: str = "body") -> np.ndarray:
    """float32 [4]: the named colour in one of the shades body, dark, light, or a neutral shade (white, black, wood)."""
    if shade in _NEUTRAL:
        return np.array([*_NEUTRAL[shade], 1.0], np.float32)
    rgb = np.array(COLOURS[colour])
    if shade == "dark":
        rgb = rgb * 0.45
    elif shade == "light":
        rgb = 0.5 * rgb + 0.5
    return np.array([*rgb, 1.0], np.float32)
