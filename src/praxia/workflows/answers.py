"""Questions about held-out pictures, what is right, and what the policy says: for the report."""

import re
from typing import Any

import numpy as np

from praxia.data.mixture import Entry
from praxia.data.supervision.scene_questions import SceneQuestions
from praxia.data.supervision.supervision import Example
from praxia.policy import Policy
from praxia.report.content import Answer
from praxia.workflows.train_recipe import Trained

_POINT = re.compile(r"<loc(\d{4})><loc(\d{4})>")


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
        example = entry.supervision(entry.source.sample(int(index), entry.supervision.needs), rng)
        if example is not None:
            found.append(example)
    return found


def _answer(policy: Policy, example: Example, role: str) -> Answer:
    sample = example.sample
    observation: dict[str, Any] = {"images": {v.role: v.image for v in sample.views}, "state": sample.state, "instruction": example.prompt}
    said = policy.generate(observation, example.prompt)
    view = next(v for v in example.sample.views if v.role == role)
    size = view.image.shape[:2]
    expected = example.target or ""
    return Answer(
        image=view.image,
        question=example.prompt,
        expected="" if _POINT.search(expected) else expected,
        answered="" if _POINT.search(said["text"]) else said["text"],
        expected_pixel=_pixel(expected, size),
        answered_pixel=_pixel(said["text"], size),
    )


def _pixel(text: str, size: tuple[int, int]) -> tuple[float, float] | None:
    """The first point of a text in pixels of the picture: middle of its bin on the centred padded square."""
    match = _POINT.search(text)
    if match is None:
        return None
    side = max(size)
    u, v = ((int(number) + 0.5) / 1023 * side for number in match.groups())
    return u - (side - size[1]) / 2, v - (side - size[0]) / 2
