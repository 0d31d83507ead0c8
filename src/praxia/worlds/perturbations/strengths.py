"""How strong a perturbation is: one table. Categories after LIBERO-Plus (Fei et al. 2025, arXiv 2510.13626), five levels each, rising.

Ranges are the published ones where a world can show them (orbit, distance, joints). The look direction is scaled to tabletop's narrow lens
(25 degrees; the published 10 degrees would turn the table out of the picture), blurs to the side of the picture.
"""

from dataclasses import dataclass

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Kind:
    """One way to perturb within a category. strengths: rising, as many at each of the levels 1 to 5, in `unit`; what: what is changed by it."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    what: str


Table = dict[str, tuple[Kind, ...]]

STRENGTHS: Table = {
    "camera": (  # base view only
        Kind("orbit", "degrees", (15, 30, 45, 60, 75), "around the middle of what it looks at, left or right, and a fifth of it upwards"),
        Kind("distance", "times", (1.15, 1.35, 1.55, 1.80, 2.00), "as far from what it looks at"),
        Kind("look", "degrees", (1, 2, 3, 4, 5), "turned aside where it stands, in any direction"),
    ),
    "robot": (Kind("joints", "radians", (0.1, 0.2, 0.3, 0.4, 0.5), "norm of a random offset of the joint angles at the start"),),
    "language": (
        Kind(
            "wording", "step", (1, 2, 3, 4, 5), "phrasings never trained on; said politely; amid talk; only the outcome said; and other things named"
        ),
    ),
    "light": (
        Kind("direction", "degrees", (40, 50, 60, 70, 80), "between the lamps and the vertical, from any side"),
        Kind("dimmer", "share", (0.20, 0.35, 0.50, 0.62, 0.72), "of all light taken away"),
        Kind("brighter", "share", (0.06, 0.12, 0.18, 0.24, 0.30), "of all light added"),
        Kind("colour", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "of the way from white to warm, cold, green or violet light"),
        Kind("ambient", "share", (0.20, 0.40, 0.60, 0.80, 0.95), "of the light from everywhere taken away, and half as much more from the lamps"),
    ),
    "background": (
        Kind("table", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "of the way from the table's own texture to one that no split has"),
        Kind("surroundings", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "the same, around the part of the table where things stand"),
    ),
    "noise": (  # colours of the base view only; its depth stays
        Kind("grain", "grey levels", (8, 16, 25, 35, 46), "standard deviation of noise, fresh in every picture"),
        Kind("motion_blur", "share of the side", (0.03, 0.05, 0.07, 0.09, 0.12), "length of the smear, in any direction"),
        Kind("gaussian_blur", "share of the side", (0.010, 0.014, 0.018, 0.022, 0.027), "standard deviation"),
        Kind("zoom_blur", "times", (1.04, 1.07, 1.10, 1.14, 1.18), "largest of the zooms that are averaged"),
        Kind("glass_blur", "share of the side", (0.010, 0.016, 0.022, 0.029, 0.036), "by which rough glass displaces what is seen"),
        Kind("fog", "share", (0.15, 0.28, 0.40, 0.52, 0.64), "of the picture that is fog, in patches"),
    ),
    "layout": (
        Kind("distractors", "objects", (1, 2, 3, 4, 5), "more, which nobody asks for"),
        Kind("displaced", "metres", (0.008, 0.016, 0.024, 0.032, 0.040), "that the target stands aside of where targets can stand"),
    ),
}
CATEGORIES = tuple(STRENGTHS)
# The camera of worlds with an ordinary lens: it turns aside as far as published.
PUBLISHED_CAMERA = (*STRENGTHS["camera"][:2], Kind("look", "degrees", (2, 4, 6, 8, 10), STRENGTHS["camera"][2].what))

# Perturbed tasks of LIBERO-Plus in each category: its Total weighs the categories by these.
PUBLISHED_TASKS = {
    "camera": 1599,
    "robot": 1550,
    "language": 1537,
    "light": 1142,
    "background": 1076,
    "noise": 1601,
    "layout": 1525,
}
