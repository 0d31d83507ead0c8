"""state_action_chunk: states and actions alone, no pixels and no text (Action Priors stage 1)."""

from dataclasses import dataclass

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.registry import register


@register("supervision/state_action_chunk")
@dataclass(frozen=True)
class StateActionChunk:
    """The chunk is input and target at once. still: as in `ActionChunk`."""

    horizon: int = 15
    still: bool = False
    name: str = "state_action_chunk"

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigError(f"StateActionChunk.horizon is {self.horizon}; expected at least 1 step")

    @property
    def needs(self) -> Needs:
        """Only the chunk."""
        return Needs(horizon=self.horizon, pictures=False, still=self.still)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Example | None:
        """None if no step of the chunk is inside the episode."""
        if sample.future is None or not sample.future.valid.any():
            return None
        return Example(sample, "")
