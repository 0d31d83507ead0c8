"""Spatial grounding: points and boxes of things, free space on the table."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from praxia.data.supervision.questions.look import Look, Question, phrase, shuffled
from praxia.tokens.coordinates import box_text, pixel_shares, points_text

POINT = ("point to the {name}", "where is the {name} ?", "locate the {name}")
BOX = ("give the box of the {name}", "draw a box around the {name}", "which box holds the {name} ?")
FREE = ("point to a free place on the table", "where is the table free ?", "where is room for one more thing ?")
BESIDE = ("point to a free place {side} of the {name}", "where is the table free {side} of the {name} ?", "find room {side} of the {name}")
ROOM = 0.02  # metres around a free place
ASIDE = 0.10  # metres: how far a free place beside a thing may be from it


def point(look: Look, surface: int, rng: np.random.Generator) -> Question | None:
    """Any visible pixel is right; the one that is taught is nearest to the middle of all of them."""
    if not (things := look.named):
        return None
    one = things[rng.integers(len(things))]
    answer = points_text(pixel_shares(one.pixel, look.size))
    text = phrase(rng, POINT, name=one.truth.name)
    return Question("grounding", "point", text, answer, "point", one.area, about=one.centre[None])


def box(look: Look, surface: int, rng: np.random.Generator) -> Question | None:
    """Around the visible pixels."""
    if not (things := look.named):
        return None
    one = things[rng.integers(len(things))]
    shares = pixel_shares(one.box.reshape(2, 2), look.size).ravel()
    return Question("grounding", "box", phrase(rng, BOX, name=one.truth.name), box_text(shares), "box", box=shares, about=one.centre[None])


def free(look: Look, surface: int, rng: np.random.Generator) -> Question | None:
    """Any place of the table with room around it; the one that is taught has the most, up to the picture's border."""
    region, room = _free(look, surface)
    return _place(look, "free", phrase(rng, FREE), region, room) if region.any() else None


def beside(look: Look, surface: int, rng: np.random.Generator) -> Question | None:
    """Free places within ASIDE of a thing's side, at its height in the picture."""
    region, room = _free(look, surface)
    v, u = np.mgrid[: look.size[0], : look.size[1]]
    reach = ASIDE * look.pixels_per_metre
    for one in shuffled(rng, look.named):
        u0, v0, u1, v1 = one.box
        level = region & (v > v0) & (v < v1)
        sides = {"left": level & (u < u0) & (u > u0 - reach), "right": level & (u > u1) & (u < u1 + reach)}
        for side in shuffled(rng, list(sides)):
            if sides[side].sum() >= one.area.sum() / 4:  # a sliver is no place
                text = phrase(rng, BESIDE, side=side, name=one.truth.name)
                return _place(look, "beside", text, sides[side], room, one.centre[None])
    return None


def _free(look: Look, surface: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the table has ROOM around it, bool [H, W], and how much room there is up to the next thing or border, in pixels."""
    table = look.mask == surface
    away = _distance(table | (look.mask < 0), border=True)  # things alone take room
    return table & (away >= ROOM * look.pixels_per_metre), _distance(table, border=False)


def _distance(area: np.ndarray, border: bool) -> np.ndarray:
    """Pixels from the nearest one outside the area, float64 [H, W]; border: whether what lies around the picture belongs to it."""
    return np.asarray(distance_transform_edt(np.pad(area, 1, constant_values=border)))[1:-1, 1:-1]


def _place(look: Look, kind: str, text: str, region: np.ndarray, room: np.ndarray, about: np.ndarray | None = None) -> Question:
    row, column = np.unravel_index(np.where(region, room, -1.0).argmax(), region.shape)
    answer = points_text(pixel_shares(np.array([column, row]), look.size))
    return Question("grounding", kind, text, answer, "point", region, about=np.zeros((0, 3)) if about is None else about)
