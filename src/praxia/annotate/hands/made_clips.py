"""HandClips: clips of the embedded hands and their annotations, made when first needed and kept in the cache under their content."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from praxia.annotate.hands.identity import engine_code
from praxia.annotate.hands.run import annotate_hands
from praxia.annotate.hands.settings import HandRules
from praxia.data.cache import cache_folder
from praxia.data.demonstrations import Demonstrations
from praxia.data.hand_clips import CommonCamera, HandMotions, HandQuestions, RecordedClips
from praxia.data.hand_clips.annotated import MotionSource, QuestionSource
from praxia.data.hand_clips.tables import HandSplit
from praxia.errors import ConfigError
from praxia.registry import register, to_json

TASKS = ("reach", "grasp", "move", "bring", "pour")


@register("data/hand_clips")
@dataclass(frozen=True)
class HandClips:
    """Questions or motions of clips from the world `hands`, labelled with its exact depth and masks.

    asks: "questions" (Hand3D-visual) or "motions" (Hand3D-action). split: train or held_out; the task `pour` is held out whole. clips: of each
    task. side: of the pictures in pixels. scenes: tabletop's split of objects and table tops. picture_every: steps (of 15 a second) between
    pictures. kinds: categories of questions or families of motions, all if empty. camera: as in HandQuestions.
    """

    asks: Literal["questions", "motions"] = "questions"
    split: HandSplit = "train"
    clips: int = 60
    side: int = 128
    scenes: str = "pretrain"
    seed: int = 0
    picture_every: int = 3
    rules: HandRules = field(default_factory=lambda: HandRules(held_tasks=("pour",)))
    kinds: tuple[str, ...] = ()
    camera: CommonCamera | None = None

    def __post_init__(self) -> None:
        if self.asks not in ("questions", "motions"):
            raise ConfigError(f"HandClips.asks is {self.asks!r}; expected 'questions' or 'motions'")

    @property
    def recorded(self) -> Demonstrations:
        """The clips themselves."""
        look = {"size": self.side, "split": self.scenes}
        return Demonstrations("hands", TASKS, self.clips, self.seed, look, picture_every=self.picture_every, depth=True, masks=True)

    def root(self) -> Path:
        """Where the annotations are or will be: a name for the clips, the engine's code and its settings."""
        parts = [self.recorded.key(), engine_code(), json.dumps(to_json(self.rules), sort_keys=True)]
        return cache_folder("hands") / hashlib.blake2b("".join(parts).encode(), digest_size=8).hexdigest()

    def annotated(self) -> Path:
        """Make what is missing; the folder that `praxia annotate hands` would have written."""
        annotate_hands(RecordedClips(str(self.recorded.made().root)), self.root(), self.rules)
        return self.root()

    def open(self) -> QuestionSource | MotionSource:
        """Make what is missing, then open it."""
        root = str(self.annotated())
        if self.asks == "motions":
            return HandMotions(root, self.split, self.kinds, self.camera).open()
        return HandQuestions(root, self.split, self.kinds, self.camera).open()
