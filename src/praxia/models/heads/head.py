"""Head: turns prefix states (and a condition) into an action chunk; the same seam for every recipe."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.errors import ConfigError
from praxia.models.layout import TokenLayout
from praxia.models.states import HeadOutput, PrefixStates, Want


class Head(nn.Module, ABC):
    """An action head. `want` says what it needs of the prefix run."""

    want: Want = Want()
    steps: int = 1  # default number of integration steps at sampling

    def layout(self, prefix: TokenLayout) -> TokenLayout:
        """The prefix's layout with the head's own rows behind it; unchanged for heads whose rows attend to it from outside."""
        return prefix

    @abstractmethod
    def draw(self, batch_size: int, generator: torch.Generator) -> Draws:
        """All randomness of one training forward."""

    @abstractmethod
    def forward(self, prefix: PrefixStates | None, condition: Tensor | None, batch: Batch, draws: Draws) -> HeadOutput:
        """Prediction, target and validity for the batch's action chunk. condition: [B, Z] or None."""

    @abstractmethod
    def noise(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """What sampling starts from: float32 [B, H, A]."""

    @abstractmethod
    def sample(
        self, prefix: PrefixStates | None, condition: Tensor | None, state: Tensor | None, noise: Tensor, steps: int, dims: Tensor | None = None
    ) -> Tensor:
        """Normalised actions float32 [B, H, A] from noise, deterministic. state: [B, Ds] or None. dims: bool [B, A], slots that the robot has, all if
        None. Flow heads move the others as they moved in training, from their noise straight to 0, whatever the net says of them: no loss taught
        it, and its answer for the robot's own slots depends on what stands there."""


class RegressionHead(Head):
    """A head that says the chunk at once: it draws nothing and its noise is unused. Its `spec` has horizon and action_width."""

    spec: Any

    @abstractmethod
    def actions(self, prefix: PrefixStates, state: Tensor) -> Tensor:
        """Normalised chunk float32 [B, H, A]."""

    def draw(self, batch_size: int, generator: torch.Generator) -> Draws:
        return Draws()

    def forward(self, prefix: PrefixStates | None, condition: Tensor | None, batch: Batch, draws: Draws) -> HeadOutput:
        assert batch.future is not None
        return HeadOutput(self._said(prefix, batch.state)[:, None], batch.future.actions[:, None], chunk_validity(batch))

    def noise(self, batch_size: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(batch_size, self.spec.horizon, self.spec.action_width)

    def sample(
        self, prefix: PrefixStates | None, condition: Tensor | None, state: Tensor | None, noise: Tensor, steps: int, dims: Tensor | None = None
    ) -> Tensor:
        return self._said(prefix, state)

    def diagnostics(self, inputs: tuple[Any, ...], output: HeadOutput) -> dict[str, tuple[Tensor, Tensor]]:
        """For `train.diagnostics`: mean |tanh g| of the gates of all blocks, by name: how far what starts without a say has come in."""
        gates: dict[str, list[Tensor]] = {}
        for name, parameter in self.named_parameters():
            if name.endswith("_gate"):
                gates.setdefault(name.rpartition(".")[2], []).append(parameter.tanh().abs())
        return {name: (torch.stack(some).sum(), some[0].new_tensor(float(len(some)))) for name, some in gates.items()}

    def _said(self, prefix: PrefixStates | None, state: Tensor | None) -> Tensor:
        assert prefix is not None
        if state is None:
            raise ConfigError(f"head {self.spec.kind.split('/')[-1]!r} needs the robot's state; the batch has none. Add state to the dataset card")
        return self.actions(prefix, state)


def chunk_validity(batch: Batch) -> Tensor:
    """bool [B, 1, H, A]: steps inside the episode and dims the robot has."""
    assert batch.future is not None
    steps = batch.future.valid[:, None, :, None]
    width = batch.future.actions.shape[-1]
    dims = torch.ones(batch.size, width, dtype=torch.bool, device=steps.device) if batch.action_dims is None else batch.action_dims
    return steps & dims[:, None, None, :]
