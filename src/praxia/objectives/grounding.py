"""Grounding: every picture token says which named things have their centre in it, and where exactly (dense form of open-vocabulary detection)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.data.pixels import canvas_transform
from praxia.errors import ConfigError
from praxia.models.readouts.patch_words import words_of
from praxia.models.states import Outputs
from praxia.objectives.cells import places
from praxia.objectives.dense import dense, readout
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/grounding")
@dataclass(frozen=True)
class Grounding:
    """words * binary cross-entropy over the words of the batch (those of other scenes are the negatives), summed over words, mean over picture
    tokens; places * smooth L1 of offset (in tokens) and log depth, mean over the coordinates of the things in view.

    Reads batch.phrases (names of the things) and batch.dense["things_pixel" | "things_depth" | "things_valid"] as `SceneGrounding` makes them.
    beta: error below which the smooth L1 is quadratic.
    """

    words: float = 1.0
    places: float = 2.0
    beta: float = 0.5
    words_readout: str = "words"
    places_readout: str = "places"

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Pictures, and coordinates of things in view."""
        if "things_valid" not in batch.dense or batch.phrases is None or batch.views is None:
            return {}
        return {"grounding_words": batch.views.valid.sum().float(), "grounding_places": 3 * self._seen(batch).sum().float()}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Scores [B, V, N, W] and places [B, V, N, 3] against the tokens that cover the centres."""
        scores, predicted = readout(outputs, self.words_readout, "grounding"), readout(outputs, self.places_readout, "grounding")
        visual, phrases, views = outputs.visual, batch.phrases, batch.views
        if visual is None or visual.image_spec is None or views is None or phrases is None:
            raise ConfigError("objective grounding needs views and phrases; use supervision SceneGrounding")
        pixel, depth, seen = dense(batch, "things_pixel", "grounding"), dense(batch, "things_depth", "grounding"), self._seen(batch)
        spec, grid = visual.image_spec, visual.grid
        found = [places(pixel[:, v], canvas_transform(views.size[:, v], spec), spec, grid) for v in range(pixel.shape[1])]
        cell, offset, inside = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
        sample, view, thing = (seen & inside).nonzero(as_tuple=True)
        token = cell[sample, view, thing]

        fits = torch.zeros_like(scores)
        number = torch.searchsorted(words_of(batch), phrases.ids)  # of a word among the batch's words
        ids, ok = number[sample, thing], phrases.valid[sample, thing]
        rows, places_in_phrase = ok.nonzero(as_tuple=True)
        fits[sample[rows], view[rows], token[rows], ids[rows, places_in_phrase]] = 1.0
        entropy = F.binary_cross_entropy_with_logits(scores, fits, reduction="none").sum(-1).mean(-1) * views.valid

        truth = torch.cat([offset, depth.clamp_min(1e-3).log()[..., None]], dim=-1)[sample, view, thing]
        error = F.smooth_l1_loss(predicted[sample, view, token], truth, reduction="sum", beta=self.beta)
        return {
            "grounding_words": (self.words * entropy.sum(), views.valid.sum().float()),
            "grounding_places": (self.places * error, 3 * seen.sum().float()),
        }

    def _seen(self, batch: Batch) -> Tensor:
        """bool [B, V, n]: things in pictures that are there."""
        assert batch.views is not None
        return batch.dense["things_valid"] & batch.views.valid[..., None]
