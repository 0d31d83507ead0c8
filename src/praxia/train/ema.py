"""Exponential moving average of the trainable parameters, float32, updated in a few fused operations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """average <- d * average + (1 - d) * parameter after every update, d = min(decay, (1 + n) / (10 + n)) at update n (from 0).

    The ramp forgets the random start quickly, so that short runs are averaged too.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float):
        self.decay, self.parameters = decay, dict(parameters)
        self.averages: dict[str, Tensor] = {name: p.detach().clone().float() for name, p in parameters.items()}
        self._live: list[Tensor] = list(self.parameters.values())
        self._average: list[Tensor] = list(self.averages.values())

    @torch.no_grad()
    def update(self, number: int) -> None:
        """Follow update `number` of the parameters."""
        decay = min(self.decay, (1 + number) / (10 + number))
        torch._foreach_lerp_(self._average, self._live, 1 - decay)  # type: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def store(self) -> None:
        """Put the averages into the parameters for good."""
        torch._foreach_copy_(self._live, self._average)  # type: ignore[reportPrivateImportUsage]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The parameters hold the averages inside the block and their own values after it."""
        with torch.no_grad():
            own: list[Tensor] = [p.detach().clone() for p in self._live]
        self.store()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._live, own)  # type: ignore[reportPrivateImportUsage]
