"""Number transforms: robot units <-> what the model sees. The same objects run in the loader and in the policy.

Each has `forward` and `inverse` over the last axis, keeps shapes otherwise, and serialises with its statistics.
`state` is the raw state of the anchor step: [Ds], or [B, Ds] for values [B, ..., D]. Transforms that do not look at it ignore it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from praxia.data.statistics import Statistics, statistics_of
from praxia.errors import ConfigError, SpecMismatch
from praxia.registry import register


class NumberTransform(Protocol):
    """Invertible map of vectors."""

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray: ...
    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray: ...


@register("number/normalise")
@dataclass(frozen=True)
class Normalise:
    """(x - centre) / scale per dim. mode: `quantile` maps q01..q99 to [-1, 1], `min_max` the range, `mean_std` is the z-score.

    centre, scale: empty until `fitted`. A dim that never moves gets scale 1, so that it stays what it is minus its constant; one that moves in
    fewer than a hundredth of the rows has no width between its quantiles and is mapped by its range.
    least: smallest scale of a dim that moves, in its own unit, so that the jitter of a hardly used dim (a tilt that is only ever corrected) is
    not blown up to weigh as much as what the robot does.
    clip: largest normalised number that `forward` gives, 0 = any. For states: a joint that hardly moves in training reads 30 where a robot starts
    elsewhere, and a network that has never seen such a number does anything.
    """

    mode: Literal["quantile", "min_max", "mean_std"] = "quantile"
    least: float = 0.0
    clip: float = 0.0
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.least < 0:
            raise ConfigError(f"Normalise.least is {self.least}; expected a scale in the unit of the dims, or 0 for none")
        if self.clip < 0:
            raise ConfigError(f"Normalise.clip is {self.clip}; expected the largest normalised number, such as 1.2, or 0 for none")
        if len(self.centre) != len(self.scale) or not all(self.scale):
            raise ConfigError(f"Normalise needs one centre and one scale other than 0 for each dim, got centre {self.centre} and scale {self.scale}")

    def fitted(self, statistics: Statistics) -> "Normalise":
        """With the centre and scale of values that reach this transform."""
        if self.mode == "mean_std":
            centre, scale = np.array(statistics.mean), np.array(statistics.std)
        else:
            low, high = np.array(statistics.min), np.array(statistics.max)
            if self.mode == "quantile":
                q01, q99 = np.array(statistics.q01), np.array(statistics.q99)
                wide = q99 - q01 > 1e-3 * (high - low)
                low, high = np.where(wide, q01, low), np.where(wide, q99, high)
            centre, scale = (low + high) / 2, (high - low) / 2
        scale = np.where(scale < 1e-6, 1.0, np.maximum(scale, self.least))
        return replace(self, centre=tuple(map(float, centre)), scale=tuple(map(float, scale)))

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Robot units -> about [-1, 1]."""
        centre, scale = self._arrays(values)
        normalised = ((values - centre) / scale).astype(np.float32)
        return np.clip(normalised, -self.clip, self.clip) if self.clip else normalised

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """About [-1, 1] -> robot units."""
        centre, scale = self._arrays(values)
        return (values * scale + centre).astype(np.float32)

    def _arrays(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width = values.shape[-1]
        if width and not self.centre:
            raise ConfigError("Normalise has no statistics yet; call fitted(statistics) before use")
        if width != len(self.centre):
            raise SpecMismatch(f"Normalise was fitted on {len(self.centre)} dims, the values have {width}; use data of the same robot")
        return self._constants

    @cached_property
    def _constants(self) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self.centre, np.float32), np.asarray(self.scale, np.float32)


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
        widths = values.shape[-1], state.shape[-1]
        for pair in self.pairs:
            if not all(0 <= dim < width for dim, width in zip(pair, widths, strict=True)):
                raise SpecMismatch(f"RelativeToState pairs (action dim, state dim) {pair}: actions have {widths[0]} dims, states {widths[1]}")
        out = values.astype(np.float32, copy=True)
        between = (1,) * (values.ndim - state.ndim)  # steps of a chunk share their anchor
        for action_dim, state_dim in self.pairs:
            anchor = state[..., state_dim]
            out[..., action_dim] += np.float32(sign) * anchor.reshape(anchor.shape + between)
        return out


