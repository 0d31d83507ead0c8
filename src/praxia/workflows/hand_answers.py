"""Held-out questions about hands put to a model, and motions asked of it: what it says beside the truth and beside predictors that do not look."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture
from praxia.data.sample import Sample
from praxia.data.supervision.hand_motion import SIDES, HandMotion, Motion, description
from praxia.data.supervision.spatial_vqa import SpatialVQA
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import DataError
from praxia.evaluate.hand3d import ALL, Told, hand3d_scores, majority, read
from praxia.evaluate.hand_motion import SaidMotion, constant_velocity, mean_path, motion_scores, words_f1
from praxia.models.vision.geometry_fusion import FusionLayer
from praxia.models.vla import VLA
from praxia.tokens.grammar import Grammar
from praxia.tokens.motion_grammar import MotionGrammar
from praxia.tokens.motion_vocabulary import MOTION, MotionVocabulary

T = TypeVar("T")

_AT_ONCE = 32
_LIMIT = 48  # tokens of an answer in words
_GREY = 127
LEARNT_FROM = 1000  # training samples that the predictors which do not look are fitted on
CLIPS, TASK = "unseen_clips", "unseen_task"  # what is held out: clips of tasks that are trained on, or a task whole


@dataclass(frozen=True)
class Speaker:
    """A model with what turns its answers into texts."""

    model: VLA
    collate: Collate
    tokenizer: Any

    def says(self, examples: Sequence[Example], grammars: Sequence[Grammar | None] | None = None, limit: int = _LIMIT) -> list[str]:
        """Its answers, the likeliest (allowed) token at a time. Examples with pictures alike go together."""
        alike: dict[tuple, list[int]] = {}
        for i, example in enumerate(examples):
            alike.setdefault(tuple((v.role, v.image.shape) for v in example.sample.views), []).append(i)
        said = [""] * len(examples)
        for some in (rows[k : k + _AT_ONCE] for rows in alike.values() for k in range(0, len(rows), _AT_ONCE)):
            batch = self.collate([examples[i].question for i in some]).to(next(self.model.parameters()).device)
            allowed = [(grammars[i] if grammars else None) or _anything for i in some]
            answers = self.model.generate(batch, self.stop, limit, allowed)
            for i, ids, valid in zip(some, answers.ids, answers.valid, strict=True):
                said[i] = self.tokenizer.decode(ids[valid].tolist(), skip_special_tokens=False).strip()
        return said

    @property
    def stop(self) -> int:
        """Id that ends an answer."""
        assert self.model.backbone is not None
        return self.model.backbone.stop_id(self.tokenizer)


def hand_metrics(training: Mixture, held_out: Mixture, model: VLA, tokenizer: Any, samples: int) -> dict[str, float]:
    """Scores of a stage that was taught metric questions (`spatial_vqa/CATEGORY/SCORE`) or motions (`hand_motion/FAMILY/SCORE`), each also with a
    control's name behind it; {} of another stage. Beside the categories or families stand all together, and apart what is asked of unseen clips and
    of an unseen task. samples: held-out samples of each source that are put to the model."""
    found: dict[str, float] = {}
    for kind, scores in ((SpatialVQA, _vqa_scores), (HandMotion, _motion_scores)):
        taught, asked = ([e for e in mixture.entries if isinstance(e.supervision, kind)] for mixture in (training, held_out))
        if taught and asked:
            found |= scores(taught, asked, Speaker(model.eval(), held_out.collate, tokenizer), samples)
    return found


# --- questions ------------------------------------------------------------------------------------------------------------------------


def ask(entry: Entry, samples: int) -> list[tuple[Sample, Example]]:
    """Up to `samples` samples of a source with what its supervision makes of them: as many of an unseen task as of unseen clips of the others, where
    it has both, each evenly spread."""
    kinds: dict[bool, list[int]] = {}
    for index in entry.indices:
        with suppress(DataError):
            origin = entry.source.sample(int(index), Needs(pictures=False)).provenance
            kinds.setdefault(origin is not None and origin.unseen_task, []).append(int(index))
    some = [replace(entry, indices=np.array(indices)) for _, indices in sorted(kinds.items())]
    shown = (pair for part in some for pair in part.shown(samples // len(some)))
    return [(sample, example) for sample, rng in shown if (example := entry.supervision(sample, rng)) is not None]


def _vqa_scores(taught: Sequence[Entry], asked: Sequence[Entry], speaker: Speaker, samples: int) -> dict[str, float]:
    usual = majority([(s.category, s.form, truth) for _, s in _learnt(taught) if (truth := read(s.answer)) is not None])
    rows = [(s, truth, x) for e in asked for s, x in ask(e, samples) if (truth := read(str(x.target))) is not None]
    examples = [x for *_, x in rows]

    def told(texts: Sequence[str]) -> list[Told]:
        return [Told(s.category, truth, read(text), s.form) for (s, truth, _), text in zip(rows, texts, strict=True)]

    def scored(some: Sequence[Told]) -> dict[str, dict[str, float]]:
        apart = _apart([sample for sample, *_ in rows], some)
        return hand3d_scores(some) | {place: hand3d_scores(there)[ALL] for place, there in apart.items()}

    groups = {
        "": scored(told(speaker.says(examples))),
        "/majority": scored([usual(s.category, truth, s.form) for s, truth, _ in rows]),
        "/blank": scored(told(speaker.says([blanked(x) for x in examples]))),
    }
    with without_geometry(speaker.model) as layers:
        if layers:
            groups["/no_geometry"] = scored(told(speaker.says(examples)))
    return _named("spatial_vqa", groups)


@contextmanager
def without_geometry(model: VLA) -> Iterator[int]:
    """alpha = 0 in all fusion layers while inside; their number. After a stage that trains the fusion alone, that is the model before it."""
    layers = [module for module in model.modules() if isinstance(module, FusionLayer)]
    kept = [layer.alpha.detach().clone() for layer in layers]
    try:
        with torch.no_grad():
            for layer in layers:
                layer.alpha.zero_()
        yield len(layers)
    finally:
        with torch.no_grad():
            for layer, alpha in zip(layers, kept, strict=True):
                layer.alpha.copy_(alpha)


def blanked(example: Example) -> Example:
    """The same question about grey pictures."""
    views = tuple(replace(v, image=np.full_like(v.image, _GREY), depth=None) for v in example.sample.views)
    return replace(example, sample=replace(example.sample, views=views))


# --- motions --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AskedMotion:
    """A sample with the motion that is asked for."""

    sample: Sample
    example: Example
    motion: Motion

    @property
    def family(self) -> str:
        """Of the question."""
        assert self.sample.wrists is not None
        return self.sample.wrists.family

    def place_now(self, side: str) -> np.ndarray | None:
        """Where a hand is now, if the question tells it."""
        return self.motion.past[side][-1] if self.family == "contextual" else None


def ask_motions(entry: Entry, samples: int) -> list[AskedMotion]:
    """Of up to `samples` samples those that ask for a motion."""
    supervision = entry.supervision
    assert isinstance(supervision, HandMotion)
    rows = [(sample, example, supervision.motion(sample)) for sample, example in ask(entry, samples)]
    return [AskedMotion(s, x, m) for s, x, m in rows if m is not None and not isinstance(x.target, str)]


def say_motions(speaker: Speaker, asked: Sequence[AskedMotion], free: bool = False) -> list[SaidMotion]:
    """What the model says. free: without a grammar, at most as many tokens as the longest true answer: which paths come out whole."""
    vocabulary = speaker.model.spec.vocabulary
    assert isinstance(vocabulary, MotionVocabulary)
    grammars = [MotionGrammar(speaker.tokenizer, vocabulary, a.motion.present, a.motion.steps, speaker.stop) for a in asked]
    texts = speaker.says([a.example for a in asked], None if free else grammars, max(map(len, grammars), default=1))
    return [SaidMotion(a.family, a.motion.future, _paths(a.motion, text, vocabulary)) for a, text in zip(asked, texts, strict=True)]


def _paths(motion: Motion, text: str, vocabulary: MotionVocabulary) -> dict[str, np.ndarray | None]:
    """Paths of the hands that are there out of an answer; None of a hand whose every block was not said whole."""
    blocks = vocabulary.numbers(text)[MOTION]
    if blocks.shape[:2] != (len(motion.present), motion.steps):
        return dict.fromkeys(motion.future)
    found = {side: blocks[SIDES.index(side) :: len(SIDES)].reshape(-1, 3) for side in motion.future}
    return {side: None if np.isnan(path).any() else path for side, path in found.items()}


def _motion_scores(taught: Sequence[Entry], asked: Sequence[Entry], speaker: Speaker, samples: int) -> dict[str, float]:
    known = [(s, m) for s, m in _moved(taught) if s.wrists is not None and s.wrists.family != "translation"]
    usual = mean_path([(side, path, _now(sample, side)) for sample, motion in known for side, path in motion.future.items()])
    rows = [one for e in asked for one in ask_motions(e, samples)]

    def predicted(predict: Callable[[AskedMotion, str, int], np.ndarray | None]) -> list[SaidMotion]:
        said = [{side: predict(one, side, len(path)) for side, path in one.motion.future.items()} for one in rows]
        return [SaidMotion(one.family, one.motion.future, paths) for one, paths in zip(rows, said, strict=True)]

    said = {
        "": say_motions(speaker, rows),
        "/velocity": predicted(lambda one, side, steps: constant_velocity(one.motion.past[side], steps) if one.family == "contextual" else None),
        "/still": predicted(lambda one, side, steps: np.repeat(one.motion.past[side][-1:], steps, 0) if one.family == "contextual" else None),
        "/mean_path": predicted(lambda one, side, steps: usual(side, steps, one.place_now(side))),
    }
    groups = {control: _by_family(rows, told) for control, told in said.items()}
    for family, scores in _by_family(rows, say_motions(speaker, rows, free=True)).items():
        groups[""][family]["valid"] = scores["said"]
    return _named("hand_motion", groups) | _described(taught, asked, speaker, samples)


def _moved(taught: Sequence[Entry]) -> list[tuple[Sample, Motion]]:
    """What hands do in samples of training."""
    return [(sample, motion) for asks, sample in _learnt(taught) if (motion := asks.motion(sample)) is not None]


def _now(sample: Sample, side: str) -> np.ndarray | None:
    past = sample.wrists.past.get(side) if sample.wrists is not None else None
    return past[-1] if past is not None and len(past) else None


def _by_family(asked: Sequence[AskedMotion], told: Sequence[SaidMotion]) -> dict[str, dict[str, float]]:
    families = {one.family for one in told}
    groups = {ALL: list(told)} | {family: [one for one in told if one.family == family] for family in sorted(families)}
    groups |= _apart([one.sample for one in asked], told)
    scored = {family: motion_scores(some) for family, some in groups.items()}
    return {family: scores | {"asked": float(len(groups[family]))} for family, scores in scored.items() if scores}


def _described(taught: Sequence[Entry], asked: Sequence[Entry], speaker: Speaker, samples: int) -> dict[str, float]:
    """Translations: share of descriptions that are word for word right, and F1 of their words, since a motion can be told in several ways; beside the
    commonest description of training."""
    rows = [x for e in asked for _, x in ask(e, samples) if isinstance(x.target, str)]
    known = [words for s, _ in _moved(taught) if s.wrists is not None and s.wrists.family == "translation" and (words := description(s))]
    if not rows or not known:
        return {}
    words = [str(x.target).casefold().split() for x in rows]
    usual = max(sorted(set(known)), key=known.count).casefold().split()
    said = [text.casefold().split() for text in speaker.says(rows)]
    found = {"hand_motion/translation/asked": float(len(rows))}
    for control, told in (("", said), ("/majority", [usual] * len(words))):
        pairs = list(zip(told, words, strict=True))
        found[f"hand_motion/translation/exact{control}"] = float(np.mean([a == b for a, b in pairs]))
        found[f"hand_motion/translation/words{control}"] = float(np.mean([words_f1(a, b) for a, b in pairs]))
    return found


# --- both -----------------------------------------------------------------------------------------------------------------------------


def _named(name: str, groups: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """control -> group -> score -> value as `name/group/score/control`; how many were asked is said once."""
    found = {f"{name}/{g}/{score}{c}": value for c, by in groups.items() for g, scores in by.items() for score, value in scores.items()}
    return {key: value for key, value in found.items() if not key.partition("/asked")[2]}


def _learnt(taught: Sequence[Entry]) -> list[tuple[Any, Sample]]:
    """What the predictors that do not look are fitted on: samples of training without their pictures, with what is asked of them."""
    each = LEARNT_FROM // len(taught)
    return [(entry.supervision, sample) for entry in taught for sample, _ in entry.shown(each, Needs(pictures=False))]


def _apart(asked: Sequence[Sample], told: Sequence[T]) -> dict[str, list[T]]:
    """What was said of unseen clips and of an unseen task."""
    found: dict[str, list[T]] = {}
    for sample, one in zip(asked, told, strict=True):
        unseen = sample.provenance is not None and sample.provenance.unseen_task
        found.setdefault(TASK if unseen else CLIPS, []).append(one)
    return found


def _anything(ids: Sequence[int]) -> None:
    """No grammar."""
