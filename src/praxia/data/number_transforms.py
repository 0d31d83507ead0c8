"""Number transforms: robot units <-> what the model sees. The same objects run in the loader and in the policy.

Each has `forward` and `inverse` over the last axis, keeps shapes otherwise, and serialises with its statistics.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from praxia.data.statistics import Statistics
from praxia.errors import ConfigError, SpecMismatch
from praxia.registry import register


class NumberTransform(Protocol):
    """Invertible map of vectors. `state` is the raw state of the anchor step, for transforms relative to it."""

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray: ...
    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray: ...


@register("number/normalise")
@dataclass(frozen=True)
class Normalise:
    """(x - centre) / scale per dim. mode: `quantile` maps q01..q99 to [-1, 1], `min_max` the range, `mean_std` is the z-score.

    centre, scale: empty until `fitted`. A dim that never moves gets scale 1, so that it stays what it is minus its constant.
    """

    mode: Literal["quantile", "min_max", "mean_std"] = "quantile"
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def fitted(self, statistics: Statistics) -> "Normalise":
        """With the centre and scale of values that reach this transform."""
        if self.mode == "mean_std":
            centre, scale = np.array(statistics.mean), np.array(statistics.std)
        else:
            ends = (statistics.q01, statistics.q99) if self.mode == "quantile" else (statistics.min, statistics.max)
            low, high = map(np.array, ends)
            centre, scale = (low + high) / 2, (high - low) / 2
        scale = np.where(scale < 1e-6, 1.0, scale)
        return replace(self, centre=tuple(map(float, centre)), scale=tuple(map(float, scale)))

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Robot units -> about [-1, 1]."""
        self._check(values)
        return ((values - np.float32(self.centre)) / np.float32(self.scale)).astype(np.float32)

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """About [-1, 1] -> robot units."""
        self._check(values)
        return (values * np.float32(self.scale) + np.float32(self.centre)).astype(np.float32)

    def _check(self, values: np.ndarray) -> None:
        if not self.centre:
            raise ConfigError("Normalise has no statistics yet; call fitted(statistics) before use")
        if values.shape[-1] != len(self.centre):
            raise SpecMismatch(f"Normalise was fitted on {len(self.centre)} dims, the values have {values.shape[-1]}; use data of the same robot")


@register("number/relative")
@dataclass(frozen=True)
class RelativeToState:
    """Absolute targets -> offsets from the anchor step's state. pairs: (action dim, state dim) that share meaning and unit."""

    pairs: tuple[tuple[int, int], ...]

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Subtract the state."""
        return self._shift(values, state, -1.0)

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Add the state."""
        return self._shift(values, state, 1.0)

    def _shift(self, values: np.ndarray, state: np.ndarray | None, sign: float) -> np.ndarray:
        if state is None:
            raise ConfigError("RelativeToState needs the state of the anchor step; the sample or observation has none")
        out = values.astype(np.float32, copy=True)
        for action_dim, state_dim in self.pairs:
            out[..., action_dim] += np.float32(sign) * state[state_dim]
        return out


@register("number/sin_cos")
@dataclass(frozen=True)
class SinCos:
    """Angles of the last axis -> all sines, then all cosines (twice as wide); the inverse is atan2."""

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., D] rad -> [..., 2 D]."""
        return np.concatenate([np.sin(values), np.cos(values)], axis=-1).astype(np.float32)

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., 2 D] -> [..., D] rad in (-pi, pi]."""
        sines, cosines = np.split(values, 2, axis=-1)
        return np.arctan2(sines, cosines).astype(np.float32)


@register("number/slot_map")
@dataclass(frozen=True)
class SlotMap:
    """Widen a robot's dims into shared slots: dim i goes to slots[i] of a vector of `width`; the other slots are zero."""

    slots: tuple[int, ...]
    width: int

    def __post_init__(self) -> None:
        if len(set(self.slots)) != len(self.slots) or any(not 0 <= s < self.width for s in self.slots):
            raise ConfigError(f"SlotMap slots must be different and below width {self.width}, got {self.slots}")

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., D] -> [..., width]."""
        out = np.zeros((*values.shape[:-1], self.width), dtype=np.float32)
        out[..., list(self.slots)] = values
        return out

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., width] -> [..., D]."""
        return np.ascontiguousarray(values[..., list(self.slots)], dtype=np.float32)


@register("number/gripper_sense")
@dataclass(frozen=True)
class GripperSense:
    """Mirror one dim inside its range: x -> low + high - x (open-positive <-> close-positive). Its own inverse."""

    dim: int
    low: float = 0.0
    high: float = 1.0

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Flip the dim."""
        out = values.astype(np.float32, copy=True)
        out[..., self.dim] = self.low + self.high - out[..., self.dim]
        return out

    inverse = forward


@register("number/numbers")
@dataclass(frozen=True)
class Numbers:
    """The number transforms of a recipe, in forward order, for actions and for state (past states and actions take the same way)."""

    action: tuple[Any, ...] = (Normalise("quantile"),)
    state: tuple[Any, ...] = (Normalise("quantile"),)

    def fitted(self, action_statistics: Statistics, state_statistics: Statistics) -> "Numbers":
        """Fit every Normalise that has no statistics. It must come before transforms that change the width."""
        return replace(self, action=_fit(self.action, action_statistics, "action"), state=_fit(self.state, state_statistics, "state"))

    def action_forward(self, actions: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Robot units [..., Da] -> model numbers [..., A]."""
        for transform in self.action:
            actions = transform.forward(actions, state)
        return actions

    def action_inverse(self, actions: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Model numbers [..., A] -> robot units [..., Da]."""
        for transform in reversed(self.action):
            actions = transform.inverse(actions, state)
        return actions

    def state_forward(self, state: np.ndarray) -> np.ndarray:
        """Robot units [..., Ds] -> model numbers [..., S]."""
        for transform in self.state:
            state = transform.forward(state, None)
        return state

    def state_inverse(self, state: np.ndarray) -> np.ndarray:
        """Model numbers -> robot units."""
        for transform in reversed(self.state):
            state = transform.inverse(state, None)
        return state


def _fit(transforms: tuple[Any, ...], statistics: Statistics, what: str) -> tuple[Any, ...]:
    out: list[Any] = []
    for transform in transforms:
        if isinstance(transform, Normalise) and not transform.centre:
            changed = [t for t in out if isinstance(t, RelativeToState | SinCos | SlotMap)]
            if changed:
                raise ConfigError(
                    f"{what} Normalise stands after {type(changed[0]).__name__}: its statistics are of the raw values. "
                    "Put it first, or give it centre and scale"
                )
            transform = transform.fitted(statistics)
        out.append(transform)
    return tuple(out)
