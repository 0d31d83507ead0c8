"""History: states and actions of the steps before now, as a history token reads them (Action Priors §III-E)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from praxia.data.sample import Window


class History:
    """The last `steps` steps of one episode."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []  # (state, action) of each step
        self._last: tuple[np.ndarray, np.ndarray] | None = None  # state at the last look, what was commanded then

    def look(self, observation: Mapping[str, Any]) -> None:
        """Take in what was done since the last look.

        What the client tells (`executed`, `executed_states`) counts; without it the commands count as executed, and states lie evenly between the
        last look's and now.
        """
        now = observation["state"]
        before, commanded = self._last or (now, np.zeros((0, 0), np.float32))
        done = observation.get("executed", commanded)
        between = np.linspace(before, now, len(done), endpoint=False, dtype=np.float32) if len(done) else np.zeros((0, len(now)), np.float32)
        self._rows += list(zip(observation.get("executed_states", between), done, strict=True))
        del self._rows[: -self.steps]

    def command(self, state: np.ndarray, actions: np.ndarray) -> None:
        """Actions float32 [n, Da] were asked for at a look with this state."""
        self._last = state, actions

    @property
    def length(self) -> int:
        """Steps that are known."""
        return len(self._rows)

    def window(self, state: np.ndarray, action_width: int) -> Window:
        """The last `steps` steps, the latest last; steps before the episode are not valid. state: now's, float32 [Ds]."""
        known = len(self._rows)
        states = np.tile(state, (self.steps, 1)).astype(np.float32)
        actions = np.zeros((self.steps, action_width), np.float32)
        for row, (one, done) in enumerate(self._rows, start=self.steps - known):
            states[row], actions[row] = one, done
        return Window(states, actions, np.arange(self.steps) >= self.steps - known)
