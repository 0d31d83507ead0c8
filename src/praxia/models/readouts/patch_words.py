"""Words for picture tokens: how well each visual token fits each word, as open-vocabulary detectors score patches (OWL-ViT, arXiv 2205.06230).

The words are the language model's own input embeddings, so that what a picture shows and what an instruction says meet in one space.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxia.data.batch import Batch
from praxia.models.backbones.backbone import Backbone
from praxia.models.readouts.readout import Readout
from praxia.models.states import Outputs
from praxia.registry import register


@register("readout/patch_words")
@dataclass(frozen=True)
class PatchWords:
    """bias: score of a word before anything is learnt (most words fit no token)."""

    bias: float = -3.0

    def build(self, backbone: Backbone) -> "PatchWordsNet":
        """The module; it follows the backbone's width by itself."""
        return PatchWordsNet(self)


class PatchWordsNet(Readout):
    """Cosine of visual token and word, with a learned scale and bias."""

    needs_views, needs_prefix = True, False

    def __init__(self, spec: PatchWords):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.tensor(spec.bias))

    def applies(self, batch: Batch) -> bool:
        """Whether the batch has phrases."""
        return batch.phrases is not None

    def forward(self, outputs: Outputs, batch: Batch) -> Tensor:
        """float32 [B, V, N, W]: scores of the W different words in the batch's phrases, in the order of `words_of`."""
        assert outputs.visual is not None
        tokens = outputs.visual.embeddings.float()
        words = outputs.embed(words_of(batch)).float()
        width = tokens.shape[-1]
        cosine = F.layer_norm(tokens, (width,)) @ F.layer_norm(words, (width,)).mT / width
        return self.scale * math.sqrt(width) * cosine + self.bias


def words_of(batch: Batch) -> Tensor:
    """int64 [W]: ids of the different words in the batch's phrases, ascending."""
    assert batch.phrases is not None
    return batch.phrases.ids[batch.phrases.valid].unique()
