"""One clip -> its questions and motions: a pure function of the clip, the settings and what looks at it."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from praxia.annotate.hands.clouds import DepthSource
from praxia.annotate.hands.detect import Detector
from praxia.annotate.hands.moments import Looked, look
from praxia.annotate.hands.motions import motions
from praxia.annotate.hands.questions import questions
from praxia.annotate.hands.settings import HandRules
from praxia.data.hand_clips.clip import ClipSet
from praxia.data.hand_clips.tables import CLIPS, MOTIONS, QUESTIONS, HandSplit
from praxia.errors import DataError
from praxia.specs.hands import SIDES

UNREADABLE, NOT_ASKED = "unreadable", "no questions wanted"  # of clips


@dataclass(frozen=True)
class Place:
    """Where a clip belongs."""

    number: int
    split: HandSplit
    unseen_task: bool


def annotate_clip(
    clips: ClipSet, place: Place, depth: DepthSource, detector: Detector | None, rules: HandRules
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """Rows of the three tables. A clip whose scale cannot be trusted, or that cannot be looked at, has motions (they need no cloud) but no questions.

    Where no questions are wanted, no cloud is made. A clip that cannot be read has a row that says why, and nothing else.
    """
    name, task = clips.label(place.number)
    head = {"clip": place.number, "name": name, "task": task, "split": place.split, "unseen_task": place.unseen_task}
    try:
        clip = clips.clip(place.number)
        if detector is not None:
            clip = detector.told(clip)
    except DataError as error:
        nothing = {"steps": 0, "frames": 0, "scale": None, "spread": None, "rejected": f"{UNREADABLE}: {error}", "rejections": "{}"}
        return {CLIPS: [head | nothing], QUESTIONS: [], MOTIONS: []}
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((rules.seed, place.number))))
    looked = Looked([], None, float("nan"), NOT_ASKED)
    try:
        if rules.questions:
            looked = look(clips, place.number, clip, depth, detector, rules)
    except DataError as error:
        looked = Looked([], None, float("nan"), f"{UNREADABLE}: {error}")
    asked = questions(clip, looked.moments, rules, rng, looked.rejections) if looked.moments else []
    moved = motions(clip, partial(clips.view, place.number), rules, rng, looked.rejections)
    one = {
        "steps": len(clip),
        "frames": len(looked.moments),
        "scale": looked.scale,
        "spread": None if np.isnan(looked.spread) else looked.spread,
        "rejected": looked.reason,
        "rejections": json.dumps(looked.rejections, sort_keys=True),
    }
    return {
        CLIPS: [head | one],
        QUESTIONS: [
            head
            | {
                "category": a.category,
                "kind": a.kind,
                "frames": list(a.frames),
                "question": text,
                "answer": a.answer,
                "hand": a.hand,
                "object": a.object,
                "vector": a.vector.tolist(),
                "box": list(a.box),
            }
            for a, text in asked
        ],
        MOTIONS: [
            head
            | {"family": m.family, "frame": m.frame, "instruction": clip.instruction, "rate_hz": clip.rate_hz}
            | {f"{s}_{when}": path[s].ravel().tolist() if s in path else [] for when, path in (("past", m.past), ("future", m.future)) for s in SIDES}
            for m in moved
        ],
    }
