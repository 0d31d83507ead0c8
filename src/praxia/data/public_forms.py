"""Cards of public datasets whose numbers are known: what their owners never wrote beside them, and what praxia's worlds call the same.

Unverified on real files: forms after the cards of `physical-intelligence/libero` (openpi) and of the per-suite sets made by any4lerobot.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from praxia.data.card import CARD, check_card_against, write_card
from praxia.data.lerobot.tables import Tables
from praxia.errors import ConfigError, DataError, unknown
from praxia.specs import DatasetCard, ViewKeys
from praxia.worlds.libero.world import ACTION, MOST, STATE, TURN

_HEAD = ("observation.images.image", "image", "observation.images.agentview_rgb")
_WRIST = ("observation.images.image2", "observation.images.wrist_image", "wrist_image", "observation.images.eye_in_hand_rgb")


def libero(tables: Tables) -> DatasetCard:
    """LIBERO's demonstrations: commands as shares of the controller's limits, pictures mirrored left to right and so without calibration.

    Grippers are -1 (opens) to 1 (closes) as the simulator takes them, or 0 (closes) to 1 (opens) as the per-suite sets have them.
    """
    features = tables.info.features
    head, wrist = (_one_of(tables, names, what) for names, what in ((_HEAD, "agentview"), (_WRIST, "wrist")))
    action, state = _one_of(tables, ("action", "actions"), "actions"), _one_of(tables, ("observation.state", "state"), "state")
    for key, width in ((action, ACTION.width), (state, STATE.width)):
        if features[key].width != width:
            raise DataError(f"{tables.root}: {key!r} has {features[key].width} numbers a row; LIBERO's has {width}, so this is another form")
    gripper = np.asarray(tables.column(action))[:, -1]
    opens = gripper.min() >= 0
    return DatasetCard(
        tables.root.resolve().name,
        "panda",
        tables.info.fps,
        (ViewKeys("head", head, mirrored=True), ViewKeys("wrist", wrist, mirrored=True)),
        ACTION,
        STATE,
        action,
        state,
        action_scale=(*(MOST,) * 3, *(TURN,) * 3, -2.0 if opens else 1.0),
        action_offset=(*(0.0,) * 6, 1.0 if opens else 0.0),
        source="https://github.com/Lifelong-Robot-Learning/LIBERO",
        licence="libero assets",  # of what the pictures show; the recordings themselves are CC BY 4.0
        notes="public demonstrations",
    )


FORMS: dict[str, Callable[[Tables], DatasetCard]] = {"libero": libero}


def write_public_card(root: Path | str, form: str) -> Path:
    """Write the card of a known form beside the dataset; an existing card is never overwritten. Raises DataError for files of another form."""
    if form not in FORMS:
        raise ConfigError(unknown("public form", form, FORMS))
    path = Path(root) / CARD
    if path.exists():
        raise DataError(f"{path} exists; edit it, or move it away to write a new one")
    tables = Tables(root)
    card = FORMS[form](tables)
    check_card_against(card, tables.info, f"card of {root}")
    return write_card(root, card)


def _one_of(tables: Tables, names: tuple[str, ...], what: str) -> str:
    found = [name for name in names if name in tables.info.features]
    if not found:
        raise DataError(f"{tables.root} has none of {', '.join(names)} for {what}; draft a card with `praxia data inspect` in place of a known form")
    return found[0]
