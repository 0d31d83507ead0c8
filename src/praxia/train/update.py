"""One update: forward and backward over the micro-batches of a step, normalised once, clipped, guarded, averaged. Never waits for the device.

On the CPU small operations leave threads idle: there several workers run whole micro-batches beside each other, each on its share of the threads.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from praxia.errors import ConfigError
from praxia.models.precision import compute
from praxia.models.vla import VLA
from praxia.objectives.objective import Teachers
from praxia.stages.recipe import Stage
from praxia.train.checkpoint import Trainee
from praxia.train.guard import NanGuard
from praxia.train.losses import Counts, counts, score, share_of_step, step_totals
from praxia.train.parallel import ranks
from praxia.train.randomness import derived_seed
from praxia.train.settings import TrainSettings
from praxia.train.stream import Prepared

_SAMPLES_A_WORKER = 16  # fewer samples at once make the matrix products of small models slow


def worker_count(settings: TrainSettings, stage: Stage) -> int:
    """Workers of a stage's updates, as set or as many as its batch keeps busy."""
    if torch.device(settings.device).type != "cpu" or ranks().world > 1:
        return 1
    return settings.workers or max(1, min(torch.get_num_threads(), stage.batch // (stage.accumulate * _SAMPLES_A_WORKER)))


@dataclass(frozen=True)
class _Part:
    """What one micro-batch adds to a step. gradients: of all parameters, in order (None: they went into `.grad` already)."""

    loss: Tensor
    scored: list[tuple[str, tuple[Tensor, Tensor]]]
    gradients: list[Tensor | None] | None


class Update:
    """Makes the updates of a stage."""

    def __init__(self, model: VLA, stage: Stage, trainee: Trainee, guard: NanGuard, teachers: Teachers, settings: TrainSettings):
        self.model, self.stage, self.trainee, self.guard, self.teachers, self.settings = model, stage, trainee, guard, teachers, settings
        self.device = torch.device(settings.device)
        self._parameters = list(trainee.parameters.values())
        self._one = torch.ones((), device=self.device)
        self._ranks = ranks()
        self.workers = worker_count(settings, stage)
        self._pool = ThreadPoolExecutor(self.workers, "update") if self.workers > 1 else None
        self.idle = set(trainee.parameters)  # trainable parameters that no update of the first cycle gave a gradient: in no path to any loss

    def __call__(self, micros: Sequence[Prepared], step: int, rate: float, schedule_step: int) -> dict[str, Tensor]:
        """Do update number `step` at learning rate `rate`; returns scalars on the device: losses, gradient norm, whether it was skipped.

        micros: all of the step, in every process.
        """
        metrics = self.gradients(micros, step, schedule_step)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if step < self.stage.cycle:
            self.idle = {name for name in self.idle if self.trainee.parameters[name].grad is None}
        shards = self.trainee.shards
        norm = torch.nn.utils.get_total_norm(gradients) if shards is None else shards.norm(self.trainee.parameters, self._ranks)
        skipped = self.guard.flag(step, metrics["loss"], norm)
        self._apply(step, rate, norm, skipped)
        return metrics | {"gradient_norm": norm, "skipped": skipped}

    def gradients(self, micros: Sequence[Prepared], step: int, schedule_step: int) -> dict[str, Tensor]:
        """Accumulate the gradient of the step's loss into the parameters; returns `loss` and each named loss (sum / weight), detached."""
        weights = [w.weight(schedule_step) for w in self.stage.objectives]
        live = self._live(step, schedule_step)
        found = [counts(self.stage.objectives, m.batch, m.supervision) for m in micros]
        found = [{key: count for key, count in some.items() if key[0] in live} or some for some in found]
        encodes = any(getattr(self.stage.objectives[i].objective, "encoded", False) for some in found for i, _ in some)
        totals = {key: total.to(self.device, non_blocking=True) for key, total in step_totals(found).items()}
        mine = self._mine(micros)
        ready = [micros[number].to(self.device) for number, _ in mine]
        seeds = [derived_seed(self.settings.seed, self.stage.name, "layers", step, number) for number, _ in mine]

        def part(place: int) -> _Part:
            number, taken = mine[place]
            here = {key: count.to(self.device, non_blocking=True) * taken for key, count in found[number].items()}
            return self._part(ready[place], here, totals, weights, seeds[place], taken, encodes)

        sums: dict[str, tuple[Tensor, Tensor]] = {}
        loss = torch.zeros((), device=self.device)
        for done in self._beside_each_other(part, len(mine)) if self._pool else map(part, range(len(mine))):
            loss += done.loss
            add_up(sums, done.scored)
            for parameter, gradient in zip(self._parameters, done.gradients or (), strict=False):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        self._exchange(loss, sums)
        return {"loss": loss} | {name: total / weight.clamp_min(1e-12) for name, (total, weight) in sums.items()}

    def _live(self, step: int, schedule_step: int) -> set[int]:
        """Numbers of the objectives that are scored in an update: what has faded out is only looked at now and then, for its curve."""
        objectives = self.stage.objectives
        return {i for i, w in enumerate(objectives) if step % self.settings.log_every == 0 or not w.faded(schedule_step)}

    def _mine(self, micros: Sequence[Prepared]) -> list[tuple[int, bool]]:
        """Numbers of the pieces that this process takes, and whether each counts."""
        by_micro: dict[int, list[int]] = {}
        for number, micro in enumerate(micros):
            by_micro.setdefault(micro.micro, []).append(number)
        return [taken for pieces in by_micro.values() for taken in self._ranks.share(pieces)]

    def _exchange(self, loss: Tensor, sums: dict[str, tuple[Tensor, Tensor]]) -> None:
        """Add up losses and gradients over the processes, in place. Every process has met every kind of micro-batch, so all have the same ones."""
        if self.trainee.shards is not None:
            self.trainee.shards.take_gradients(self.trainee.parameters, self._ranks)
        else:
            self._ranks.add_up([p.grad for p in self._parameters if p.grad is not None])
        self._ranks.add_up([loss, *(tensor for pair in sums.values() for tensor in pair)])

    def _part(self, micro: Prepared, here: Counts, totals: Counts, weights: list[float], seed: int, taken: bool, encodes: bool) -> _Part:
        """Forward and backward of one micro-batch. taken: False = only so that all processes run equally many; its counts are 0."""
        stage = self.stage
        if self._pool is None:
            torch.manual_seed(seed)  # whatever draws inside layers (dropout)
        loss = torch.zeros((), device=self.device)
        scores: list[tuple[str, tuple[Tensor, Tensor]]] = []
        gradients: list[Tensor | None] | None = None
        for drop in stage.passes:
            with compute(self.device, self.settings.precision):
                outputs = self.model(micro.batch, micro.draws, drop, encodes)
                scored = score(stage.objectives, here, outputs, micro.batch, self.teachers)
                part = share_of_step(scored, here, totals, weights, len(stage.passes))
            del outputs  # its tensors live on only as long as the backward needs them
            if self._pool is None:
                # shards come back as means over the processes
                (part * self._ranks.world if self.trainee.shards is not None else part).backward()
            else:
                new = torch.autograd.grad(part, self._parameters, allow_unused=True)
                gradients = list(new) if gradients is None else [_sum(a, b) for a, b in zip(gradients, new, strict=True)]
            loss += part.detach()
            scores += [(name, (total * taken, weight * taken)) for (_, name), (total, weight) in scored.items()]
        return _Part(loss, scores, gradients)

    def _beside_each_other(self, part: Callable[[int], _Part], count: int) -> list[_Part]:
        """All parts, by the workers, in the order of the micro-batches."""
        assert self._pool is not None
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        torch.set_num_threads(max(1, threads // self.workers))
        try:
            parts = list(self._pool.map(part, range(count)))
        finally:
            torch.set_num_threads(threads)
        if not torch.equal(state, torch.get_rng_state()):
            raise ConfigError(
                f"stage {self.stage.name!r}: a layer draws random numbers (dropout?), which {self.workers} workers would draw in any order; "
                "train with TrainSettings(workers=1)"
            )
        return parts

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


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b
