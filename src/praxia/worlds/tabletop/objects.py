"""Object categories: what they look like, how the gripper takes them, what can be done with them."""

from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin

import mujoco
import numpy as np

from praxia.worlds.tabletop.parts import Part, bounds, box, capsule, cylinder, ellipsoid, sphere, wheel

DENSITY = 350.0  # kg/m^3: about 20 to 70 g an object
MAX_PARTS = 9


@dataclass(frozen=True)
class Category:
    """One kind of object. Parts stand on z = 0 and are 5 to 6.5 cm wide along y.

    The gripper takes it from above with its fingers along y: `grasp_xy` and `grasp_height` place the tool between the fingers.
    `turns`: the grasp repeats every pi / turns of yaw; 0 = round, any yaw will do.
    """

    name: str
    parts: tuple[Part, ...]
    grasp_width: float  # metres between the fingers when closed on it
    grasp_height: float  # of the tool above the table
    turns: int = 0
    grasp_x: float = 0.0  # of the tool along the object's x, in the frame of `parts`
    touch_x: float = 0.0  # where its top is solid, along x in the frame of `parts`
    max_yaw: float = pi / 6  # objects are placed within +- this yaw
    flat_base: bool = True  # may be put on top of something
    flat_top: bool = False  # may carry something
    pushable: bool = True


def _ring(radius: float, tube: float, sides: int) -> tuple[Part, ...]:
    corners = [(radius * cos(2 * pi * (i + 0.5) / sides), radius * sin(2 * pi * (i + 0.5) / sides), tube) for i in range(sides)]
    return tuple(capsule(corners[i], corners[(i + 1) % sides], tube) for i in range(sides))


CATEGORIES: dict[str, Category] = {
    c.name: c
    for c in (
        Category("cube", (box((0.027, 0.027, 0.027), (0, 0, 0.027)),), 0.054, 0.028, turns=2, flat_top=True),
        Category("ball", (sphere(0.0285, (0, 0, 0.0285)),), 0.057, 0.0285, flat_base=False, pushable=False),
        Category(
            "can",
            (
                cylinder(0.027, 0.032, (0, 0, 0.036)),
                cylinder(0.0245, 0.040, (0, 0, 0.040), "white"),
                cylinder(0.0276, 0.007, (0, 0, 0.038), "white", solid=False),
            ),
            0.054,
            0.040,
            flat_top=True,
        ),
        Category(
            "mug",
            (
                cylinder(0.0265, 0.027, (0, 0, 0.027)),
                cylinder(0.0215, 0.0005, (0, 0, 0.0545), "black", solid=False),
                capsule((0.024, 0, 0.045), (0.048, 0, 0.042), 0.006),
                capsule((0.048, 0, 0.042), (0.048, 0, 0.018), 0.006),
                capsule((0.048, 0, 0.018), (0.024, 0, 0.012), 0.006),
            ),
            0.053,
            0.030,
            turns=1,
            max_yaw=pi / 4,
        ),
        Category(
            "bowl",
            (
                cylinder(0.018, 0.004, (0, 0, 0.004)),
                cylinder(0.025, 0.006, (0, 0, 0.013)),
                cylinder(0.032, 0.009, (0, 0, 0.027)),
                cylinder(0.0275, 0.0005, (0, 0, 0.0365), "light", solid=False),
                cylinder(0.0170, 0.0005, (0, 0, 0.0372), "dark", solid=False),
            ),
            0.064,
            0.027,
            pushable=False,  # its foot is narrow: it tips
        ),
        Category(
            "bottle",
            (
                cylinder(0.026, 0.026, (0, 0, 0.026)),
                ellipsoid((0.026, 0.026, 0.017), (0, 0, 0.052), solid=False),
                cylinder(0.0095, 0.012, (0, 0, 0.074)),
                cylinder(0.0115, 0.006, (0, 0, 0.087), "white"),
                cylinder(0.0266, 0.009, (0, 0, 0.026), "white", solid=False),
            ),
            0.052,
            0.032,
        ),
        Category(
            "pyramid",
            (
                box((0.030, 0.030, 0.008), (0, 0, 0.008)),
                box((0.022, 0.022, 0.008), (0, 0, 0.024), shade="light"),
                box((0.0145, 0.0145, 0.008), (0, 0, 0.040)),
                box((0.007, 0.007, 0.008), (0, 0, 0.056), shade="light"),
            ),
            0.060,
            0.012,
            turns=2,
        ),
        Category(
            "cross",
            (box((0.0105, 0.0315, 0.014), (0, 0, 0.014)), box((0.0315, 0.0105, 0.014), (0, 0, 0.014))),
            0.063,
            0.014,
            turns=2,
        ),
        Category("ring", _ring(0.0245, 0.0085, 8), 0.062, 0.011, touch_x=0.0245),
        Category(
            "book",
            (
                box((0.034, 0.027, 0.0025), (0, 0, 0.0025)),
                box((0.032, 0.025, 0.008), (0.001, 0, 0.0125), shade="white"),
                box((0.034, 0.027, 0.0025), (0, 0, 0.0225)),
                box((0.0025, 0.027, 0.0125), (-0.0315, 0, 0.0125)),
                box((0.016, 0.013, 0.0004), (0.004, 0, 0.0253), shade="white", solid=False),
            ),
            0.054,
            0.014,
            turns=1,
            flat_top=True,
        ),
        Category(
            "hammer",
            (
                box((0.011, 0.030, 0.013), (0.028, 0, 0.013)),
                box((0.012, 0.010, 0.014), (0.028, 0.022, 0.014), shade="dark", solid=False),
                capsule((0.020, 0, 0.012), (-0.036, 0, 0.012), 0.0095, "wood"),
            ),
            0.019,
            0.012,
            turns=1,
            grasp_x=-0.008,
            touch_x=0.028,
            pushable=False,  # its handle turns it around
        ),
        Category(
            "mushroom",
            (
                cylinder(0.013, 0.014, (0, 0, 0.014), "white"),
                ellipsoid((0.031, 0.031, 0.019), (0, 0, 0.040)),
                sphere(0.007, (0.014, 0.010, 0.0530), "white", solid=False),
                sphere(0.007, (-0.010, 0.014, 0.0530), "white", solid=False),
                sphere(0.007, (0.002, -0.016, 0.0530), "white", solid=False),
            ),
            0.062,
            0.038,
            flat_base=False,
            pushable=False,
        ),
        Category(
            "car",
            (
                box((0.033, 0.022, 0.010), (0, 0, 0.018)),
                box((0.017, 0.019, 0.009), (-0.004, 0, 0.037), shade="light"),
                wheel(0.0115, 0.027, (0.020, 0, 0.0115), "black"),
                wheel(0.0115, 0.027, (-0.020, 0, 0.0115), "black"),
            ),
            0.054,
            0.020,
            turns=1,
        ),
        Category(
            "fish",
            (
                cylinder(0.027, 0.010, (0.006, 0, 0.010)),
                box((0.013, 0.006, 0.009), (-0.027, 0.008, 0.009), yaw=-0.7, shade="light"),
                box((0.013, 0.006, 0.009), (-0.027, -0.008, 0.009), yaw=0.7, shade="light"),
                cylinder(0.0055, 0.0005, (0.020, 0.008, 0.0205), "white", solid=False),
                cylinder(0.0028, 0.0005, (0.021, 0.008, 0.0212), "black", solid=False),
                box((0.0030, 0.018, 0.0004), (0.002, 0, 0.0203), shade="light", solid=False),
            ),
            0.054,
            0.012,
            turns=1,
            grasp_x=0.006,
        ),
    )
}

