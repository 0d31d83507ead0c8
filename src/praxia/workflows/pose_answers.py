"""Held-out pictures put to a model that says poses: its answers beside the truth, for scores and for the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from praxia.data.mixture import Entry, Mixture
from praxia.data.sample import Sample
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.supervision import Example, picture_size
from praxia.data.supervision.waypoints import Waypoints
from praxia.evaluate.object_poses import Seen, object_scores
from praxia.evaluate.waypoints import SaidPath, waypoint_scores
from praxia.geometry.boxes import Boxes
from praxia.geometry.se3 import invert
from praxia.models.vla import VLA
from praxia.policy.speaker import Speaker, boxes, said_boxes, said_way
from praxia.tokens.pose_answer import SaidPose
from praxia.tokens.pose_vocabulary import PoseTokens


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
    asked = [pair for sample, _ in entry.shown(samples) for pair in _classes(supervision.shown(sample), supervision)]
    answers = speaker.objects([(Example(sample, supervision.question(category)), category) for sample, category in asked], supervision)
    return [Asked(*pair, said) for pair, said in zip(asked, answers, strict=True)]


def ask_paths(speaker: Speaker, entry: Entry, samples: int) -> list[Asked]:
    """The instruction of each of up to `samples` samples in which a view lists an arm. Raises ConfigError as `ask_objects`."""
    examples = list(entry.examples(samples))
    answers = speaker.ways([(e, sorted(e.sample.tool_path)) for e in examples], entry.supervision)
    return [Asked(e.sample, "", said) for e, said in zip(examples, answers, strict=True)]


def seen_objects(asked: Sequence[Asked], supervision: ObjectPoses) -> list[Seen]:
    """One `Seen` for each class and calibrated view."""
    seen: list[Seen] = []
    for one in asked:
        for number, view in enumerate(one.sample.views):
            if view.camera is None or view.camera.T_base_cam is None:
                continue
            found = said_boxes(one.said, number)
            truths, unlisted = true_boxes(one, number, supervision), unlisted_boxes(one, number, supervision)
            picture = None if one.sample.exhaustive else (view.camera.K, picture_size(view))
            seen.append(Seen(one.category, truths, found.boxes, found.certainty, unlisted, picture))
    return seen


def said_paths(asked: Sequence[Asked], supervision: Waypoints) -> list[SaidPath]:
    """One `SaidPath` for each arm and view that lists it."""
    paths: list[SaidPath] = []
    for one in asked:
        for number, view in enumerate(one.sample.views):
            for arm in sorted(one.sample.tool_path):
                if (truth := supervision.seen(one.sample.tool_path[arm], arm, view, one.sample)) is None:
                    continue
                way = said_way(one.said, number, arm, supervision)
                paths.append(SaidPath(view.role, truth[1], way.poses if way else None))
    return paths


def true_boxes(asked: Asked, view: int, supervision: ObjectPoses) -> Boxes:
    """Camera-frame boxes of the asked class that a view lists."""
    shown = supervision.visible(asked.sample.objects, asked.sample.views[view])
    truths = [v for v in shown if supervision.called(v.truth) == asked.category]
    return boxes([v.T[:3, 3] for v in truths], [v.T[:3, :3] for v in truths], [v.truth.size for v in truths])


def unlisted_boxes(asked: Asked, view: int, supervision: ObjectPoses) -> Boxes:
    """Camera-frame boxes of the asked class that a view does not list: the filters left them out, or their dataset did."""
    seen = asked.sample.views[view]
    assert seen.camera is not None and seen.camera.T_base_cam is not None
    listed = [v.truth for v in supervision.visible(asked.sample.objects, seen)]
    known = (*asked.sample.objects, *asked.sample.hidden)
    left = [o for o in known if supervision.called(o) == asked.category and not any(o is one for one in listed)]
    poses = [invert(seen.camera.T_base_cam) @ o.T_base_object for o in left]
    return boxes([T[:3, 3] for T in poses], [T[:3, :3] for T in poses], [o.size for o in left])


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
