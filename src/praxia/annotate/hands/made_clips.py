"""HandClips: clips of the embedded hands and their annotations, made when first needed and kept in the cache under their content."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from praxia.annotate.feature_cache import weights_digest
from praxia.annotate.hands.identity import engine_code
from praxia.annotate.hands.looks import Looks
from praxia.annotate.hands.run import annotate_hands
from praxia.annotate.hands.settings import HandRules
from praxia.data.cache import cache_folder
from praxia.data.demonstrations import Demonstrations
from praxia.data.hand_clips import CommonCamera, HandMotions, HandQuestions, RecordedClips
from praxia.data.hand_clips.annotated import MotionSource, QuestionSource
from praxia.data.hand_clips.tables import HandSplit
from praxia.errors import ConfigError
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.models.geometry_nets.net_folder import DESCRIPTION, WEIGHTS
from praxia.registry import register, to_json

TASKS = ("reach", "grasp", "move", "bring", "pour")


@register("data/hand_clips")
@dataclass(frozen=True)
class HandClips:
    """Questions or motions of clips from the world `hands`, labelled with its exact depth and masks, or through a geometry net.

    net: what sees the depth of questions in place of the recording: a spec that names its weights (`checkpoint`), or that of the net which an earlier
    `stage` of the run trains as part `geometry` (as `Teacher`). Motions need no depth.
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
    net: Any = None
    stage: str = ""

    def __post_init__(self) -> None:
        if self.asks not in ("questions", "motions"):
            raise ConfigError(f"HandClips.asks is {self.asks!r}; expected 'questions' or 'motions'")
        if self.asks == "motions" and self.net is not None:
            raise ConfigError(f"HandClips.net is {type(self.net).__name__}, but motions are paths of joints and need no depth; leave it out")
        if self.stage and self.net is None:
            raise ConfigError(f"HandClips.stage is {self.stage!r}, but no net is named; give HandClips.net the spec of the net that it trains")

    @property
    def roles(self) -> tuple[str, ...]:
        """Views of a sample, at most."""
        return HandMotions.roles if self.asks == "motions" else HandQuestions.roles

    @property
    def recorded(self) -> Demonstrations:
        """The clips themselves."""
        look = {"size": self.side, "split": self.scenes}
        return Demonstrations("hands", TASKS, self.clips, self.seed, look, picture_every=self.picture_every, depth=True, masks=True)

    @property
    def looks(self) -> Looks:
        """What looks at them. Raises ConfigError while the net is still to be trained."""
        if self.stage:
            raise ConfigError(f"HandClips.net is to be trained by stage {self.stage!r} of a run; there are no labels before (`labelled_by`)")
        return Looks(self.net)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files of the net, if it has a folder: other weights make other labels."""
        checkpoint = getattr(self.net, "checkpoint", "")
        folder = Path(checkpoint).expanduser()
        return (folder / DESCRIPTION, folder / WEIGHTS) if checkpoint and (folder / DESCRIPTION).is_file() else ()

    def labelled_by(self, folder: Path) -> "HandClips":
        """The same clips once the net of `stage` is in a folder."""
        return replace(self, net=replace(self.net, checkpoint=str(folder)), stage="")

    def root(self) -> Path:
        """Where the annotations are or will be: a name for the clips, the engine's code, its settings and the weights of a net."""
        parts = [self.recorded.key(), engine_code(), json.dumps(to_json(self.rules), sort_keys=True)]
        if self.net is not None:
            parts += [json.dumps(self.looks.plan, sort_keys=True), weights_digest(pretrained(self.net)).hex()]
        return cache_folder("hands") / hashlib.blake2b("".join(parts).encode(), digest_size=8).hexdigest()

    def annotated(self) -> Path:
        """Make what is missing; the folder that `praxia annotate hands` would have written."""
        root = self.root()
        annotate_hands(RecordedClips(str(self.recorded.made().root)), root, self.rules, self.looks)
        return root

    def open(self) -> QuestionSource | MotionSource:
        """Make what is missing, then open it."""
        root = str(self.annotated())
        if self.asks == "motions":
            return HandMotions(root, self.split, self.kinds, self.camera).open()
        return HandQuestions(root, self.split, self.kinds, self.camera).open()
