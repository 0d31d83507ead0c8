"""Held-out pictures of hands with what a stage's model answers, and with true and said wrist paths drawn over them: for the report."""

from itertools import pairwise

import numpy as np

from praxia.data.supervision.hand_motion import HandMotion
from praxia.data.supervision.spatial_vqa import SpatialVQA
from praxia.evaluate.hand3d import read
from praxia.geometry.camera import project
from praxia.geometry.image_transform import realise
from praxia.geometry.scene import View
from praxia.report.content import Answer, PosePicture, Segment
from praxia.stages.recipe import Stage
from praxia.workflows.hand_answers import AskedMotion, Speaker, ask, ask_motions, say_motions
from praxia.workflows.train_recipe import Trained, stage_model

_NEAR = 0.01  # metres; what is nearer to the camera is not drawn


def hand_answers(trained: Trained, stage: Stage, count: int) -> tuple[Answer, ...]:
    """`count` questions about hands or a few more, equally many of each category, put to the stage's last checkpoint; the last picture is shown."""
    model = stage_model(trained, stage)
    _, held_out = trained.assembly.mixtures(stage, model)
    rows = [row for entry in held_out.entries if isinstance(entry.supervision, SpatialVQA) for row in ask(entry, 20 * count)]
    categories = sorted({sample.category for sample, _ in rows})
    share = -(-count // max(1, len(categories)))
    chosen = [row for category in categories for row in [r for r in rows if r[0].category == category][:share]]
    said = Speaker(model, held_out.collate, trained.assembly.tokenizer).says([example for _, example in chosen])
    return tuple(
        Answer(
            image=realise(example.sample.views[-1]).image,
            question=str(example.prompt),
            expected=str(example.target),
            answered=text,
            right=read(text) == read(str(example.target)),
            group=sample.category,
        )
        for (sample, example), text in zip(chosen, said, strict=True)
    )


def motion_pictures(trained: Trained, count: int = 6) -> tuple[PosePicture, ...]:
    """`count` held-out motions of every stage that learns some, said by its last checkpoint."""
    found: list[PosePicture] = []
    for stage in trained.assembly.recipe.stages:
        if not any(isinstance(source.supervision, HandMotion) for source in stage.sources):
            continue
        model = stage_model(trained, stage)
        _, held_out = trained.assembly.mixtures(stage, model)
        asked = [one for entry in held_out.entries if isinstance(entry.supervision, HandMotion) for one in ask_motions(entry, 2 * count)][:count]
        said = say_motions(Speaker(model, held_out.collate, trained.assembly.tokenizer), asked)
        found += [_picture(stage.name, one, told.said) for one, told in zip(asked, said, strict=True)]
    return tuple(found)


def _picture(stage: str, one: AskedMotion, said: dict[str, np.ndarray | None]) -> PosePicture:
    view = one.example.sample.views[0]
    gaps = {side: np.linalg.norm(path[-1] - said_path[-1]) for side, path in one.motion.future.items() if (said_path := said[side]) is not None}
    note = ", ".join(f"{side} hand's last point {100 * gap:.1f} cm off" for side, gap in gaps.items()) or "no path said"
    expected = tuple(s for path in one.motion.future.values() for s in _way(path, view))
    answered = tuple(s for path in said.values() if path is not None for s in _way(path, view))
    return PosePicture(stage, realise(view).image, f"{one.family}: {one.sample.instruction}", expected, answered, note)


def _way(path: np.ndarray, view: View) -> tuple[Segment, ...]:
    if view.camera is None:
        return ()
    pixels, z = project(view.camera.K, path)
    points = [(float(u), float(v)) for u, v in pixels]
    return tuple((points[a], points[b]) for a, b in pairwise(range(len(path))) if min(z[a], z[b]) > _NEAR)
