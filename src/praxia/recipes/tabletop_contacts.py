"""Where the things of tabletop are acted on, as its experts do it: grasps of objects, handles, caps, floors of trays."""

from functools import cache

import numpy as np

from praxia.geometry.scene import Contact
from praxia.worlds.tabletop import fixtures
from praxia.worlds.tabletop.objects import CATEGORIES, template


@cache
def contacts() -> tuple[Contact, ...]:
    """One for each category that one arm can act on; zones are only moved onto."""
    grasps = [Contact(name, "grasp", _at(template(name).grasp, template(name).size)) for name in CATEGORIES]
    handle = (fixtures.HANDLE_OUT + (fixtures.DRAWER_TRAVEL - 0.004)) / (
        fixtures.HANDLE_OUT + fixtures.HANDLE_HALF[0] + fixtures.DRAWER_TRAVEL - 0.004
    )
    low, high = 0.002, fixtures.CABINET_HEIGHT - 0.006  # of a drawer's box
    middle = (low + high) / 2
    return (
        *grasps,
        Contact("drawer", "pull", (2 * handle - 1, 0.0, (fixtures.HANDLE_HEIGHT - middle) / (high - middle))),
        Contact("button", "press", (0.0, 0.0, 1.0)),
        Contact("tray", "fill", (0.0, 0.0, 2 * fixtures.TRAY_FLOOR / fixtures.TRAY_RIM - 1)),
    )


def _at(place: np.ndarray, size: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in 2 * place / size)
    return x, y, z
