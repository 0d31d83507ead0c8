"""Recovery noise: the robot is pushed off the expert's path in bursts, while the label stays what the expert would do there."""

from dataclasses import dataclass

import numpy as np

from praxia.errors import ConfigError
from praxia.registry import register
from praxia.specs import ActionSpec

_NEVER = ("gripper", "effort", "phase")  # a random gripper command drops the object, from which no expert here recovers


@register("data/recovery_noise")
@dataclass(frozen=True)
class RecoveryNoise:
    """In a burst: executed = scale * expert + amplitude * half range * uniform(-1, 1), on motion dims; the gripper follows the expert.

    The half range of a dim is (high - low) / 2 of its limits. Dims that are absolute need scale = 1: a scaled absolute command is a jump.
    """

    start: float = 0.045  # probability that a burst starts at a step
    start_first: float = 0.5  # the same at the first step
    shortest: int = 3  # steps of a burst
    longest: int = 15
    scale: float = 0.3
    amplitude: float = 1.0

    def check(self, spec: ActionSpec) -> None:
        """Raises ConfigError when the noise cannot be applied to these actions."""
        if not 1 <= self.shortest <= self.longest or not 0 <= self.start <= 1 or not 0 <= self.start_first <= 1:
            raise ConfigError(f"{self}: expected 1 <= shortest <= longest and probabilities in 0..1")
        for dim in spec.dims:
            if dim.kind in _NEVER:
                continue
            if dim.low is None or dim.high is None:
                raise ConfigError(
                    f"recovery noise: action dim {dim.name!r} has no low and high limits; the noise is a share of them: set them in the ActionSpec"
                )
            if dim.reference == "absolute" and self.scale != 1.0:
                raise ConfigError(
                    f"recovery noise: action dim {dim.name!r} is absolute and scale is {self.scale}; use scale=1.0 for absolute actions"
                )


class NoiseRun:
    """The noise of one episode: decides step by step what is executed."""

    def __init__(self, noise: RecoveryNoise, spec: ActionSpec, rng: np.random.Generator) -> None:
        noise.check(spec)
        self._noise, self._rng, self._left, self._first = noise, rng, 0, True
        self._moves = np.array([d.kind not in _NEVER for d in spec.dims])
        self._low = np.array([-np.inf if d.low is None else d.low for d in spec.dims])
        self._high = np.array([np.inf if d.high is None else d.high for d in spec.dims])

    def executed(self, expert: np.ndarray) -> np.ndarray:
        """The command to execute in place of the expert's float32 [Da]."""
        noise = self._noise
        if self._left == 0 and self._rng.random() < (noise.start_first if self._first else noise.start):
            self._left = int(self._rng.integers(noise.shortest, noise.longest + 1))
        self._first = False
        if self._left == 0:
            return expert
        self._left -= 1
        half = np.where(self._moves, (self._high - self._low) / 2, 0.0)
        pushed = noise.scale * expert + noise.amplitude * half * self._rng.uniform(-1.0, 1.0, len(expert))
        return np.where(self._moves, np.clip(pushed, self._low, self._high), expert).astype(np.float32)
