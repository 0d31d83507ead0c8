"""Examples of a dataset for the contact sheet: first pictures of episodes spread evenly over it."""

import numpy as np

from praxia.data.source import SampleSource
from praxia.data.supervision.supervision import Needs
from praxia.report.content import Moment


def examples_of(source: SampleSource, count: int = 8) -> tuple[Moment, ...]:
    """The first moment of `count` episodes, different instructions before repeated ones, in the order of the dataset."""
    starts = np.unique(np.asarray(source.episodes), return_index=True)[1]
    starts = starts[_spread(len(starts), 16 * count)]
    texts = [source.sample(int(index), Needs(pictures=False)).instruction for index in starts]
    new = [i for i, text in enumerate(texts) if text not in texts[:i]]
    pool = new if len(new) >= count else new + [i for i in range(len(texts)) if i not in new][: count - len(new)]
    samples = [source.sample(int(starts[pool[i]]), Needs()) for i in _spread(len(pool), count)]
    return tuple(Moment(sample.instruction, {view.role: view.image for view in sample.views if view.valid}) for sample in samples)


def _spread(length: int, count: int) -> np.ndarray:
    """At most `count` indices, evenly over `length`."""
    return np.linspace(0, length - 1, min(length, count)).round().astype(int)
