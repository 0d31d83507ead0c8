"""Held-out pictures with true and said poses drawn over them, for the report."""

from itertools import pairwise

import numpy as np

from praxia.data.mixture import Entry
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.waypoints import Waypoints
from praxia.geometry.boxes import Boxes, corners
from praxia.geometry.camera import project
from praxia.geometry.image_transform import realise
from praxia.geometry.scene import View
from praxia.geometry.se3 import invert
from praxia.policy.speaker import Speaker, said_boxes
from praxia.report.content import PosePicture, Segment
from praxia.tokens.pose_vocabulary import PoseTokens
from praxia.workflows.pose_answers import Asked, ask_objects, ask_paths, said_paths, true_boxes
from praxia.workflows.train_recipe import Trained, stage_model

_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))  # corners as `geometry.boxes` orders them
_NEAR = 0.01  # metres; what is nearer to the camera is not drawn


def pose_pictures(trained: Trained, count: int = 6) -> tuple[PosePicture, ...]:
    """`count` pictures for each stage and kind of poses it was taught, from that stage's own last checkpoint; () where none was."""
    assembly, found = trained.assembly, []
    if not isinstance(assembly.model.vocabulary, PoseTokens):
        return ()
    for stage in assembly.recipe.stages:
        if not any(isinstance(source.supervision, ObjectPoses | Waypoints) for source in stage.sources):
            continue
        model = stage_model(trained, stage)
        _, held_out = assembly.mixtures(stage, model)
        speaker = Speaker(model, held_out.collate, assembly.tokenizer, assembly.model.vocabulary)
        for entry in held_out.entries:
            found += _pictures(stage.name, speaker, entry, count)
    return tuple(found)


def _pictures(stage: str, speaker: Speaker, entry: Entry, count: int) -> list[PosePicture]:
    if isinstance(entry.supervision, ObjectPoses) and entry.supervision.delimiters:
        asked = {id(one.sample): one for one in ask_objects(speaker, entry, count)}  # one class a sample
        return [_objects(stage, one, entry.supervision) for one in asked.values()]
    if isinstance(entry.supervision, Waypoints) and entry.supervision.delimiters:
        return [picture for one in ask_paths(speaker, entry, count) if (picture := _path(stage, one, entry.supervision)) is not None]
    return []


def _objects(stage: str, one: Asked, supervision: ObjectPoses) -> PosePicture:
    """The view that shows most of the class."""
    number = max(range(len(one.sample.views)), key=lambda v: len(true_boxes(one, v, supervision).centre))
    view, truths = one.sample.views[number], true_boxes(one, number, supervision)
    found = said_boxes(one.said, number).boxes
    note = "nothing said"
    if len(found.centre) and len(truths.centre):
        off = np.linalg.norm(found.centre[:, None] - truths.centre[None], axis=-1).min()
        note = f"nearest {100 * off:.1f} cm off"
    return PosePicture(stage, realise(view).image, supervision.question(one.category), _outline(truths, view), _outline(found, view), note)


def _path(stage: str, one: Asked, supervision: Waypoints) -> PosePicture | None:
    """The first view that lists an arm and is not on it."""
    for number, view in enumerate(one.sample.views):
        alone = Asked(one.sample, "", [s for s in one.said if s.view == number])
        paths = [p for p in said_paths([alone], supervision) if p.role == view.role]
        if view.role.startswith("wrist") or not paths:
            continue
        path = paths[0]
        note = "not listed whole"
        if path.found is not None:
            note = f"last waypoint {100 * np.linalg.norm(path.found[-1, :3, 3] - path.truth[-1, :3, 3]):.1f} cm off"
        assert view.camera is not None and view.camera.T_base_cam is not None  # a path is of a posed view
        T_cam = np.eye(4) if supervision.frame == "camera" else invert(view.camera.T_base_cam)
        answered = _way(T_cam @ path.found, view) if path.found is not None else ()
        return PosePicture(stage, realise(view).image, one.sample.instruction, _way(T_cam @ path.truth, view), answered, note)
    return None


def _outline(boxes: Boxes, view: View) -> tuple[Segment, ...]:
    assert view.camera is not None
    segments: list[Segment] = []
    for box in corners(boxes):
        pixels, z = project(view.camera.K, box)
        segments += [_segment(pixels[a], pixels[b]) for a, b in _EDGES if min(z[a], z[b]) > _NEAR]
    return tuple(segments)


def _way(poses: np.ndarray, view: View) -> tuple[Segment, ...]:
    assert view.camera is not None
    pixels, z = project(view.camera.K, poses[:, :3, 3])
    return tuple(_segment(pixels[a], pixels[b]) for a, b in pairwise(range(len(poses))) if min(z[a], z[b]) > _NEAR)


def _segment(a: np.ndarray, b: np.ndarray) -> Segment:
    return (float(a[0]), float(a[1])), (float(b[0]), float(b[1]))
