"""Supervision: a pure function Sample -> Example; what a sample must say."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from praxia.data.sample import Sample
from praxia.geometry.scene import View
from praxia.tokens.quantity import Parts


@dataclass(frozen=True)
class Example:
    """What the model is asked and must answer. prompt None: nothing is asked, only the vision tower looks.

    prompt, target: a text, or its parts where it holds numbers that the model's vocabulary writes as tokens.
    dense: further targets by name (arrays of one shape per name). phrases: texts that dense targets speak of (equally many in every example).
    later: how a conversation goes on behind the target, a text: question, reply, and so on. Replies are learnt.
    most_tokens: of prompt and target together; whole tuples are left out of a target of poses that is longer (`pose_text.shortened`). 0 = any.
    """

    sample: Sample
    prompt: str | Parts | None
    target: str | Parts | None = None
    dense: dict[str, np.ndarray] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    most_tokens: int = 0

    @property
    def question(self) -> "Example":
        """The same without answer, chunk, history and state: what a model is given to answer."""
        return replace(self, target=None, later=(), sample=replace(self.sample, future=None, past=None, state=None))


@dataclass(frozen=True)
class Needs:
    """What a supervision needs of a sample: chunk and history length in steps, and optional parts.

    tool_steps: steps of the tool's path, row 0 = now (0: as many as the chunk has, at least one). still: deltas past the end of the episode are 0,
    where all signals repeat their last value otherwise (such steps are not valid, but a decoder sees them).
    """

    horizon: int = 0
    history: int = 0
    depth: bool = False
    masks: bool = False
    objects: bool = False
    tool_path: bool = False
    tool_steps: int = 0
    pictures: bool = True
    still: bool = False


def posed_slots(sample: Sample) -> list[int]:
    """Slots of the views whose camera pose is known."""
    return [i for i, v in enumerate(sample.views) if v.camera is not None and v.camera.T_base_cam is not None]


def posed_view(sample: Sample, role: str) -> View | None:
    """The view a supervision is about: of the given role, or the first whose camera pose is known if role is empty."""
    return next((sample.views[i] for i in posed_slots(sample) if role in ("", sample.views[i].role)), None)


def picture_size(view: View) -> tuple[int, int]:
    """(height, width) of the transformed picture."""
    return view.size if view.size != (0, 0) else (view.image.shape[0], view.image.shape[1])


class Supervision(Protocol):
    """A registered frozen dataclass. `name` groups micro-batches: examples of one name have the same parts.

    Optional class attributes: `asks = False` says that no example has a prompt, the vision tower alone runs; `as_taken = True` says that metres are
    asked of single pictures, which no sample transform may then crop, zoom, shift or turn.
    """

    name: str

    @property
    def needs(self) -> Needs: ...

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """The example, or None if this sample has nothing to say (it is skipped and counted)."""
        ...
