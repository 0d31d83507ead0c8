"""Sample: one moment of one recording, every part optional and explicit (frozen; transforms return a new one)."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from praxia.errors import DataError, unknown
from praxia.geometry.scene import ObjectTruth, View

Family = Literal["instructional", "contextual", "translation"]


@dataclass(frozen=True)
class Window:
    """States and actions at consecutive steps. Row i of `past` ends just before now; row 0 of `future` is now."""

    states: np.ndarray  # float32 [T, Ds]
    actions: np.ndarray  # float32 [T, Da]
    valid: np.ndarray  # bool [T]; False past the end or before the start of the episode

    @property
    def start(self) -> np.ndarray:
        """State [Ds] of the first valid step (of the first row where none is)."""
        return self.states[int(np.argmax(self.valid))]


@dataclass(frozen=True)
class WristPaths:
    """Where wrists were and go, metres in the camera frame of the sample's first view (VIPA-VLA §3.6).

    past, future: side ("left", "right") -> float64 [T, 3]; an absent hand has no entry. Row 0 of `future` is one step after now, the last row of
    `past` is now. family: what is asked: a motion from an instruction, its continuation, or its description.
    """

    past: dict[str, np.ndarray]
    future: dict[str, np.ndarray]
    rate_hz: float
    family: Family = "instructional"

    def __post_init__(self) -> None:
        if self.family not in get_args(Family):
            raise DataError(unknown("WristPaths.family", self.family, get_args(Family)))


@dataclass(frozen=True)
class Provenance:
    """Where a sample comes from. unseen_task: no sample of its task is in the training split."""

    dataset: str
    episode: int
    frame: int
    licence: str = "unknown"
    unseen_task: bool = False


@dataclass(frozen=True)
class Sample:
    """What is known of one moment. Absent parts are None or empty; nothing is padded silently."""

    views: tuple[View, ...] = ()
    instruction: str = ""
    embodiment: str = ""
    state: np.ndarray | None = None  # float32 [Ds] in the robot's own units
    past: Window | None = None
    future: Window | None = None
    tool_path: dict[str, np.ndarray] = field(default_factory=dict)  # arm -> float64 [T, 4, 4] T_base_tool, row 0 = now
    objects: tuple[ObjectTruth, ...] = ()
    others: tuple[str, ...] = ()  # names of things that are there too, but are not in `objects`
    hidden: tuple[ObjectTruth, ...] = ()  # those of them whose pose is known, but which are seen too little to be asked for
    labelled: tuple[str, ...] = ()  # names of all kinds of things that the dataset labels where they are; empty = it does not say
    exhaustive: bool = True  # whether all things of those kinds are in `objects` or `others`
    target: str = ""  # name of the object that is to be acted on now
    goal: np.ndarray | None = None  # float64 [3] base frame: where the target, or the tool, must get to
    question: str = ""
    answer: str = ""
    later: tuple[str, ...] = ()  # how a conversation goes on: question, answer, and so on
    category: str = ""  # kind of question, for scores by kind
    form: str = ""  # what of its category is asked for: a position, a distance, contact ...
    wrists: WristPaths | None = None
    provenance: Provenance | None = None