# Taken by two hands; grasps are the business of `skills/two_hands.py`. They stand apart: no task for one arm draws them.
BAR_HALF = (0.014, 0.115, 0.014)  # lies along y
TRAY_HALF, HANDLE_Y, HANDLE_HALF = (0.055, 0.105), 0.118, (0.028, 0.006, 0.026)  # half plate (x, y); middle and half sizes of the handles
PLATE = 0.008  # metres, thickness
_HANDLE_Z = PLATE + HANDLE_HALF[2]
TWO_HANDED: dict[str, Category] = {
    c.name: c
    for c in (
        Category(
            "bar",
            (
                box(BAR_HALF, (0, 0, BAR_HALF[2])),
                *(box((0.0145, 0.012, 0.0145), (0, s * 0.103, BAR_HALF[2]), shade="white", solid=False) for s in (-1, 1)),
            ),
            2 * BAR_HALF[0],
            BAR_HALF[2],
        ),
        Category(
            "tray",
            (
                box((*TRAY_HALF, PLATE / 2), (0, 0, PLATE / 2)),
                *(box((TRAY_HALF[0], 0.003, 0.008), (0, s * (TRAY_HALF[1] - 0.003), 0.008), shade="light") for s in (-1, 1)),
                *(box((0.003, TRAY_HALF[1], 0.008), (s * (TRAY_HALF[0] - 0.003), 0, 0.008), shade="light") for s in (-1, 1)),
                *(box((HANDLE_HALF[0], HANDLE_Y - TRAY_HALF[1] + HANDLE_HALF[1], PLATE / 2), (0, s * HANDLE_Y, PLATE / 2)) for s in (-1, 1)),
                *(box(HANDLE_HALF, (0, s * HANDLE_Y, _HANDLE_Z), shade="dark") for s in (-1, 1)),
            ),
            2 * HANDLE_HALF[1],
            _HANDLE_Z + 0.008,
        ),
    )
}


@dataclass(frozen=True)
class Template:
    """A category ready to be installed: parts around the box centre, true size, and the inertia MuJoCo computes for them."""

    category: Category
    parts: tuple[Part, ...]  # in the upright object frame, origin = box centre
    size: np.ndarray  # float64 [3] full side lengths
    grasp: np.ndarray  # float64 [3] tool position in the object frame
    touch_x: float  # in the object frame
    mass: float
    ipos: np.ndarray
    iquat: np.ndarray
    inertia: np.ndarray


@cache
def template(name: str) -> Template:
    """The template of a category, compiled once a process."""
    category = (CATEGORIES | TWO_HANDED)[name]
    centre, size = bounds(category.parts)
    parts = tuple(p.moved(-centre) for p in category.parts)
    spec = mujoco.MjSpec()
    body = spec.worldbody.add_body(name="object")
    for p in parts:
        if p.solid:
            body.add_geom(type=mujoco.mjtGeom(p.type), size=p.size, pos=p.pos, quat=p.quat, density=DENSITY)
    model = spec.compile()
    grasp = np.array([category.grasp_x, 0.0, category.grasp_height]) - centre
    return Template(
        category,
        parts,
        size,
        grasp,
        float(category.touch_x - centre[0]),
        float(model.body_mass[1]),
        model.body_ipos[1].copy(),
        model.body_iquat[1].copy(),
        model.body_inertia[1].copy(),
    )
