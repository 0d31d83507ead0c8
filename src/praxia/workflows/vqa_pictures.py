"""Held-out pictures with questions, true and said answers, and the scores of the stages that learnt to answer: for the report."""

from collections.abc import Sequence

import numpy as np

from praxia.data.supervision.supervision import picture_size, posed_view
from praxia.evaluate.vqa import Answered
from praxia.geometry.image_transform import realise
from praxia.report.content import Answer, AnswerScores
from praxia.stages.recipe import Stage
from praxia.tokens.coordinates import box_in, points_in, share_pixels
from praxia.workflows.train_recipe import Trained, stage_model
from praxia.workflows.vqa_answers import Asked, Speaker, ask

_CONTROLS = {
    "/majority": "majority answer",
    "/blank": "blank pictures",
    "/velocity": "constant velocity",
    "/still": "standing still",
    "/mean_path": "mean path",
    "/no_geometry": "without geometry",
}


def vqa_pictures(trained: Trained, stage: Stage, count: int) -> tuple[Answer, ...]:
    """`count` questions or a few more, equally many of each group and different in kind where they can be, put to the stage's last checkpoint."""
    model = stage_model(trained, stage)
    _, held_out = trained.assembly.mixtures(stage, model)
    asked = [one for entry in held_out.entries for one in ask(entry, 4 * count)]
    groups = sorted({one.question.group for one in asked})
    chosen = [one for group in groups for one in _different([a for a in asked if a.question.group == group], -(-count // len(groups)))]
    said = Speaker(model, held_out.collate, trained.assembly.tokenizer).says(chosen)
    return tuple(_answer(one, answered) for one, answered in zip(chosen, said, strict=True))


def answer_scores(trained: Trained) -> tuple[AnswerScores, ...]:
    """Of every stage that was scored on questions (`vqa_answers.vqa_metrics`) or on hands (`hand_answers.hand_metrics`)."""
    found = []
    for stage, result in zip(trained.assembly.recipe.stages, trained.results, strict=False):
        controls: dict[str, dict[str, dict[str, float]]] = {"": {}}
        for source in {s.supervision.name for s in stage.sources}:
            for key, value in result.metrics.items():
                name, _, path = key.partition("/")
                group, _, score = path.partition("/")
                if name != source or group == "kind" or not score:
                    continue
                suffix = next((c for c in _CONTROLS if score.endswith(c)), "")
                control = controls.setdefault(_CONTROLS.get(suffix, ""), {})
                control.setdefault(group, {})[score.removesuffix(suffix)] = value
        scores = controls.pop("")
        if any("asked" in numbers for numbers in scores.values()):
            found.append(AnswerScores(stage.name, scores, controls))
    return tuple(found)


def _different(asked: Sequence[Asked], count: int) -> list[Asked]:
    """Questions of kinds in turn, the later samples of each kind behind the earlier ones of all."""
    seen: dict[str, int] = {}
    order = []
    for one in asked:
        seen[one.question.kind] = rank = seen.get(one.question.kind, 0) + 1
        order.append((rank, one.question.kind, one))
    return [one for _, _, one in sorted(order, key=lambda row: row[:2])][:count]


def _answer(asked: Asked, answered: Answered) -> Answer:
    question, sample = asked.question, asked.example.sample
    view = posed_view(sample, "") or sample.views[0]  # what was asked about; recorded questions have one picture, without a camera
    size = picture_size(view)

    def pixel(text: str) -> tuple[float, float] | None:
        points = share_pixels(points_in(text), size)
        return (float(points[0, 0]), float(points[0, 1])) if question.form == "point" and len(points) else None

    def box(shares: np.ndarray | None) -> tuple[float, float, float, float] | None:
        if question.form != "box" or shares is None:
            return None
        u0, v0, u1, v1 = share_pixels(shares.reshape(2, 2), size).ravel().tolist()
        return u0, v0, u1, v1

    return Answer(
        image=realise(view).image,
        question=question.text,
        expected="" if question.form == "point" else question.answer,
        answered=answered.said,
        expected_pixel=pixel(question.answer),
        answered_pixel=pixel(answered.said),
        expected_box=box(question.box),
        answered_box=box(box_in(answered.said)),
        right=answered.score >= 0.5,
        group=question.group,
    )