@register("number/quaternion")
@dataclass(frozen=True)
class Quaternion:
    """Four dims from `first` on, w first (`w_last`: last), written as one of q and -q, which are one rotation; back with unit length.

    w >= 0, but for the later steps of a chunk (`continuous`): they take the one nearer to the step before, or crossing w = 0 would flip all four.
    Where w is near 0 (a half turn) the first steps of two chunks can still have opposite signs. Statistics are those of rows with w >= 0.
    Give `continuous=False` to a state, whose rows do not follow each other. Pose-VLA, open point 11: put it before z-scoring.
    """

    first: int
    w_last: bool = False
    continuous: bool = True

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., D], or with `continuous` chunks [..., H, D]."""
        out = values.astype(np.float32, copy=True)
        q = self._of(out)
        q *= np.where(q[..., [3 if self.w_last else 0]] < 0, -1, 1)
        if self.continuous and values.ndim > 1:
            turned = np.where((q[..., 1:, :] * q[..., :-1, :]).sum(-1, keepdims=True) < 0, -1, 1)
            q[..., 1:, :] *= np.cumprod(turned, axis=-2)
        return out

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """What a model says is no rotation before it has unit length."""
        out = values.astype(np.float32, copy=True)
        q = self._of(out)
        q /= np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-6)
        return out

    def _of(self, values: np.ndarray) -> np.ndarray:
        """A view on the four."""
        if not 0 <= self.first <= values.shape[-1] - 4:
            raise SpecMismatch(f"Quaternion takes dims {self.first} to {self.first + 3}, the values have dims 0 to {values.shape[-1] - 1}")
        return values[..., self.first : self.first + 4]


@register("number/sin_cos")
@dataclass(frozen=True)
class SinCos:
    """Angles of the last axis -> all sines, then all cosines (twice as wide); the inverse is atan2."""

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., D] rad -> [..., 2 D]."""
        return np.concatenate([np.sin(values), np.cos(values)], axis=-1).astype(np.float32)

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., 2 D] -> [..., D] rad in (-pi, pi]."""
        if values.shape[-1] % 2:
            raise SpecMismatch(f"SinCos makes an even number of values, {values.shape[-1]} came back; give sines, then cosines")
        sines, cosines = np.split(values, 2, axis=-1)
        return np.arctan2(sines, cosines).astype(np.float32)


@register("number/slot_map")
@dataclass(frozen=True)
class SlotMap:
    """Widen a robot's dims into shared slots: dim i goes to slots[i] of a vector of `width`; the other slots are zero.

    slots: empty until fitted; the dims then take the first slots in their order (as pi0 pads to 32).
    """

    slots: tuple[int, ...] = ()
    width: int = 32

    def __post_init__(self) -> None:
        if len(set(self.slots)) != len(self.slots) or any(not 0 <= s < self.width for s in self.slots):
            raise ConfigError(f"SlotMap slots must be different and below width {self.width}, got {self.slots}")

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., D] -> [..., width]; a robot without such numbers has no slots, and all of them are zero."""
        if values.shape[-1] and not self.slots:
            raise ConfigError("SlotMap has no slots yet; name one for each dim, or fit it with Numbers.fitted")
        if values.shape[-1] != len(self.slots):
            raise SpecMismatch(f"SlotMap has slots for {len(self.slots)} dims, the values have {values.shape[-1]}; name one slot for each dim")
        out = np.zeros((*values.shape[:-1], self.width), dtype=np.float32)
        out[..., list(self.slots)] = values
        return out

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., width] -> [..., D]."""
        if values.shape[-1] != self.width:
            raise SpecMismatch(f"SlotMap is {self.width} wide, the values have {values.shape[-1]} dims; use the width the model was built with")
        return np.ascontiguousarray(values[..., list(self.slots)], dtype=np.float32)


@register("number/part")
@dataclass(frozen=True)
class Part:
    """Some dims and the transforms, in forward order, that they alone go through."""

    dims: tuple[int, ...]
    transforms: tuple[Any, ...] = ()


@register("number/split")
@dataclass(frozen=True)
class Split:
    """Every part of the dims goes its own way; the results stand behind each other in the order of the parts. Each dim is in one part."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        dims = [dim for part in self.parts for dim in part.dims]
        if sorted(dims) != list(range(len(dims))):
            raise ConfigError(f"Split has parts with dims {[list(part.dims) for part in self.parts]}; put each of 0 to {len(dims) - 1} into one part")

    def fitted(self, values: np.ndarray, anchors: np.ndarray | None) -> "Split":
        """With every part fitted on its dims of values [N, D]."""
        return Split(tuple(replace(p, transforms=fit_all(p.transforms, values[..., list(p.dims)], anchors)) for p in self.parts))

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """[..., D] -> [..., sum of what the parts make]."""
        self._check(values.shape[-1], self._width)
        parts = []
        for part in self.parts:
            parts.append(through(part.transforms, values[..., list(part.dims)], state))
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    def inverse(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """What the parts made -> [..., D]."""
        self._check(values.shape[-1], sum(self._made))
        out = np.empty((*values.shape[:-1], self._width), np.float32)
        for part, piece in zip(self.parts, np.split(values, np.cumsum(self._made)[:-1], axis=-1), strict=True):
            out[..., list(part.dims)] = back_through(part.transforms, piece, state)
        return out

    @property
    def _width(self) -> int:
        return sum(len(part.dims) for part in self.parts)

    @cached_property
    def _made(self) -> tuple[int, ...]:
        """Numbers that each part makes."""
        return tuple(through(part.transforms, np.zeros((1, len(part.dims)), np.float32), None).shape[-1] for part in self.parts)

    def _check(self, found: int, expected: int) -> None:
        if found != expected:
            raise SpecMismatch(f"Split takes {expected} numbers, the values have {found}; its parts must name every dim of the robot once")


@register("number/gripper_sense")
@dataclass(frozen=True)
class GripperSense:
    """Mirror one dim inside its range: x -> low + high - x (open-positive <-> close-positive). Its own inverse."""

    dim: int
    low: float = 0.0
    high: float = 1.0

    def forward(self, values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Flip the dim."""
        if not 0 <= self.dim < values.shape[-1]:
            raise SpecMismatch(f"GripperSense flips dim {self.dim}, the values have dims 0 to {values.shape[-1] - 1}")
        out = values.astype(np.float32, copy=True)
        out[..., self.dim] = self.low + self.high - out[..., self.dim]
        return out

    inverse = forward


def through(transforms: Sequence[NumberTransform], values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
    """Values through all transforms, in order."""
    for transform in transforms:
        values = transform.forward(values, state)
    return values


def back_through(transforms: Sequence[NumberTransform], values: np.ndarray, state: np.ndarray | None) -> np.ndarray:
    """Values back through all transforms, the last one first."""
    for transform in reversed(transforms):
        values = transform.inverse(values, state)
    return values


def fit_all(transforms: tuple[Any, ...], values: np.ndarray, anchors: np.ndarray | None) -> tuple[Any, ...]:
    """The transforms with every Normalise and SlotMap that has no statistics or slots fitted on the values that reach it."""
    out: list[Any] = []
    for place, transform in enumerate(transforms):
        if isinstance(transform, Normalise) and not transform.centre:
            transform = transform.fitted(statistics_of(values))
        elif isinstance(transform, Split):
            transform = transform.fitted(values, anchors)
        elif isinstance(transform, SlotMap) and not transform.slots:
            transform = replace(transform, slots=tuple(range(values.shape[-1])))
        out.append(transform)
        if any(isinstance(t, Normalise | SlotMap | Split) for t in transforms[place + 1 :]):
            values = of_rows(transform).forward(values, anchors)
    return tuple(out)


def of_rows(transform: Any) -> Any:
    """The transform for rows that do not follow each other."""
    if isinstance(transform, Quaternion):
        return replace(transform, continuous=False)
    if isinstance(transform, Split):
        return Split(tuple(replace(part, transforms=tuple(map(of_rows, part.transforms))) for part in transform.parts))
    return transform
