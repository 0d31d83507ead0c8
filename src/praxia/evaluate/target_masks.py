"""Scores of masks of the target: overlap where it is seen, silence where it is not, view by view."""

from collections.abc import Sequence

import torch
from torch import Tensor

SIDE = 64  # pixels of the square on which masks are compared
LEAST = 12  # pixels there from which a target is seen well enough to be scored, and from which a mask says that something is there


def mask_scores(roles: Sequence[str], predicted: Tensor, truth: Tensor, known: Tensor) -> dict[str, float]:
    """Of masks bool [N, V, 64, 64] of N samples in V views; known: bool [N, V], whether there is a truth. ROLE/NAME -> number:

    iou: mean intersection over union of the views in which the target shows at least LEAST pixels; seen: their number; iou_50: share above 0.5.
    silent: of the views in which it shows no pixel, the share in which fewer than LEAST are predicted, empty: the share in which none is;
    out_of_sight: their number.
    A name is left out where nothing can be said of it.
    """
    overlap = (predicted & truth).sum((2, 3)) / (predicted | truth).sum((2, 3)).clamp_min(1)
    shown, said = truth.sum((2, 3)), predicted.sum((2, 3))
    found: dict[str, float] = {}
    for slot, role in enumerate(roles):
        seen, absent = known[:, slot] & (shown[:, slot] >= LEAST), known[:, slot] & (shown[:, slot] == 0)
        found |= {f"{role}/seen": float(seen.sum()), f"{role}/out_of_sight": float(absent.sum())}
        if seen.any():
            found |= {f"{role}/iou": float(overlap[seen, slot].mean()), f"{role}/iou_50": float((overlap[seen, slot] > 0.5).float().mean())}
        if absent.any():
            marks = said[absent, slot]
            found |= {f"{role}/silent": float((marks < LEAST).float().mean()), f"{role}/empty": float((marks == 0).float().mean())}
    return found


def usual_mask(truth: Tensor, known: Tensor) -> Tensor:
    """What a predictor that does not look says, bool [V, 64, 64]: in each view the pixels that show the target in at least a share of the samples
    truth bool [N, V, 64, 64] that show it, the share being that of ten with the largest mean overlap with these samples."""
    chosen = []
    for slot in range(truth.shape[1]):
        shown = truth[known[:, slot] & (truth[:, slot].sum((1, 2)) >= LEAST), slot]
        if not len(shown):
            chosen.append(torch.zeros_like(truth[0, slot]))
            continue
        often = shown.float().mean(0)
        masks = [often >= share * often.max() for share in torch.linspace(0.1, 1.0, 10)]
        chosen.append(max(masks, key=lambda mask: float(((mask & shown).sum((1, 2)) / (mask | shown).sum((1, 2))).mean())))
    return torch.stack(chosen)
