"""3-D positions read linearly from register tokens: an auxiliary target that makes the prefix say where things are."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.states import Outputs
from praxia.registry import register


@register("readout/positions")
@dataclass(frozen=True)
class Positions:
    """tokens: group of n learned register tokens, one for each position.

    distance: metres in front of the camera where a prediction starts, one for all positions or one for each. scale: metres a unit of the linear
    layer; about the spread of the positions, or a step of the optimiser moves predictions further than things are apart.
    """

    tokens: str = "registers"
    distance: tuple[float, ...] = (1.0,)
    scale: float = 0.1

    def build(self, backbone: Backbone) -> "PositionsNet":
        """The module, matched to the backbone's width."""
        return PositionsNet(self, backbone.text_width)


class PositionsNet(Readout):
    """One linear layer for all registers: which position a register stands for is in its embedding."""

    def __init__(self, spec: Positions, text_width: int):
        super().__init__()
        self.spec, self.groups = spec, (spec.tokens,)
        self.linear = nn.Linear(text_width, 3)
        self.register_buffer("start", torch.tensor([[0.0, 0.0, distance] for distance in spec.distance]), persistent=False)

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """float32 [B, n, 3], metres in the frame of the targets."""
        assert outputs.prefix is not None
        rows = outputs.prefix.group(self.spec.tokens)
        starts = len(self.spec.distance)
        if starts not in (1, rows.shape[1]):
            raise ConfigError(
                f"Positions.distance has {starts} entries, group {self.spec.tokens!r} has {rows.shape[1]} tokens; give one, or one for each"
            )
        return self.start + self.spec.scale * self.linear(rows).float()
