"""Held-out pictures put to a model that says poses: its answers beside the truth, for scores and for the report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
        return backbone.target_ids(self.tokenizer, "")[-1]

    def answers(self, asked: Sequence[Example], grammars: Sequence[PoseGrammar]) -> Iterator[list[SaidPose]]:
        """What it says to each example, the likeliest allowed token at a time."""
        device = next(self.model.parameters()).device
        for start in range(0, len(asked), _AT_ONCE):
            some = [replace(e, target=None, sample=replace(e.sample, future=None, past=None)) for e in asked[start : start + _AT_ONCE]]
            answers = self.model.generate(self.collate(some).to(device), self._stop, _LIMIT, grammars[start : start + _AT_ONCE])
            for ids, valid, log_probs in zip(answers.ids, answers.valid, answers.log_probs, strict=True):
                yield read_answer(ids[valid].tolist(), log_probs[valid].tolist(), self.tokenizer, self.vocabulary)


@dataclass(frozen=True)
class Asked:
    """A held-out sample, what was asked of it (a class, or "" for the instruction's waypoints), and what the model said."""

    sample: Sample
    category: str
    said: list[SaidPose]


def ask_objects(speaker: Speaker, entry: Entry, indices: Sequence[int]) -> list[Asked]:
    """Every class that a view of a sample shows, once.

    Raises ConfigError for a supervision without view delimiters: its answers do not say which view a box is of.
    """
    supervision: ObjectPoses = entry.supervision
    if not supervision.delimiters:
        raise ConfigError("object poses can only be scored with view delimiters: without them nobody knows whose frame a box is in")
    asked = [pair for index in indices for pair in _classes(entry.source.sample(int(index), entry.needs), supervision)]
    numbers = OBJECT_BOX if supervision.place == "box" else OBJECT_CENTRE
    grammars = [speaker.grammar([category], numbers, len(sample.views)) for sample, category in asked]
    answers = speaker.answers([Example(sample, f"detect the {category}") for sample, category in asked], grammars)
    return [Asked(*pair, said) for pair, said in zip(asked, answers, strict=True)]


def ask_paths(speaker: Speaker, entry: Entry, indices: Sequence[int]) -> list[Asked]:
    """The instruction of every sample in which a view lists an arm. Raises ConfigError as `ask_objects`."""
    supervision: Waypoints = entry.supervision
    if not supervision.delimiters:
        raise ConfigError("waypoints can only be scored with view delimiters: without them nobody knows whose frame a pose is in")
    samples = [entry.source.sample(int(index), entry.needs) for index in indices]
    examples = [example for sample in samples if (example := supervision(sample, np.random.default_rng(0))) is not None]
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
    """Scores of what the model says to `samples` held-out samples of every source of poses, named `{supervision}/{score}`; {} without any."""
    found: dict[str, float] = {}
    if not isinstance(vocabulary, PoseTokens):
        return found
    speaker = Speaker(model, held_out.collate, tokenizer, vocabulary)
    for entry in held_out.entries:
        indices = entry.indices[np.unique(np.linspace(0, len(entry.indices) - 1, min(samples, len(entry.indices))).astype(int))]
        supervision = entry.supervision
        if isinstance(supervision, ObjectPoses) and supervision.delimiters:
            scores = object_scores(seen_objects(ask_objects(speaker, entry, indices), supervision))
            found |= {f"{supervision.name}/{name}": value for name, value in scores.items()}
        if isinstance(supervision, Waypoints) and supervision.delimiters:
            paths = said_paths(ask_paths(speaker, entry, indices), supervision)
            for kind in ("outside", "wrist"):
                scores = waypoint_scores([p for p in paths if p.role.startswith("wrist") == (kind == "wrist")])
                found |= {f"{supervision.name}/{kind}_{name}": value for name, value in scores.items()}
    return found
