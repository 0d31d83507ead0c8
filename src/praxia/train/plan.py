"""How many steps a stage takes: as declared, or as many as fit its wall-clock budget: planned from the first steps, again where that was wrong.

A resumed run follows the plan it finds: a plan is written behind a checkpoint at the step it begins with, so the same steps see the same schedule.
"""

import time
from dataclasses import dataclass

import torch

from praxia.stages.recipe import Stage

_WARM_UP, _MEASURED = 5, 20  # steps before the clock starts; steps that are timed for the first plan
_LOOKS = 4  # times within a budget that the plan is held against the clock
_TOLERANCE = 0.05  # part of the remaining steps by which a plan may be wrong
_SPARE = 0.02  # part of the remaining budget kept for what was not measured


@dataclass(frozen=True)
class Plan:
    """steps: updates of the stage; since: first step that follows this plan. warmup: that of the learning rate, in a stage of the declared steps.

    The other fields say how it came about: the declared steps, the budget and the measured seconds of a step, a validation and a checkpoint.
    """

    steps: int
    declared: int
    since: int = 0
    budget: float = 0.0
    step_seconds: float = 0.0
    validation_seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    warmup: int = 0

    def schedule_step(self, step: int) -> int:
        """A step's place in the declared schedule: the weights of objectives keep their place beside the learning rate, whose warm-up is as long as
        declared (or a quarter of the steps), and whose fall shrinks with the plan."""
        if self.steps == self.declared:
            return step
        short, declared = min(self.warmup, self.steps // 4), min(self.warmup, self.declared // 4)
        if step < short:
            return step * declared // short
        return declared + (step - short) * (self.declared - declared) // (self.steps - short)

    def wrong(self, later: "Plan") -> bool:
        """Whether a plan made later asks for clearly more or fewer steps."""
        return abs(later.steps - self.steps) > max(1, _TOLERANCE * (self.steps - later.since))


def fit(stage: Stage, step: int, spent: float, step_seconds: float, validation_seconds: float, checkpoint_seconds: float) -> Plan:
    """Plan a budgeted stage at `step`, after `spent` seconds: the last update, validation and checkpoint end within stage.minutes."""
    budget, pause = stage.minutes * 60, validation_seconds + checkpoint_seconds
    left = (budget - spent) * (1 - _SPARE) - pause
    per_step = step_seconds + (pause / stage.validate_every if stage.validate_every else 0.0)
    steps = min(stage.steps, step + max(0, int(left / per_step)))
    warmup = getattr(stage.optimiser, "warmup", 0)
    return Plan(steps, stage.steps, step, budget, step_seconds, validation_seconds, checkpoint_seconds, warmup)


class PlanClock:
    """Says when to look at the plan of a budgeted stage, and how long a step took since the last look. pauses: seconds not spent on steps."""

    def __init__(self, device: torch.device, step: int, budget: float):
        self.device, self.budget = device, budget
        self._first = step
        self._step, self._pauses, self._start, self._next = step, 0.0, 0.0, 0.0

    def due(self, step: int, spent: float, pauses: float, planned: bool) -> bool:
        """Call after every step. True after the first timed steps while there is no plan, then each time a quarter of the budget is gone."""
        if step - self._first < _WARM_UP + _MEASURED:
            if step - self._first == _WARM_UP:
                self._begin(step, spent, pauses)
            return False
        return not planned or spent >= self._next

    def step_seconds(self, step: int, spent: float, pauses: float) -> float:
        """Seconds of a step since the last look; the next look begins here."""
        _wait_for(self.device)
        seconds = (time.perf_counter() - self._start - (pauses - self._pauses)) / (step - self._step)
        self._begin(step, spent, pauses)
        return seconds

    def _begin(self, step: int, spent: float, pauses: float) -> None:
        _wait_for(self.device)
        self._step, self._pauses, self._start = step, pauses, time.perf_counter()
        self._next = (spent // (self.budget / _LOOKS) + 1) * self.budget / _LOOKS


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
