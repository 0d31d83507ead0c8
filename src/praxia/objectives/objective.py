"""Objective: (outputs, batch, teachers) -> {name: (sum, weight)}; the trainer divides once, over all ranks and accumulated batches."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.states import Outputs

Losses = dict[str, tuple[Tensor, Tensor]]
Teachers = Mapping[str, Any]


class Objective(Protocol):
    """A loss."""

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """What there is to score in a batch, by loss name: scalars proportional to the weights that `__call__` will return.

        Known before any forward, so that gradients of every micro-batch are normalised by the total of the whole step.
        Empty = the batch has nothing that this objective reads; it is then not called.
        """
        ...

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum and weight per loss name, scalars (float32); weight counts what was summed."""
        ...
