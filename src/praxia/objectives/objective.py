"""Objective: (outputs, batch, teachers) -> {name: (sum, weight)}; the trainer divides once, over all ranks and accumulated batches."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.states import Outputs

Losses = dict[str, tuple[Tensor, Tensor]]
Teachers = Mapping[str, Any]


class Objective(Protocol):
    """A loss. Sum and weight are scalars (float32); weight counts what was summed."""

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses: ...
