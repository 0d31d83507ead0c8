"""Position regression: smooth L1 between 3-D positions read from register tokens and the world's truth."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs
from praxia.objectives.dense import dense, readout
from praxia.objectives.objective import Losses, Teachers
from praxia.registry import register


@register("objective/position_regression")
@dataclass(frozen=True)
class PositionRegression:
    """Mean over valid coordinates. readout: which readout is scored. beta: metres below which the error is quadratic.

    Reads batch.dense["positions"] float32 [B, n, 3], metres in a camera frame, and ["positions_valid"] bool [B, n].
    """

    readout: str = "positions"
    beta: float = 0.1

    def count(self, batch: Batch) -> dict[str, Tensor]:
        """Coordinates with a truth."""
        return {"positions": 3 * batch.dense["positions_valid"].sum().float()} if "positions_valid" in batch.dense else {}

    def __call__(self, outputs: Outputs, batch: Batch, teachers: Teachers) -> Losses:
        """Sum over valid coordinates and their number."""
        target, valid = dense(batch, "positions", "position_regression"), dense(batch, "positions_valid", "position_regression")
        predicted = readout(outputs, self.readout, "position_regression")
        if predicted.shape != target.shape:
            raise ConfigError(
                f"objective position_regression: readout {self.readout!r} predicts {predicted.shape[1]} positions, the samples have "
                f"{target.shape[1]}; give it one register for each (ActionChunk makes 3 a view)"
            )
        error = F.smooth_l1_loss(predicted, target, reduction="none", beta=self.beta)
        return {"positions": ((error * valid[..., None]).sum(), 3 * valid.sum().float())}
