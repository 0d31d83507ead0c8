"""What supervisions make of the samples of a source."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from praxia.data.supervision.supervision import Example


def asked(source: Any, supervision: Any, transforms: tuple[Any, ...] = (), draws: int = 1) -> Iterator[Example]:
    """Examples of every sample of a source, each drawn `draws` times."""
    for index in range(len(source)):
        for draw in range(draws):
            rng = np.random.default_rng([index, draw])
            sample = source.sample(index, supervision.needs)
            for transform in transforms:
                sample = transform(sample, rng)
            if example := supervision(sample, rng):
                yield example
