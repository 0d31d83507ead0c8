"""Held-out pictures put to a model that says poses: its answers beside the truth, for scores and for the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture
from praxia.data.sample import Sample
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.supervision import Example
from praxia.data.supervision.waypoints import Waypoints, called
from praxia.errors import ConfigError
from praxia.evaluate.object_poses import Seen, object_scores
from praxia.evaluate.waypoints import SaidPath, waypoint_scores
from praxia.geometry.boxes import Boxes
from praxia.geometry.rotations import euler_to_matrix
from praxia.geometry.se3 import pose
from praxia.models.vla import VLA
from praxia.tokens.pose_answer import SaidPose, read_answer
from praxia.tokens.pose_grammar import OBJECT_BOX, OBJECT_CENTRE, WAYPOINT, PoseGrammar
from praxia.tokens.pose_vocabulary import PoseTokens

_AT_ONCE = 16
_LIMIT = 512  # tokens of an answer, as published


@dataclass(frozen=True)
class Speaker:
    """A model with what turns its answers into poses."""

    model: VLA
    collate: Collate
    tokenizer: Any
    vocabulary: PoseTokens

    def grammar(self, names: Sequence[str], numbers: Sequence[str], views: int) -> PoseGrammar:
        """What may follow in an answer about `views` views."""
        return PoseGrammar(self.tokenizer, self.vocabulary, names, numbers, views, self._stop)

    @property
    def _stop(self) -> int:
        backbone = self.model.backbone
        assert backbone is not None
        return backbone.stop_id(self.tokenizer)

    def answers(self, asked: Sequence[Example], grammars: Sequence[PoseGrammar]) -> list[list[SaidPose]]:
        """What it says to each example, the likeliest allowed token at a time. Examples with equally large pictures go together."""
        device = next(self.model.parameters()).device
        alike: dict[tuple, list[int]] = {}
        for i, example in enumerate(asked):
            alike.setdefault(tuple((v.role, v.image.shape) for v in example.sample.views), []).append(i)
        said: dict[int, list[SaidPose]] = {}
        for some in (rows[k : k + _AT_ONCE] for rows in alike.values() for k in range(0, len(rows), _AT_ONCE)):
            examples = [asked[i].question for i in some]
            answers = self.model.generate(self.collate(examples).to(device), self._stop, _LIMIT, [grammars[i] for i in some])
            for i, ids, valid, log_probs in zip(some, answers.ids, answers.valid, answers.log_probs, strict=True):
                said[i] = read_answer(ids[valid].tolist(), log_probs[valid].tolist(), self.tokenizer, self.vocabulary)
        return [said[i] for i in range(len(asked))]


@dataclass(frozen=True)
class Asked:
    """A held-out sample, what was asked of it (a class, or "" for the instruction's waypoints), and what the model said."""

    sample: Sample
    category: str
    said: list[SaidPose]


def ask_objects(speaker: Speaker, entry: Entry, samples: int) -> list[Asked]:
    """Every class that a view of one of up to `samples` samples shows, once a sample.

    Raises ConfigError for a supervision without view delimiters: its answers do not say which view a box is of.
    """
    supervision: ObjectPoses = entry.supervision
    if not supervision.delimiters:
        raise ConfigError("object poses can only be scored with view delimiters: without them nobody knows whose frame a box is in")
    asked = [pair for sample, _ in entry.shown(samples) for pair in _classes(supervision.shown(sample), supervision)]
    numbers = OBJECT_BOX if supervision.place == "box" else OBJECT_CENTRE
    grammars = [speaker.grammar([category], numbers, len(sample.views)) for sample, category in asked]
    answers = speaker.answers([Example(sample, f"detect the {category}") for sample, category in asked], grammars)
    return [Asked(*pair, said) for pair, said in zip(asked, answers, strict=True)]


def ask_paths(speaker: Speaker, entry: Entry, samples: int) -> list[Asked]:
    """The instruction of each of up to `samples` samples in which a view lists an arm. Raises ConfigError as `ask_objects`."""
    supervision: Waypoints = entry.supervision
    if not supervision.delimiters:
        raise ConfigError("waypoints can only be scored with view delimiters: without them nobody knows whose frame a pose is in")
    examples = list(entry.examples(samples))
    grammars = [speaker.grammar(waypoint_names(e.sample, supervision), WAYPOINT, len(e.sample.views)) for e in examples]
    return [Asked(e.sample, "", said) for e, said in zip(examples, speaker.answers(examples, grammars), strict=True)]


def seen_objects(asked: Sequence[Asked], supervision: ObjectPoses) -> list[Seen]:
    """One `Seen` for each class and calibrated view."""
    seen: list[Seen] = []
    for one in asked:
        for number, view in enumerate(one.sample.views):
            if view.camera is None or view.camera.T_base_cam is None:
                continue
            truths = true_boxes(one, number, supervision)
            found = [s for s in one.said if s.view == number]
            seen.append(Seen(one.category, truths, said_boxes(found), np.array([s.certainty for s in found])))
    return seen


def said_paths(asked: Sequence[Asked], supervision: Waypoints) -> list[SaidPath]:
    """One `SaidPath` for each arm and view that lists it."""
    paths: list[SaidPath] = []
    for one in asked:
        for number, view in enumerate(one.sample.views):
            for arm in sorted(one.sample.tool_path):
                if (truth := supervision.seen(one.sample.tool_path[arm], arm, view, one.sample)) is None:
                    continue
                named = {s.name: s for s in one.said if s.view == number}
                names = [f"{called(arm)} {i}" for i in range(supervision.count)]
                whole = all(name in named for name in names)
                paths.append(SaidPath(view.role, truth[1], np.stack([pose_matrix(named[name]) for name in names]) if whole else None))
    return paths


def waypoint_names(sample: Sample, supervision: Waypoints) -> list[str]:
    """What the waypoints of all arms are called, in the order they are listed."""
    return [f"{called(arm)} {i}" for arm in sorted(sample.tool_path) for i in range(supervision.count)]


def true_boxes(asked: Asked, view: int, supervision: ObjectPoses) -> Boxes:
    """Camera-frame boxes of the asked class that a view lists."""
    shown = supervision.visible(asked.sample.objects, asked.sample.views[view])
    truths = [v for v in shown if supervision.called(v.truth) == asked.category]
    return boxes([v.T[:3, 3] for v in truths], [v.T[:3, :3] for v in truths], [v.truth.size for v in truths])


def pose_matrix(said: SaidPose) -> np.ndarray:
    """Translation and rotation of a tuple as float64 [4, 4]."""
    return pose(euler_to_matrix(said.numbers["rotation"][0]), said.numbers["translation"][0])


def said_boxes(said: Sequence[SaidPose]) -> Boxes:
    """Camera-frame boxes of object tuples."""
    rows = [s.numbers for s in said]
    rotations = [euler_to_matrix(n["rotation"][0]) for n in rows]
    return boxes([n["translation"][0] for n in rows], rotations, [n["extent"][0] for n in rows])


def boxes(centres: Sequence[np.ndarray], rotations: Sequence[np.ndarray], sizes: Sequence[np.ndarray]) -> Boxes:
    """Boxes [n], also for n = 0."""
    return Boxes(np.reshape(centres, (-1, 3)), np.reshape(rotations, (-1, 3, 3)), np.reshape(sizes, (-1, 3)))


def _classes(sample: Sample, supervision: ObjectPoses) -> list[tuple[Sample, str]]:
    """The sample with each class that one of its views shows."""
    shown = {supervision.called(v.truth) for view in sample.views for v in supervision.visible(sample.objects, view)}
    return [(sample, category) for category in sorted(shown)]


def pose_metrics(held_out: Mixture, model: VLA, tokenizer: Any, vocabulary: Any, samples: int) -> dict[str, float]:
    """Scores of what the model says to `samples` held-out samples of every source of poses, pooled by supervision: `object_poses/ap15`,
    `waypoints/outside_last_cm`, `waypoints/wrist_last_cm` and so on; {} without any."""
    if not isinstance(vocabulary, PoseTokens):
        return {}
    speaker = Speaker(model, held_out.collate, tokenizer, vocabulary)
    seen: dict[str, list[Seen]] = {}
    paths: dict[str, list[SaidPath]] = {}
    for entry in held_out.entries:
        supervision = entry.supervision
        if isinstance(supervision, ObjectPoses) and supervision.delimiters:
            seen.setdefault(supervision.name, []).extend(seen_objects(ask_objects(speaker, entry, samples), supervision))
        if isinstance(supervision, Waypoints) and supervision.delimiters:
            for path in said_paths(ask_paths(speaker, entry, samples), supervision):
                where = "wrist" if path.role.startswith("wrist") else "outside"
                paths.setdefault(f"{supervision.name}/{where}", []).append(path)
    scores = {f"{name}/{score}": value for name, some in seen.items() for score, value in object_scores(some).items()}
    return scores | {f"{name}_{score}": value for name, some in paths.items() for score, value in waypoint_scores(some).items()}
