"""Numbers: which number transforms a recipe's actions and states go through, in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from praxia.data.number_transforms import Normalise, Quaternion, RelativeToState, SinCos, SlotMap, back_through, fit_all, of_rows, through
from praxia.errors import ConfigError
from praxia.registry import register
from praxia.specs import ActionSpec, StateSpec

FITTED_ROWS = 2_000_000  # chunk steps that statistics of relative actions are taken of


@register("number/numbers")
@dataclass(frozen=True)
class Numbers:
    """The number transforms of a recipe, in forward order, for actions and for state (past states and actions take the same way).

    past: state that past actions are relative to, where actions are: that of `now`, or of the `start` of what is known of the past, as those of a
    chunk are relative to its own start.
    """

    action: tuple[Any, ...] = (Normalise("quantile"),)
    state: tuple[Any, ...] = (Normalise("quantile"),)
    past: Literal["now", "start"] = "now"

    def __post_init__(self) -> None:
        if any(isinstance(t, RelativeToState) for t in self.state):
            raise ConfigError("Numbers.state has RelativeToState: the state would be relative to itself; put it into Numbers.action")
        if tuple(map(of_rows, self.state)) != self.state:
            raise ConfigError("Numbers.state has Quaternion(continuous=True), but states do not follow each other as steps do; set continuous=False")
        for before, transform in zip(self.action, self.action[1:], strict=False):
            if isinstance(transform, RelativeToState) and not isinstance(before, RelativeToState):
                raise ConfigError(
                    f"Numbers.action has RelativeToState after {type(before).__name__}: the state it subtracts is in robot units; put it first"
                )

        for name in ("action", "state"):
            for before, transform in zip(getattr(self, name), getattr(self, name)[1:], strict=False):
                if isinstance(transform, Quaternion) and isinstance(before, Normalise | SlotMap | SinCos):
                    raise ConfigError(
                        f"Numbers.{name} has Quaternion after {type(before).__name__}: its four dims are no rotation any more; put it first"
                    )

    def fitted(self, actions: np.ndarray, states: np.ndarray, lengths: Sequence[int] | None = None, horizon: int = 1) -> "Numbers":
        """Fit every Normalise without statistics and every SlotMap without slots, on the values that reach it.

        actions [N, Da], states [N, Ds]: all rows, episodes one after another, `lengths` rows each (None = one episode). horizon: steps of a
        chunk; actions relative to the state of their anchor are fitted over all steps of all chunks.
        """
        anchors = states
        if any(isinstance(t, RelativeToState) for t in self.action):
            actions, anchors = _chunk_rows(actions, states, lengths or [len(actions)], horizon)
        return replace(self, action=fit_all(self.action, actions, anchors), state=fit_all(self.state, states, None))

    @property
    def action_dims(self) -> np.ndarray | None:
        """bool [A]: which numbers of the model's action vector the robot has; None where it has all."""
        last = self.action[-1] if self.action else None
        return np.isin(np.arange(last.width), last.slots) if isinstance(last, SlotMap) else None

    @property
    def widths(self) -> tuple[int, int]:
        """Widths of the shared vectors of actions and states; 0 where the robot keeps its own."""
        ends = [transforms[-1] if transforms else None for transforms in (self.action, self.state)]
        action, state = (end.width if isinstance(end, SlotMap) else 0 for end in ends)
        return action, state

    def widened(self, action: int, state: int) -> "Numbers":
        """The same slots in vectors of these widths; unchanged where the robot keeps its own."""
        wider = {
            name: (*transforms[:-1], replace(transforms[-1], width=width))
            for name, transforms, width in (("action", self.action, action), ("state", self.state, state))
            if transforms and isinstance(transforms[-1], SlotMap)
        }
        return replace(self, **wider)

    def behind(self, robots: Mapping[str, "Numbers"]) -> "Numbers":
        """Room behind robots that an earlier run fitted: nothing is shared here."""
        return self

    def joined(self, robots: Sequence[tuple[str, ActionSpec, StateSpec]]) -> "Numbers":
        """With room for these robots, (name, action, state) each: every robot keeps its own numbers."""
        return self

    def of(self, embodiment: str, action: ActionSpec, state: StateSpec) -> "Numbers":
        """The transforms of one robot: the same for all."""
        return self

    def action_forward(self, actions: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Robot units [..., Da] -> model numbers [..., A]."""
        return through(self.action, actions, state)

    def action_inverse(self, actions: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        """Model numbers [..., A] -> robot units [..., Da]."""
        return back_through(self.action, actions, state)

    def state_forward(self, state: np.ndarray) -> np.ndarray:
        """Robot units [..., Ds] -> model numbers [..., S]."""
        return through(self.state, state, None)

    def state_inverse(self, state: np.ndarray) -> np.ndarray:
        """Model numbers -> robot units."""
        return back_through(self.state, state, None)


def _chunk_rows(actions: np.ndarray, states: np.ndarray, lengths: Sequence[int], horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Every step of every chunk with its anchor's state, [M, Da] and [M, Ds]; evenly thinned to about FITTED_ROWS."""
    stop = np.repeat(np.cumsum(lengths), lengths)  # of each row's episode
    anchors = np.arange(0, len(actions), max(1, len(actions) * horizon // FITTED_ROWS))
    rows = anchors[:, None] + np.arange(horizon)
    inside = rows < stop[anchors, None]
    return actions[rows[inside]], states[np.broadcast_to(anchors[:, None], rows.shape)[inside]]
