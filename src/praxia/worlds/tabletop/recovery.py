"""Recovery noise: short bursts that push the executed action off the expert's, so that demonstrations also show the way back."""

from dataclasses import dataclass

import numpy as np

from praxia.specs import ActionSpec

_UNIT = {"position": 0.025, "rotation": 0.10, "joint": 0.04}  # metres or radians a control step, half width of the uniform noise


@dataclass
class RecoveryNoise:
    """Bursts of 3 to 8 control steps, started with probability 0.04 a step; the label stays the clean expert action.

    Within a burst the same offset is added to every action (a steady push is not averaged away), jittered a little; the gripper is left alone.
    """

    spec: ActionSpec
    seed: int
    start: float = 0.04
    length: tuple[int, int] = (3, 8)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, 77])
        self._width = np.array([_UNIT.get(d.kind, 0.0) for d in self.spec.dims])
        self._left, self._offset = 0, np.zeros(self.spec.width)

    def executed(self, expert: np.ndarray) -> np.ndarray:
        """The action to execute, float32 [A], in place of the expert's clean one."""
        if self._left == 0 and self._rng.random() < self.start:
            self._left = int(self._rng.integers(self.length[0], self.length[1] + 1))
            self._offset = self._rng.uniform(-1, 1, self.spec.width) * self._width
        if self._left == 0:
            return np.asarray(expert, np.float32)
        self._left -= 1
        jitter = self._rng.uniform(-0.3, 0.3, self.spec.width) * self._width
        return (expert + self._offset + jitter).astype(np.float32)
