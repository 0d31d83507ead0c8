"""Held-out pictures put to a model that says poses: its answers beside the truth, for scores and for the report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from praxia.data.collate import Collate
from praxia.data.sample import Sample
from praxia.data.source import SampleSource
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.supervision import Example
from praxia.errors import ConfigError
from praxia.evaluate.object_poses import Seen
from praxia.geometry.boxes import Boxes
from praxia.geometry.rotations import euler_to_matrix
from praxia.models.vla import VLA
from praxia.tokens.pose_answer import SaidPose, read_answer
from praxia.tokens.pose_grammar import OBJECT_BOX, OBJECT_CENTRE, PoseGrammar
from praxia.tokens.pose_vocabulary import PoseTokens

_AT_ONCE = 16
_LIMIT = 512  # tokens of an answer, as published


@dataclass(frozen=True)
class Speaker:
    """A model with what turns its answers into poses."""

    model: VLA
    collate: Collate
    tokenizer: object
    vocabulary: PoseTokens

    def answers(self, asked: Sequence[Example], grammars: Sequence[PoseGrammar]) -> Iterator[list[SaidPose]]:
        """What it says to each example, the likeliest allowed token at a time."""
        backbone = self.model.backbone
        assert backbone is not None
        device = next(self.model.parameters()).device
        stop = backbone.target_ids(self.tokenizer, "")[-1]
        for start in range(0, len(asked), _AT_ONCE):
            some = [replace(e, target=None, sample=replace(e.sample, future=None, past=None)) for e in asked[start : start + _AT_ONCE]]
            answers = self.model.generate(self.collate(some).to(device), stop, _LIMIT, grammars[start : start + _AT_ONCE])
            for ids, valid, log_probs in zip(answers.ids, answers.valid, answers.log_probs, strict=True):
                yield read_answer(ids[valid].tolist(), log_probs[valid].tolist(), self.tokenizer, self.vocabulary)


def seen_objects(speaker: Speaker, source: SampleSource, indices: Sequence[int], supervision: ObjectPoses) -> list[Seen]:
    """Every class that a view of a sample shows is asked for once; one `Seen` for each class and calibrated view.

    Raises ConfigError for a supervision without view delimiters: its answers do not say which view a box is of.
    """
    if not supervision.delimiters:
        raise ConfigError("object poses can only be scored with view delimiters: without them nobody knows whose frame a box is in")
    asked = [pair for index in indices for pair in _classes(source.sample(int(index), supervision.needs), supervision)]
    numbers = OBJECT_BOX if supervision.place == "box" else OBJECT_CENTRE
    stop = speaker.model.backbone.target_ids(speaker.tokenizer, "")[-1]  # type: ignore[union-attr]

    def grammar(sample: Sample, category: str) -> PoseGrammar:
        return PoseGrammar(speaker.tokenizer, speaker.vocabulary, [category], numbers, len(sample.views), stop)

    examples = [Example(sample, f"detect the {category}") for sample, category in asked]
    seen: list[Seen] = []
    for (sample, category), said in zip(asked, speaker.answers(examples, [grammar(*pair) for pair in asked]), strict=True):
        for number, view in enumerate(sample.views):
            truths = [v for v in supervision.visible(sample.objects, view) if supervision.called(v.truth) == category]
            if view.camera is None or view.camera.T_base_cam is None:
                continue
            found = [s for s in said if s.view == number]
            true_boxes = boxes([v.T[:3, 3] for v in truths], [v.T[:3, :3] for v in truths], [v.truth.size for v in truths])
            seen.append(Seen(category, true_boxes, said_boxes(found), np.array([s.certainty for s in found])))
    return seen


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
