"""3-D positions read linearly from register tokens: an auxiliary target that makes the prefix say where things are."""

from dataclasses import dataclass

from torch import Tensor, nn

from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.states import PrefixStates
from praxia.registry import register


@register("readout/positions")
@dataclass(frozen=True)
class Positions:
    """tokens: group of n learned register tokens, one for each position."""

    tokens: str = "registers"

    def build(self, backbone: Backbone) -> "PositionsNet":
        """The module, matched to the backbone's width."""
        return PositionsNet(self, backbone.text_width)


class PositionsNet(Readout):
    """One linear layer for all registers: which position a register stands for is in its embedding."""

    def __init__(self, spec: Positions, text_width: int):
        super().__init__()
        self.spec, self.groups = spec, (spec.tokens,)
        self.linear = nn.Linear(text_width, 3)

    def forward(self, prefix: PrefixStates) -> Tensor:
        """float32 [B, n, 3], metres in the camera frame of the targets."""
        return self.linear(prefix.group(self.spec.tokens)).float()
