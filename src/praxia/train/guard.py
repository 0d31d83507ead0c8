"""NaN guard: a bad loss or gradient is noticed on the device and its update skipped there; the host looks only now and then."""

import torch
from torch import Tensor

from praxia.errors import PraxiaError


class NumericalError(PraxiaError):
    """Losses or gradients stayed NaN or infinite."""


class NanGuard:
    """Counters on the device, int64 [3]: skipped updates in all, skipped in a row, last skipped step."""

    def __init__(self, device: torch.device):
        self.counters = torch.tensor([0, 0, -1], device=device)
        self.step = torch.zeros((), dtype=torch.int64, device=device)

    @torch.no_grad()
    def flag(self, step: int, loss: Tensor, norm: Tensor) -> Tensor:
        """float32 scalar, 1 if this step's update must be skipped (what the fused optimiser takes as `found_inf`)."""
        bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
        total, row, last = self.counters.unbind()
        self.counters = torch.stack([total + bad, (row + 1) * bad, torch.where(bad, self.step.fill_(step), last)])
        return bad.float()

    def look(self) -> tuple[int, int, int]:
        """(skipped in all, skipped in a row, last skipped step or -1); waits for the device."""
        total, row, last = self.counters.tolist()
        return total, row, last
