"""Dense targets of a batch and readouts of a forward by name, with a message that says what is missing."""

from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError
from praxia.models.states import Outputs


def dense(batch: Batch, name: str, objective: str) -> Tensor:
    """batch.dense[name], or ConfigError."""
    if name not in batch.dense:
        raise ConfigError(
            f"objective {objective} reads batch.dense[{name!r}], the batch has {sorted(batch.dense)}; "
            "use a supervision that makes it, or restrict the objective with Weighted.on"
        )
    return batch.dense[name]


def readout(outputs: Outputs, name: str, objective: str) -> Tensor:
    """outputs.readouts[name], or ConfigError."""
    if name not in outputs.readouts:
        raise ConfigError(
            f"objective {objective} scores readout {name!r}, the forward made {sorted(outputs.readouts)}; build part 'readouts', "
            "do not drop the token group it reads (Stage.passes), and give it views if it reads them"
        )
    return outputs.readouts[name]
