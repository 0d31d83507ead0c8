"""Recovery noise: the robot is pushed off the expert's path in bursts, while the label stays what the expert would do there."""

from dataclasses import dataclass, field, fields

import numpy as np

from praxia.errors import ConfigError
from praxia.registry import register
from praxia.specs import ActionSpec

_GRIPPER = ("gripper", "effort")
_NEVER = (*_GRIPPER, "phase")  # a random gripper command drops the object
_JITTER = 0.3


@register("data/recovery_noise")
@dataclass(frozen=True)
class RecoveryNoise:
    """In a burst: executed = scale * expert + half width * uniform(-1, 1) on motion dims; the gripper follows the expert.

    gripper_first: probability that a burst at the first step also holds the gripper somewhere (nothing can be lost yet).

    The half width of a dim is `widths[its kind]` in the dim's unit if given, else `amplitude` of (high - low) / 2 of its limits.
    steady: one draw a burst, jittered by 0.3 of it (a push that is not averaged away), instead of a draw a step.
    Dims that are absolute need scale = 1: a scaled absolute command is a jump. The defaults are those measured for Meta-World.
    """

    start: float = 0.045  # probability that a burst starts at a step
    start_first: float = 0.5  # the same at the first step
    shortest: int = 3  # steps of a burst
    longest: int = 15
    scale: float = 0.3
    amplitude: float = 1.0
    widths: dict[str, float] = field(default_factory=dict)
    steady: bool = False
    gripper_first: float = 0.0

    def __hash__(self) -> int:
        return hash(tuple((f.name, str(getattr(self, f.name))) for f in fields(self)))

    def check(self, spec: ActionSpec) -> None:
        """Raises ConfigError when the noise cannot be applied to these actions."""
        if not 1 <= self.shortest <= self.longest or not 0 <= self.start <= 1 or not 0 <= self.start_first <= 1:
            raise ConfigError(f"{self}: expected 1 <= shortest <= longest and probabilities in 0..1")
        for dim in spec.dims:
            if dim.kind in _GRIPPER and self.gripper_first and (dim.low is None or dim.high is None):
                raise ConfigError(f"recovery noise: gripper_first needs low and high limits of action dim {dim.name!r} in the ActionSpec")
            if dim.kind in _NEVER:
                continue
            if dim.kind not in self.widths and (dim.low is None or dim.high is None):
                raise ConfigError(
                    f"recovery noise: action dim {dim.name!r} has no low and high limits, of which the noise is a share; "
                    f"set them in the ActionSpec, or give widths={{{dim.kind!r}: ...}} in {dim.unit or 'its own unit'}"
                )
            if dim.reference == "absolute" and self.scale != 1.0:
                raise ConfigError(
                    f"recovery noise: action dim {dim.name!r} is absolute and scale is {self.scale}; use scale=1.0 for absolute actions"
                )

    def half_widths(self, spec: ActionSpec) -> np.ndarray:
        """float64 [Da]: reach of the noise per dim; 0 where it never acts."""
        return np.array(
            [0.0 if d.kind in _NEVER else self.widths.get(d.kind, self.amplitude * ((d.high or 0) - (d.low or 0)) / 2) for d in spec.dims]
        )


# Strays far enough to stand at the wrong object with the gripper half closed: what a policy must get out of that no clean episode shows.
STRAY = RecoveryNoise(
    start=0.06, start_first=0.6, shortest=3, longest=10, scale=0.3, widths={"position": 0.026, "rotation": 0.05}, steady=True, gripper_first=0.5
)
# The same for absolute joint angles: every joint is held off its course.
STRAY_JOINTS = RecoveryNoise(start=0.04, start_first=0.5, shortest=3, longest=8, scale=1.0, widths={"joint": 0.08}, steady=True, gripper_first=0.3)
# For LIBERO's OSC controller, which goes about a third of a command a step: its pushes displace the hand as far as STRAY does elsewhere.
STRAY_LAGGING = RecoveryNoise(
    start=0.06, start_first=0.6, shortest=3, longest=15, scale=0.3, widths={"position": 0.05, "rotation": 0.25}, steady=True, gripper_first=0.5
)
_OF_WORLD = {"libero": STRAY_LAGGING}


def recovery_for(spec: ActionSpec, world: str = "") -> RecoveryNoise:
    """Noise that suits a world's own controller, or else these actions: of absolute joints, of metric tool deltas, of commands without a unit."""
    if world in _OF_WORLD:
        return _OF_WORLD[world]
    if any(dim.kind == "joint" and dim.reference == "absolute" for dim in spec.dims):
        return STRAY_JOINTS
    return STRAY if any(dim.kind == "position" and dim.unit == "m" for dim in spec.dims) else RecoveryNoise()


class NoiseRun:
    """The noise of one episode: decides step by step what is executed."""

    def __init__(self, noise: RecoveryNoise, spec: ActionSpec, rng: np.random.Generator) -> None:
        noise.check(spec)
        self._noise, self._rng, self._left, self._first = noise, rng, 0, True
        self._width = noise.half_widths(spec)
        self._offset = np.zeros(spec.width)
        self._moves = np.array([d.kind not in _NEVER for d in spec.dims])
        self._low = np.array([-np.inf if d.low is None else d.low for d in spec.dims])
        self._high = np.array([np.inf if d.high is None else d.high for d in spec.dims])
        self._gripper = np.array([d.kind in _GRIPPER for d in spec.dims])
        self._gripper_range = np.where(self._gripper, self._low, 0.0), np.where(self._gripper, self._high, 0.0)
        self._held: np.ndarray | None = None  # gripper command of the first burst

    def executed(self, expert: np.ndarray) -> np.ndarray:
        """The command to execute in place of the expert's float32 [Da]; the same object outside bursts."""
        noise = self._noise
        if self._left == 0 and self._rng.random() < (noise.start_first if self._first else noise.start):
            self._left = int(self._rng.integers(noise.shortest, noise.longest + 1))
            self._offset = self._rng.uniform(-1.0, 1.0, len(expert))
            holds = self._first and self._rng.random() < noise.gripper_first
            self._held = self._rng.uniform(*self._gripper_range) if holds else None
        self._first = False
        if self._left == 0:
            return expert
        self._left -= 1
        draw = self._rng.uniform(-1.0, 1.0, len(expert))
        push = self._offset + _JITTER * draw if noise.steady else draw
        pushed = np.clip(noise.scale * expert + self._width * push, self._low, self._high)
        gripper = expert if self._held is None else np.where(self._gripper, self._held, expert)
        return np.where(self._moves, pushed, gripper).astype(np.float32)
