"""Places from picture tokens: where the centre of the thing in a visual token is, as detectors regress boxes from grid cells."""

from dataclasses import dataclass

from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.states import Outputs
from praxia.registry import register


@register("readout/patch_places")
@dataclass(frozen=True)
class PatchPlaces:
    """No options."""

    def build(self, backbone: Backbone) -> "PatchPlacesNet":
        """The module, matched to the backbone's width."""
        return PatchPlacesNet(backbone.text_width)


class PatchPlacesNet(Readout):
    """LayerNorm and one linear layer for all tokens."""

    needs_views, needs_prefix = True, False

    def __init__(self, text_width: int):
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, 3))

    def applies(self, batch: Batch) -> bool:
        """Whether the batch says where things are."""
        return "things_pixel" in batch.dense

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """float32 [B, V, N, 3]: offset (u, v) from the token's middle in tokens, natural logarithm of the depth in metres."""
        assert outputs.visual is not None
        return self.net(outputs.visual.embeddings).float()
