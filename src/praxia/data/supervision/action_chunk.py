"""action_chunk: the next H actions from views, instruction and state (post-training of every recipe)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.places import place_targets, task_places
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.registry import register

INSTRUCTION, LOWER_CASE = "{instruction}", "{instruction:lower}"


def told(prompt: str, instruction: str) -> str:
    """An instruction as a prompt puts it."""
    return prompt.replace(LOWER_CASE, instruction.lower()).replace(INSTRUCTION, instruction)


@register("supervision/action_chunk")
@dataclass(frozen=True)
class ActionChunk:
    """The prompt is the instruction, the target is the chunk itself (sample.future).

    prompt: how the instruction is put (`{instruction}`, or `{instruction:lower}` in lower case), to the model in training and by the policy that it
    becomes.
    positions: an auxiliary target for worlds that know the truth: tool, target object's centre and goal in the frames of `views` cameras
    (`supervision.places`).

    still: past the end of the episode deltas are 0; off: all signals repeat their last value. Such steps are never scored.
    beside: supervision that asks nothing (`SceneGrounding`, `TargetMasks`, or both `Together`), whose dense targets are taught on the same
    pictures in the same forward.
    """

    horizon: int = 16
    history: int = 0
    positions: bool = False
    views: int = 1
    still: bool = False
    beside: Any = None
    prompt: str = INSTRUCTION
    name: str = "action_chunk"

    def __post_init__(self) -> None:
        if INSTRUCTION not in self.prompt and LOWER_CASE not in self.prompt:
            raise ConfigError(
                f"ActionChunk.prompt is {self.prompt!r}; expected a text with {INSTRUCTION} or {LOWER_CASE} where the instruction stands"
            )
        if self.horizon < 1 or self.history < 0:
            raise ConfigError(f"ActionChunk has horizon {self.horizon}, history {self.history}; expected steps: at least 1, and at least 0")
        if self.views < 1:
            raise ConfigError(f"ActionChunk.views is {self.views}; expected at least 1 (positions=False teaches no positions)")

    @property
    def needs(self) -> Needs:
        """Chunk, history, and truth if positions are asked for or taught beside."""
        beside = self.beside.needs if self.beside is not None else Needs()
        return replace(
            beside,
            horizon=self.horizon,
            history=self.history,
            still=self.still,
            objects=self.positions or beside.objects,
            tool_path=self.positions or beside.tool_path,
        )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no step of the chunk is inside the episode, or nothing can be taught beside it."""
        if sample.future is None or not sample.future.valid.any():
            return None
        asked = told(self.prompt, sample.instruction)
        example = Example(sample, asked, None, place_targets(sample, task_places(sample), self.views) if self.positions else {})
        if self.beside is None:
            return example
        taught: Example | None = self.beside(sample, rng)
        return replace(example, dense=example.dense | taught.dense, phrases=taught.phrases) if taught is not None else None
