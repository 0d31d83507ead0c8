"""How a group of tokens looks at the picture: attention weights of one head of one decoder layer on the visual tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.states import Outputs
from praxia.registry import register


@register("readout/token_attention")
@dataclass(frozen=True)
class TokenAttention:
    """tokens: the group that looks. decoder_layer, head: whose weights are read, from 0; a middle layer, so that later ones can use what it found."""

    tokens: str = "registers"
    decoder_layer: int = 1
    head: int = 0

    def build(self, backbone: Backbone) -> "TokenAttentionNet":
        """Raises ConfigError where the weights are never computed or do not exist."""
        geometry = backbone.geometry
        if backbone.spec.attention != "plain":
            raise ConfigError(f"readout 'token_attention' needs the backbone's attention='plain', it is {backbone.spec.attention!r}")
        if not (0 <= self.decoder_layer < geometry.layers and 0 <= self.head < geometry.heads):
            raise ConfigError(
                f"readout 'token_attention': layer {self.decoder_layer}, head {self.head}; the decoder has layers 0 to {geometry.layers - 1} "
                f"and heads 0 to {geometry.heads - 1}"
            )
        return TokenAttentionNet(self)


class TokenAttentionNet(Readout):
    """Nothing of its own to learn."""

    needs_views, attentions = True, True

    def __init__(self, spec: TokenAttention):
        super().__init__()
        self.spec, self.groups = spec, (spec.tokens,)

    def applies(self, batch: Batch) -> bool:
        """Whether the batch says where to look."""
        return "positions_pixel" in batch.dense

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """float32 [B, V, n, N]: weights of the group's n tokens on the N visual tokens of each view (they sum to at most 1 over all views)."""
        prefix = outputs.prefix
        assert prefix is not None and prefix.attentions is not None
        weights = prefix.attentions[self.spec.decoder_layer][:, self.spec.head, prefix.layout.slice(self.spec.tokens)]
        return torch.stack([weights[..., prefix.layout.slice(view)] for view in prefix.layout.views], dim=1).float()
