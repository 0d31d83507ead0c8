"""TrainSettings: how this machine runs a stage. Nothing here but seed and precision changes what is learnt."""

from dataclasses import dataclass

from praxia.models.precision import Precision
from praxia.train.parallel import Spread


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training process.

    precision: compute dtype of the forward and backward (`auto`: bf16 where the hardware has it); parameters, moments and averages are
    float32. seed: of all draws.
    threads: CPU threads (0 = as they are). workers: parts of a micro-batch that run beside each other on them, each on its share of the threads
    (0 = one a thread while each gets 16 samples; 1 off the CPU). Losses are equal to the last bit for equal threads and workers.
    log_every: steps between two looks at the device (metrics are kept for every step; losses whose weight has faded out, for these alone).
    checkpoint_every: steps between checkpoints besides those at each validation and at the end (0 = none besides). keep_last, keep_best: checkpoints
    kept.
    loaders: processes that make batches beside the training (on Linux; 0 = a thread of this one). prefetch: steps kept ready, besides
    one or two a loader.
    nan_patience: skipped updates in a row after which the run stops.
    spread: what several processes (`torchrun`) hold of the model: all of it each, or a share (FSDP2). Losses do not depend on it.
    trackers: of "tensorboard", "wandb". quiet: no progress and no tables on the terminal.
    """

    device: str = "cpu"
    precision: Precision = "auto"
    seed: int = 0
    threads: int = 0
    workers: int = 0
    log_every: int = 20
    checkpoint_every: int = 0
    keep_last: int = 2
    keep_best: bool = True
    loaders: int = 1
    prefetch: int = 3
    nan_patience: int = 20
    spread: Spread = "replicate"
    trackers: tuple[str, ...] = ()
    quiet: bool = False
