"""Affordance: where a thing is grasped, pressed, pulled, filled."""

import numpy as np

from praxia.data.supervision.questions.look import Look, Question, phrase, shuffled
from praxia.geometry.scene import Contact
from praxia.tokens.coordinates import pixel_shares, points_text

INTERACT = {
    "grasp": ("where to grasp the {name} ?", "where should the gripper take the {name} ?", "point to where the {name} can be picked up"),
    "press": ("where to press the {name} ?", "point to where a finger presses the {name}", "where should the gripper push the {name} down ?"),
    "pull": ("where to pull the {name} ?", "point to the handle of the {name}", "where should the gripper pull the {name} open ?"),
    "fill": ("where to put a thing into the {name} ?", "point to where a thing can be put down in the {name}"),
}
REACH = 0.025  # metres around the contact that are right too, as far as they are the thing's own visible pixels


def interact(look: Look, contacts: tuple[Contact, ...], rng: np.random.Generator) -> Question | None:
    """A contact whose place in the picture is the thing's: one that another thing hides is not asked about. Contacts are to be where the camera can
    see them: one on the far side of its own thing is not told apart."""
    v, u = np.mgrid[: look.size[0], : look.size[1]]
    assert look.view.camera is not None
    focal = look.view.camera.K[0, 0]
    known = [(thing, c) for thing in look.named for c in contacts if c.category == thing.truth.category and c.verb in INTERACT]
    for thing, contact in shuffled(rng, known):
        T = thing.truth.T_base_object
        place = T[:3, 3] + T[:3, :3] @ (np.array(contact.at) * thing.truth.size / 2)
        pixel, depth = look.project(place)
        if not np.isfinite(pixel).all() or not look.shows(pixel):
            continue
        region = thing.area & (np.hypot(u - pixel[0], v - pixel[1]) <= REACH * focal / depth)
        column, row = np.floor(pixel + 0.5).astype(int)
        if region[row, column]:
            text = phrase(rng, INTERACT[contact.verb], name=thing.truth.name)
            answer = points_text(pixel_shares(pixel, look.size))
            return Question("affordance", contact.verb, text, answer, "point", region, about=place[None])
    return None
