"""Readout: reads prefix states for an auxiliary objective; nothing of it is needed to act."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from praxia.models.layout import TokenLayout
from praxia.models.states import PrefixStates


class Readout(nn.Module, ABC):
    """layer: hidden state that is read, -1 = the last one. groups: token groups it needs besides the views."""

    layer: int = -1
    groups: tuple[str, ...] = ()
    needs_views: bool = False

    def finds(self, layout: TokenLayout) -> bool:
        """Whether the prefix has what it reads (a pass may drop a group, a text batch may have no views)."""
        return all(g in layout for g in self.groups) and (not self.needs_views or bool(layout.views))

    @abstractmethod
    def forward(self, prefix: PrefixStates) -> Tensor:
        """The prediction."""
