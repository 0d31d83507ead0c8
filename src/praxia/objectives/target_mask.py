"""Target mask: sigmoid focal loss and spatial KL divergence between predicted and true mask of the target in every view (PokeVLA; GLOVER++)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.data.pixels import resample_nearest
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.dense import dense, readout
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register

_EPS = 1e-12


@register("objective/target_mask")
@dataclass(frozen=True)
class TargetMask:
    """focal * mean over pixels + kld * sum over pixels, both averaged over (sample, view): the weights do not depend on resolution.

    An empty mask (target out of view) has no divergence, only the focal term acts. alpha, gamma: of the focal loss (arXiv 1708.02002).
    Reads batch.dense["target_mask"] uint8 or bool [B, V, H, W] in stored pixels of each view, and ["target_mask_valid"] bool [B, V].
    """

    readout: str = "target_mask"
    focal: float = 1.0
    kld: float = 1.0
    alpha: float = 0.25
    gamma: float = 2.0

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Views with a mask, for both terms."""
        if "target_mask_valid" not in batch.dense or batch.views is None:
            return {}
        views = (batch.dense["target_mask_valid"] & batch.views.valid).sum().float()
        return {"target_focal": views, "target_kld": views}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Logits [B, V, h, w] are brought to the square the backbone saw, where the mask is resampled to as well."""
        masks, valid = dense(batch, "target_mask", "target_mask"), dense(batch, "target_mask_valid", "target_mask")
        if batch.views is None or outputs.visual is None or outputs.visual.image_spec is None:
            raise ConfigError("objective target_mask needs views; the batch has none")
        views, spec = batch.views, outputs.visual.image_spec
        slots = [resample_nearest(masks[:, i].to(torch.uint8), views.affine[:, i], views.size[:, i], spec) for i in range(masks.shape[1])]
        truth = (torch.stack(slots, dim=1) > 0).float()
        logits = F.interpolate(readout(outputs, self.readout, "target_mask"), truth.shape[2:], mode="bilinear", align_corners=False)
        seen = (valid & views.valid).float()
        return {
            "target_focal": (self.focal * (self._focal(logits, truth) * seen).sum(), seen.sum()),
            "target_kld": (self.kld * (_divergence(logits, truth) * seen).sum(), seen.sum()),
        }

    def _focal(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Mean over pixels, [B, V]."""
        entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        right = torch.exp(-entropy)  # probability given to the true class
        balance = self.alpha * truth + (1 - self.alpha) * (1 - truth)
        return (balance * (1 - right) ** self.gamma * entropy).mean(dim=(2, 3))


def _divergence(logits: Tensor, truth: Tensor) -> Tensor:
    """KL(truth | prediction) of both maps normalised to sum 1, [B, V]; 0 where the truth is empty."""
    log_predicted = F.logsigmoid(logits)
    log_predicted = log_predicted - log_predicted.flatten(2).logsumexp(2)[..., None, None]
    share = truth / truth.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    return (share * (share.clamp_min(_EPS).log() - log_predicted)).sum(dim=(2, 3))
