"""A model that says poses, asked with a grammar: its answers as boxes and ways in a camera's (or the base's) frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from praxia.data.collate import Collate
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.supervision import Example
from praxia.data.supervision.waypoints import Waypoints, called
from praxia.errors import ConfigError
from praxia.geometry.boxes import Boxes
from praxia.geometry.rotations import euler_to_matrix
from praxia.geometry.se3 import pose
from praxia.models.vla import VLA
from praxia.tokens.pose_answer import SaidPose, read_answer
from praxia.tokens.pose_grammar import OBJECT_BOX, OBJECT_CENTRE, WAYPOINT, PoseGrammar
from praxia.tokens.pose_vocabulary import PoseTokens

_AT_ONCE = 16


@dataclass(frozen=True)
class SaidBoxes:
    """Objects that are said of one view. boxes: camera frame, metres, [n], nearest first; certainty: float64 [n], 0 to 1 (geometric mean of the
    probabilities of an object's tokens)."""

    boxes: Boxes
    certainty: np.ndarray


@dataclass(frozen=True)
class SaidWay:
    """Waypoints that are said of one arm in one view. poses: float64 [K, 4, 4] of the gripper, the first is now, in the frame that was taught;
    certainty: float64 [K], as of `SaidBoxes`."""

    poses: np.ndarray
    certainty: np.ndarray


@dataclass(frozen=True)
class Speaker:
    """A model with what turns its answers into poses."""

    model: VLA
    collate: Collate
    tokenizer: Any
    vocabulary: PoseTokens

    def objects(self, asked: Sequence[tuple[Example, str]], supervision: ObjectPoses) -> list[list[SaidPose]]:
        """What it says to each example that asks for a class. Raises ConfigError for a supervision without view delimiters."""
        if not supervision.delimiters:
            raise ConfigError("object poses are only understood with view delimiters: without them nobody knows whose frame a box is in")
        numbers = OBJECT_BOX if supervision.place == "box" else OBJECT_CENTRE
        return self._answers([(example, [category], numbers) for example, category in asked], supervision.most_tokens)

    def ways(self, asked: Sequence[tuple[Example, Sequence[str]]], supervision: Waypoints) -> list[list[SaidPose]]:
        """What it says to each example with an instruction, of the arms it is given. Raises ConfigError as `objects`."""
        if not supervision.delimiters:
            raise ConfigError("waypoints are only understood with view delimiters: without them nobody knows whose frame a pose is in")
        rows = [(example, [name for arm in sorted(arms) for name in way_names(arm, supervision)], WAYPOINT) for example, arms in asked]
        return self._answers(rows, supervision.most_tokens)

    def _answers(self, asked: Sequence[tuple[Example, Sequence[str], Sequence[str]]], most: int) -> list[list[SaidPose]]:
        """Of (example, names of tuples, kinds of their numbers): a token of the likeliest way at a time. Equally large pictures go together."""
        backbone = self.model.backbone
        assert backbone is not None
        stop, device = backbone.stop_id(self.tokenizer), next(self.model.parameters()).device
        alike: dict[tuple, list[int]] = {}
        for i, (example, _, _) in enumerate(asked):
            alike.setdefault(tuple((v.role, v.image.shape) for v in example.sample.views), []).append(i)
        said: dict[int, list[SaidPose]] = {}
        for some in (rows[k : k + _AT_ONCE] for rows in alike.values() for k in range(0, len(rows), _AT_ONCE)):
            batch = self.collate([asked[i][0].question for i in some]).to(device)
            grammars = [
                PoseGrammar(self.tokenizer, self.vocabulary, names, numbers, len(example.sample.views), stop, most)
                for example, names, numbers in (asked[i] for i in some)
            ]
            answers = self.model.generate(batch, stop, most, grammars)
            for i, ids, valid, log_probs in zip(some, answers.ids, answers.valid, answers.log_probs, strict=True):
                said[i] = read_answer(ids[valid].tolist(), log_probs[valid].tolist(), self.tokenizer, self.vocabulary)
        return [said[i] for i in range(len(asked))]


def said_boxes(said: Sequence[SaidPose], view: int) -> SaidBoxes:
    """The object tuples of one view."""
    named = [s for s in said if s.view == view]
    rows = [s.numbers for s in named]
    rotations = [euler_to_matrix(n["rotation"][0]) for n in rows]
    found = boxes([n["translation"][0] for n in rows], rotations, [n["extent"][0] for n in rows])
    return SaidBoxes(found, np.array([s.certainty for s in named]))


def said_way(said: Sequence[SaidPose], view: int, arm: str, supervision: Waypoints) -> SaidWay | None:
    """The waypoints of one arm in one view; None if they are not listed whole."""
    named = {s.name: s for s in said if s.view == view}
    way = [named[name] for name in way_names(arm, supervision) if name in named]
    if len(way) < supervision.count:
        return None
    poses = [pose(euler_to_matrix(s.numbers["rotation"][0]), s.numbers["translation"][0]) for s in way]
    return SaidWay(np.stack(poses), np.array([s.certainty for s in way]))


def way_names(arm: str, supervision: Waypoints) -> list[str]:
    """What the waypoints of an arm are called, in order."""
    return [f"{called(arm)} {i}" for i in range(supervision.count)]


def boxes(centres: Sequence[np.ndarray], rotations: Sequence[np.ndarray], sizes: Sequence[np.ndarray]) -> Boxes:
    """Boxes [n], also for n = 0."""
    return Boxes(np.reshape(centres, (-1, 3)), np.reshape(rotations, (-1, 3, 3)), np.reshape(sizes, (-1, 3)))
