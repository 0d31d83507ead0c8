"""The training loop of one stage: resume, plan, update, validate, keep checkpoints, stop cleanly. What moves is decided by the Stage alone."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json, write_json
from praxia.models.lora import check_trains, inject, remove
from praxia.models.vla import VLA
from praxia.registry import from_json
from praxia.stages.recipe import Stage
from praxia.stages.run_directory import StageFolder, StageResult, fingerprint
from praxia.stages.weights import load_state, read_weights
from praxia.train import checkpoint
from praxia.train.checkpoint import Counters, Trainee
from praxia.train.ema import Ema
from praxia.train.guard import NanGuard, NumericalError
from praxia.train.loaders import Loaders
from praxia.train.metrics import MetricsLog, open_trackers
from praxia.train.parallel import ranks, spread_over
from praxia.train.plan import Plan, PlanClock, fit
from praxia.train.progress import StageProgress
from praxia.train.recompute import recompute, restore
from praxia.train.settings import TrainSettings
from praxia.train.signals import StopRequest, TrainingStopped
from praxia.train.stream import Prefetch, Prepared, Stream, prepare
from praxia.train.trainable import apply_trainable, check_frozen, frozen_hashes, set_training_mode, table_text, trainable_table
from praxia.train.update import Update
from praxia.train.validate import validate


@dataclass(frozen=True)
class Callbacks:
    """What floors above hand in. validated: (model with the weights that will be handed on, updates done) -> further metrics;
    saved: (checkpoint folder, updates done)."""

    validated: Sequence[Callable[[VLA, int], dict[str, float]]] = ()
    saved: Sequence[Callable[[Path, int], None]] = ()


def train(
    model: VLA,
    stage: Stage,
    stream: Stream,
    folder: StageFolder,
    settings: TrainSettings,
    teachers: Mapping[str, Any] | None = None,
    callbacks: Callbacks | None = None,
) -> StageResult:
    """Train a stage to its end, from its newest checkpoint if there is one; a finished stage returns its result at once.

    model: built and loaded (hand-off done). At return it holds the weights to hand on: averages where the stage keeps them.
    Raises TrainingStopped after SIGINT or SIGTERM (a checkpoint is written), NumericalError after repeated NaN, CheckpointError for a
    checkpoint of something else or a full disk.
    """
    result = folder.result()
    if result is not None:
        load_state(model, read_weights(folder.path / result.checkpoint), str(folder.path))
        return result
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return _Run(model, stage, stream, folder, settings, dict(teachers or {}), callbacks or Callbacks()).train()


class _Run:
    """State of one call of `train`."""

    def __init__(
        self, model: VLA, stage: Stage, stream: Stream, folder: StageFolder, settings: TrainSettings, teachers: dict[str, Any], callbacks: Callbacks
    ):
        self.stage, self.stream, self.folder, self.settings, self.callbacks, self.teachers = stage, stream, folder, settings, callbacks, teachers
        self.device = torch.device(settings.device)
        self.ranks = ranks()
        frozen_by_lora = inject(model, stage.lora) if stage.lora else ()
        self.recomputed = recompute(model, stage.recompute)
        self.model = model.to(self.device)
        parameters = apply_trainable(model, stage.trainable, (*stage.frozen, *frozen_by_lora))
        check_trains(model)
        set_training_mode(model)
        if settings.spread == "shard" and stage.optimiser.muon:
            raise ConfigError(
                f"stage {stage.name!r}: AdamW.muon is {stage.optimiser.muon}, which needs whole matrices; use --spread replicate, or muon 0"
            )
        whole = frozen_hashes(model) if settings.spread == "shard" else None  # the same for any number of processes
        shards = spread_over(settings.spread, model, self.device, self.ranks)
        parameters = parameters if shards is None else shards.locals(parameters)
        self.ema = Ema(parameters, stage.ema) if stage.ema else None
        self.trainee = Trainee(model, parameters, stage.optimiser.build(parameters), self.ema, shards)
        self.guard = NanGuard(self.device)
        self.counters = Counters()
        self.update = Update(model, stage, self.trainee, self.guard, teachers, settings)
        self._resume()
        self.frozen = frozen_hashes(model)
        frozen = fingerprint(self.frozen if whole is None else whole)
        if self.counters.frozen not in ("", frozen):
            raise CheckpointError(f"frozen weights in {folder.checkpoints} are not those the stage began with; use --restart")
        self.counters.frozen = frozen
        self.plan = self._known_plan()
        trackers = open_trackers(settings.trackers if self.ranks.main else (), folder.path, f"{folder.identity.recipe}/{stage.name}")
        self.log = MetricsLog(folder.metrics if self.ranks.main else Path(os.devnull), self.counters.step, trackers)
        self.held_out: list[Prepared] = []
        self._validation_seconds = self._checkpoint_seconds = 0.0  # of the last one
        self._pauses = 0.0  # seconds of all of them in this process
        self._began = time.perf_counter()
        self._before = self.counters.seconds

    # --- the loop -----------------------------------------------------------------------------------------------------------------

    def train(self) -> StageResult:
        """Run to the end of the plan."""
        stage, counters = self.stage, self.counters
        with (
            StopRequest() as stop,
            Loaders(self.stream, self.settings.loaders) as self.loaders,
            Prefetch(self._prepared, counters.step, self.settings.prefetch) as batches,
            StageProgress(stage.name, self._end, counters.step, self.settings.quiet or not self.ranks.main) as self.bar,
        ):
            self._introduce()
            if stage.validate_every:
                self.held_out = prepare(self.model, self.stream.validation(), 1, False, self.settings.seed, stage.name, "validation")
                if counters.step == 0 or self.plan is None:
                    self._validate()
            clock = PlanClock(self.device, counters.step, stage.minutes * 60)
            while counters.step < self._end:
                self._step(batches)
                if stage.minutes and self.ranks.agreed(clock.due(counters.step, self._seconds(), self._pauses, self.plan is not None)):
                    self._look_at_plan(clock)
                self._pause(batches, self.ranks.anybody(stop.name))
        return self._finish()

    @property
    def _end(self) -> int:
        """Updates of the whole stage, as far as known."""
        return self.plan.steps if self.plan else self.stage.steps

    def _step(self, batches: Prefetch[list[Prepared]]) -> None:
        counters, step = self.counters, self.counters.step
        micros = batches.next()
        rate = self.stage.optimiser.rate(step, self._end)
        values = self.update(micros, step, rate, self._schedule_step(step))
        samples = sum(m.batch.size for m in micros)
        counters.step, counters.samples = step + 1, counters.samples + samples
        self.log.add({"step": step + 1, "kind": "step", "rate": rate, "samples": counters.samples}, values)
        if step + 1 == self.stage.cycle and self.update.idle:
            idle = sorted(self.update.idle)
            self.bar.say(
                f"{len(idle)} trainable tensors get no gradient (in no path to a loss): {', '.join(idle[:4])}{' ...' if len(idle) > 4 else ''}"
            )
        if step + 1 == self.stage.cycle and (unused := [name for name, calls in self.recomputed.items() if not calls.count]):
            self.bar.say(f"Stage.recompute: {', '.join(unused[:4])} never ran as a whole, so nothing is saved there; name the modules inside")
        self.bar.update(step + 1, samples)

    def _pause(self, batches: Prefetch[list[Prepared]], stop: str) -> None:
        """What stands between two steps: look, validate, save, stop. stop: name of the signal that asked for it."""
        step, settings = self.counters.step, self.settings
        every, last = self.stage.validate_every, step >= self._end
        validates = bool(every) and (step % every == 0 or last)
        saves = validates or last or bool(stop) or (settings.checkpoint_every > 0 and step % settings.checkpoint_every == 0)
        if saves or step % settings.log_every == 0:
            self._look(batches)
        if validates:
            self._validate()
        if saves:
            path = self._save()
            if validates and settings.keep_best and self.ranks.main:
                metric = "action_error" if "action_error" in self.counters.metrics else "loss"
                checkpoint.note_if_best(path, metric, self.counters.metrics[metric])
            if self.ranks.main:
                checkpoint.prune(self.folder.checkpoints, settings.keep_last)
        if stop and not last:
            raise TrainingStopped(
                f"{stop}: stage {self.stage.name!r} stopped after {step} of {self._end} steps; "
                f"checkpoint in {self.folder.checkpoints}\n  fix: run the same command again to go on"
            )

    # --- its parts ----------------------------------------------------------------------------------------------------------------

    def _prepared(self, step: int) -> list[Prepared]:
        parts = self.stage.accumulate * self.update.workers * self.ranks.world
        return prepare(self.model, self.loaders.step(step), parts, self.device.type == "cuda", self.settings.seed, self.stage.name, step)

    def _schedule_step(self, step: int) -> int:
        return self.plan.schedule_step(step) if self.plan else step

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._began

    def _introduce(self) -> None:
        trainable = "\n".join("  " + line for line in table_text(trainable_table(self.model)).splitlines())
        start = f", from step {self.counters.step}" if self.counters.step else ""
        self.bar.say(f"stage {self.stage.name}{start}\n{trainable}")

    def _look(self, batches: Prefetch[list[Prepared]]) -> None:
        """Write the pending metrics, and stop if updates were skipped again and again."""
        self.bar.losses(self.log.flush())
        skipped, in_a_row, last = self.guard.look()
        if skipped > self.counters.skipped[0]:
            self.bar.say(f"{skipped - self.counters.skipped[0]} updates skipped for NaN or infinite values, the last at step {last}")
        self.counters.skipped = [skipped, in_a_row, last]
        self.log.write(step=self.counters.step, kind="speed", seconds=self._seconds(), waited=batches.waited, skipped=skipped)
        if in_a_row >= self.settings.nan_patience:
            samples = [m.batch.sample_index.tolist()[:32] for m in self.stream.step(last) if m.batch.sample_index is not None]
            raise NumericalError(
                f"stage {self.stage.name!r}: loss or gradient was NaN or infinite in {in_a_row} steps in a row, up to step {last}; "
                f"first samples of that step, by micro-batch: {samples}\n"
                f"  fix: look at these samples, lower the learning rate or train in fp32; {self.folder.checkpoints} has the weights before"
            )

    def _validate(self) -> None:
        """Validate the weights that would be handed on."""
        start = time.perf_counter()
        step = self.counters.step
        with self.ema.in_place() if self.ema else nullcontext():
            metrics = validate(self.model, self.stage, self.held_out, self.teachers, self.settings, self._schedule_step(step))
            for further in self.callbacks.validated:
                metrics |= further(self.model, step)
        set_training_mode(self.model)
        if self.trainee.shards is not None:
            self.trainee.shards.settle()
        self.counters.metrics = metrics
        self.log.write(step=step, kind="validation", **metrics)
        self.bar.say(f"step {step}  held out: " + "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))
        self._validation_seconds = time.perf_counter() - start
        self._pauses += self._validation_seconds

    def _save(self) -> Path:
        self.log.flush()  # waits for the device: what follows is the checkpoint's own time
        start = time.perf_counter()
        self.counters.seconds = self._seconds()
        self.log.sync()
        path = checkpoint.save(self.folder.checkpoints, self.trainee, self.counters, self.folder.identity)
        self.ranks.wait()
        for saved in self.callbacks.saved:
            saved(path, self.counters.step)
        self._checkpoint_seconds = time.perf_counter() - start
        self._pauses += self._checkpoint_seconds
        return path

    def _resume(self) -> None:
        """Go on from the newest checkpoint, if any."""
        found = checkpoint.folders(self.folder.checkpoints)
        if found:
            self.counters = checkpoint.load(found[-1], self.trainee, self.folder.identity)
            self.guard.counters = torch.tensor(self.counters.skipped, device=self.device)

    def _known_plan(self) -> Plan | None:
        """The plan of an earlier process, or the declared steps; None where a budget is still to be measured."""
        if self.folder.plan.is_file() and self.counters.step:
            return from_json(read_json(self.folder.plan), Plan)
        return None if self.stage.minutes else self._write_plan(Plan(self.stage.steps, self.stage.steps))

    def _look_at_plan(self, clock: PlanClock) -> None:
        """Plan the rest of a budgeted stage, or keep a plan that fits. A new one stands behind a checkpoint: a resumed run goes on with it."""
        first = self.plan is None
        if first:
            self._save()
        step, spent = self.counters.step, self._seconds()
        seconds = clock.step_seconds(step, spent, self._pauses)
        plan = self.ranks.agreed(fit(self.stage, step, spent, seconds, self._validation_seconds, self._checkpoint_seconds))
        if self.plan is not None and not self.plan.wrong(plan):
            return
        if not first:
            self._save()
        self.plan = self._write_plan(plan)
        self.bar.replan(plan.steps)
        self.bar.say(f"planned{'' if first else ' again'}: {plan.steps} steps, {seconds:.3f} s a step, {self.stage.minutes:g} min")

    def _write_plan(self, plan: Plan) -> Plan:
        if self.ranks.main:
            write_json(self.folder.plan, asdict(plan))
        return plan

    def _finish(self) -> StageResult:
        check_frozen(self.frozen, frozen_hashes(self.model))
        if self.ema is not None:
            self.ema.store()
        restore(self.model, self.recomputed)
        last = self.ranks.agreed(checkpoint.folders(self.folder.checkpoints)[-1])
        counters = self.counters
        result = StageResult(
            self.stage.name, self._seconds(), counters.samples, counters.step, counters.metrics, str(last.relative_to(self.folder.path))
        )
        self.log.close()
        if self.ranks.main:
            self.folder.finish(result)
        if self.stage.lora and self.trainee.shards is None:  # what is handed on is made in one place, from the checkpoint
            remove(self.model)
            load_state(self.model, read_weights(self.folder.path / result.checkpoint), str(self.folder.path))
        return self.ranks.agreed(result)
