"""Questions about held-out pictures, what is right, and what the model said right after the stage that learnt to answer: for the report."""

import torch

from praxia.data.supervision.scene_questions import SceneQuestions
from praxia.data.supervision.spatial_vqa import SpatialVQA
from praxia.data.supervision.supervision import Example, posed_view
from praxia.report.content import Answer
from praxia.tokens.locations import points_in
from praxia.workflows.hand_pictures import hand_answers
from praxia.workflows.train_recipe import Trained, stage_model
from praxia.workflows.vqa_answers import asks
from praxia.workflows.vqa_pictures import vqa_pictures

_LIMIT = 64  # tokens of an answer


def answers(trained: Trained, count: int = 12) -> tuple[Answer, ...]:
    """`count` questions from held-out episodes of the last stage that asks any, put to that stage's own last checkpoint (later stages may forget
    how to answer); () if no stage asks."""
    for stage in reversed(trained.assembly.recipe.stages):
        if any(asks(source.supervision) for source in stage.sources):
            return vqa_pictures(trained, stage, count)
        if any(isinstance(source.supervision, SpatialVQA) for source in stage.sources):
            return hand_answers(trained, stage, count)
        if not any(isinstance(source.supervision, SceneQuestions) for source in stage.sources):
            continue
        model = stage_model(trained, stage)
        _, held_out = trained.assembly.mixtures(stage, model)
        assert model.backbone is not None
        stop = model.backbone.stop_id(trained.assembly.tokenizer)
        entry = next(e for e in held_out.entries if isinstance(e.supervision, SceneQuestions))
        examples = list(entry.examples(count))
        said = []
        for example in examples:
            with torch.inference_mode():
                answer = model.generate(held_out.collate([example.question]), stop, _LIMIT)
            said.append(trained.assembly.tokenizer.decode(answer.ids[0][answer.valid[0]].tolist(), skip_special_tokens=False).strip())
        return tuple(_answer(example, text, entry.supervision.view) for example, text in zip(examples, said, strict=True))
    return ()


def _answer(example: Example, said: str, role: str) -> Answer:
    view = posed_view(example.sample, role)
    assert view is not None  # the question was made from it
    assert isinstance(example.prompt, str) and isinstance(example.target, str)  # scene questions are answered in words and places
    expected, size = example.target, view.image.shape[:2]
    right, answered = points_in(expected, size), points_in(said, size)
    return Answer(
        image=view.image,
        question=example.prompt,
        expected="" if right else expected,
        answered="" if answered else said,
        expected_pixel=right[0] if right else None,
        answered_pixel=answered[0] if answered else None,
    )
