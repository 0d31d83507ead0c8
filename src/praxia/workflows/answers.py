"""Questions about held-out pictures, what is right, and what the policy says: for the report."""

import numpy as np

from praxia.data.mixture import Entry
from praxia.data.supervision.scene_questions import SceneQuestions
from praxia.data.supervision.supervision import Example, posed_view
from praxia.policy import Policy
from praxia.report.content import Answer
from praxia.tokens.locations import points_in
from praxia.workflows.train_recipe import Trained


def answers(policy: Policy, trained: Trained, count: int = 12) -> tuple[Answer, ...]:
    """`count` questions from held-out episodes of the last stage that asks any; () if none does or the policy cannot speak."""
    if policy.model.backbone is None:
        return ()
    for stage in reversed(trained.assembly.recipe.stages):
        _, held_out = trained.assembly.mixtures(stage, policy.model)
        for entry in held_out.entries:
            if isinstance(entry.supervision, SceneQuestions):
                return tuple(_answer(policy, example, entry.supervision.view) for example in _examples(entry, count))
    return ()


def _examples(entry: Entry, count: int) -> list[Example]:
    rng = np.random.default_rng(0)
    found = []
    for index in entry.indices[np.linspace(0, len(entry.indices) - 1, count).astype(int)]:
        example = entry.supervision(entry.source.sample(int(index), entry.needs), rng)
        if example is not None:
            found.append(example)
    return found


def _answer(policy: Policy, example: Example, role: str) -> Answer:
    view = posed_view(example.sample, role)
    assert view is not None  # the question was made from it
    question = example.prompt or ""
    said = policy.generate_for(example.sample, question, view.role)["text"]
    assert isinstance(example.target, str)  # scene questions are answered in words and places
    expected, size = example.target, view.image.shape[:2]
    right, answered = points_in(expected, size), points_in(said, size)
    return Answer(
        image=view.image,
        question=question,
        expected="" if right else expected,
        answered="" if answered else said,
        expected_pixel=right[0] if right else None,
        answered_pixel=answered[0] if answered else None,
    )
