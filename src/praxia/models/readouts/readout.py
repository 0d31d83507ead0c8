"""Readout: reads what the prefix or the vision tower made for an auxiliary objective; nothing of it is needed to act."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.models.states import Outputs


class Readout(nn.Module, ABC):
    """layer: hidden state that is read, -1 = the last one. attentions: reads attention weights. groups: token groups it needs.

    needs_views: needs pictures. needs_prefix: reads the language model, not the vision tower alone.
    """

    layer: int = -1
    attentions: bool = False
    groups: tuple[str, ...] = ()
    needs_views: bool = False
    needs_prefix: bool = True

    def applies(self, batch: Batch) -> bool:
        """Whether the batch has what it is trained on."""
        return True

    def finds(self, outputs: Outputs) -> bool:
        """Whether the forward made what it reads (a pass may drop a group, a text batch has no views)."""
        if outputs.prefix is None:
            return not self.needs_prefix and (outputs.visual is not None or not self.needs_views)
        layout = outputs.prefix.layout
        return all(g in layout for g in self.groups) and (not self.needs_views or bool(layout.views))

    @abstractmethod
    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The prediction."""
