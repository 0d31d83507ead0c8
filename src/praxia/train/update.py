"""One update: forward and backward over the micro-batches of a step, normalised once, clipped, guarded, averaged. Never waits for the device."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from praxia.models.precision import compute
from praxia.models.vla import VLA
from praxia.objectives.objective import Teachers
from praxia.stages.recipe import Stage
from praxia.train.checkpoint import Trainee
from praxia.train.guard import NanGuard
from praxia.train.losses import counts, score, share_of_step, step_totals
from praxia.train.randomness import derived_seed
from praxia.train.settings import TrainSettings
from praxia.train.stream import Prepared


class Update:
    """Makes the updates of a stage."""

    def __init__(self, model: VLA, stage: Stage, trainee: Trainee, guard: NanGuard, teachers: Teachers, settings: TrainSettings):
        self.model, self.stage, self.trainee, self.guard, self.teachers, self.settings = model, stage, trainee, guard, teachers, settings
        self.device = torch.device(settings.device)
        self._parameters = list(trainee.parameters.values())
        self._one = torch.ones((), device=self.device)
        self.idle = set(trainee.parameters)  # trainable parameters that no update of the first cycle gave a gradient: in no path to any loss

    def __call__(self, micros: Sequence[Prepared], step: int, rate: float, schedule_step: int) -> dict[str, Tensor]:
        """Do update number `step` at learning rate `rate`; returns scalars on the device: losses, gradient norm, whether it was skipped."""
        micros = [micro.to(self.device) for micro in micros]
        metrics = self.gradients(micros, step, schedule_step)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if step < self.stage.cycle:
            self.idle = {name for name in self.idle if self.trainee.parameters[name].grad is None}
        norm = torch.nn.utils.get_total_norm(gradients)
        skipped = self.guard.flag(step, metrics["loss"], norm)
        self._apply(step, rate, norm, skipped)
        return metrics | {"gradient_norm": norm, "skipped": skipped}

    def gradients(self, micros: Sequence[Prepared], step: int, schedule_step: int) -> dict[str, Tensor]:
        """Accumulate the gradient of the step's loss into the parameters; returns `loss` and each named loss (sum / weight), detached."""
        stage = self.stage
        weights = [w.weight(schedule_step) for w in stage.objectives]
        found = [counts(stage.objectives, m.batch, m.supervision) for m in micros]
        totals = step_totals(found)
        sums: dict[str, tuple[Tensor, Tensor]] = {}
        loss = torch.zeros((), device=self.device)
        for number, (micro, here) in enumerate(zip(micros, found, strict=True)):
            torch.manual_seed(derived_seed(self.settings.seed, stage.name, "layers", step, number))  # whatever draws inside layers (dropout)
            for drop in stage.passes:
                with compute(self.device, self.settings.precision):
                    outputs = self.model(micro.batch, micro.draws, drop)
                    scored = score(stage.objectives, here, outputs, micro.batch, self.teachers)
                    part = share_of_step(scored, here, totals, weights, len(stage.passes))
                del outputs  # its tensors live on only as long as the backward needs them
                part.backward()
                loss += part.detach()
                add_up(sums, ((name, pair) for (_, name), pair in scored.items()))
        return {"loss": loss} | {name: total / weight.clamp_min(1e-12) for name, (total, weight) in sums.items()}

    def _apply(self, step: int, rate: float, norm: Tensor, skipped: Tensor) -> None:
        optimiser, clip = self.trainee.optimiser, self.stage.optimiser.clip
        for group in optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        # The fused kernel divides gradients by `grad_scale` and does nothing where `found_inf` is set:
        # clipping and skipping cost no pass over the parameters and no look at the device.
        optimiser.grad_scale = torch.clamp_min(norm / clip, 1.0) if clip else self._one  # type: ignore[attr-defined]
        optimiser.found_inf = skipped  # type: ignore[attr-defined]
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if self.trainee.ema is not None:
            self.trainee.ema.update(step)


def add_up(sums: dict[str, tuple[Tensor, Tensor]], scored: Iterable[tuple[str, tuple[Tensor, Tensor]]]) -> None:
    """Add detached (sum, weight) pairs by name, in place."""
    for name, (total, weight) in scored:
        total, weight = total.detach().float(), weight.detach().float()
        if name in sums:
            total, weight = sums[name][0] + total, sums[name][1] + weight
        sums[name] = (total, weight)
