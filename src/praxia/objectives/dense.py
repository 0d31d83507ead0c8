"""Dense targets of a batch by name, with a message that says what is missing."""

from torch import Tensor

from praxia.data.batch import Batch
from praxia.errors import ConfigError


def dense(batch: Batch, name: str, objective: str) -> Tensor:
    """batch.dense[name], or ConfigError."""
    if name not in batch.dense:
        raise ConfigError(
            f"objective {objective} reads batch.dense[{name!r}], the batch has {sorted(batch.dense)}; "
            "use a supervision that makes it, or restrict the objective with Weighted.on"
        )
    return batch.dense[name]
