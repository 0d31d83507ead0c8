"""How many steps a stage takes: as declared, or as many as fit its wall-clock budget, planned once and kept by a resumed run."""

from dataclasses import dataclass

from praxia.stages.recipe import Stage

WARM_UP, MEASURED = 5, 20  # steps before the clock starts; steps that are timed
_SPARE = 0.02  # part of the remaining budget kept for what was not measured


@dataclass(frozen=True)
class Plan:
    """steps: updates of the stage; since: first step that follows this plan (earlier ones ran before it was known, on the declared schedule).

    The other fields say how it came about: the declared steps, the budget and the measured seconds of a step, a validation and a checkpoint.
    """

    steps: int
    declared: int
    since: int = 0
    budget: float = 0.0
    step_seconds: float = 0.0
    validation_seconds: float = 0.0
    checkpoint_seconds: float = 0.0

    def schedule_steps(self, step: int) -> int:
        """Length of the learning-rate schedule as seen by a step."""
        return self.steps if step >= self.since else self.declared

    def schedule_step(self, step: int) -> int:
        """A step's place in the declared schedule: objective weights declared over `declared` steps shrink with the plan."""
        return step if step < self.since or self.steps == self.declared else step * self.declared // self.steps


def fit(stage: Stage, step: int, spent: float, step_seconds: float, validation_seconds: float, checkpoint_seconds: float) -> Plan:
    """Plan a budgeted stage at `step`, after `spent` seconds: the last update, validation and checkpoint end within stage.minutes."""
    pause = validation_seconds + checkpoint_seconds
    left = (stage.minutes * 60 - spent) * (1 - _SPARE) - pause
    per_step = step_seconds + (pause / stage.validate_every if stage.validate_every else 0.0)
    steps = min(stage.steps, step + max(0, int(left / per_step)))
    return Plan(steps, stage.steps, step, stage.minutes * 60, step_seconds, validation_seconds, checkpoint_seconds)
