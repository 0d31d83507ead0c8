"""Projector from visual hidden states to the feature space of a geometry teacher (PokeVLA §III-C; form of Spatial Forcing, arXiv 2510.12276)."""

from dataclasses import dataclass

from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.states import Outputs
from praxia.registry import register


@register("readout/geometry_projector")
@dataclass(frozen=True)
class GeometryProjector:
    """width: channels of the teacher's features. layer: hidden state that is read, -1 = the last one (0 = embeddings)."""

    width: int = 2048
    layer: int = -1

    def build(self, backbone: Backbone) -> "GeometryProjectorNet":
        """The module, matched to the backbone's width."""
        return GeometryProjectorNet(self, backbone.text_width)


class GeometryProjectorNet(Readout):
    """LayerNorm -> Linear -> GELU -> Linear, Xavier weights."""

    def __init__(self, spec: GeometryProjector, text_width: int):
        super().__init__()
        self.layer, self.needs_views = spec.layer, True
        self.net = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, spec.width), nn.GELU(), nn.Linear(spec.width, spec.width))
        for module in self.net:
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """[B, V, N, width]."""
        assert outputs.prefix is not None
        return self.net(outputs.prefix.views(self.layer))
