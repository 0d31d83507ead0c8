import errno
import json
import time
from dataclasses import replace

import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_model, micro_run, micro_stage

from praxia.data.mixture import MicroBatch
from praxia.errors import CheckpointError, ConfigError
from praxia.files import read_json, write_json
from praxia.objectives import FlowMatching
from praxia.stages import weights
from praxia.stages.recipe import LinearDecay, Weighted
from praxia.train import checkpoint
from praxia.train.guard import NumericalError
from praxia.train.loop import Callbacks, train
from praxia.train.optimiser import AdamW
from praxia.train.plan import Plan, fit
from praxia.train.trainable import FrozenMoved
from praxia.train.update import Update

QUIETER = replace(SETTINGS, log_every=50, checkpoint_every=0)


class Handful(MicroStream):
    """The same few samples every step; the held-out set is the same too, so that its error shows what was memorised."""

    def __init__(self):
        super().__init__(distinct=1)

    def validation(self):
        return self.step(0)


def test_a_handful_of_samples_is_learnt_by_heart_and_actions_follow(tmp_path):
    stage = micro_stage(steps=160, validate_every=160, optimiser=AdamW(lr=6e-3, warmup=20), ema=0.9)
    result = train(micro_model(), stage, Handful(), micro_run(tmp_path, stage).stage("robot"), replace(QUIETER, precision="bf16"))
    lines = [json.loads(line) for line in (tmp_path / "stages/robot/metrics.jsonl").read_text().splitlines()]
    start = next(line for line in lines if line["kind"] == "validation")
    assert result.metrics["questions/next_token"] < 0.1 * start["questions/next_token"]
    assert result.metrics["action_error"] < 0.3 * start["action_error"]
    assert result.samples == 160 * 10 and result.steps == 160


class Spoilt(MicroStream):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def step(self, step):
        actions, answers = super().step(step)
        if step in self.steps:
            actions.batch.state[0] = torch.nan
        return [actions, answers]


def test_single_bad_steps_are_skipped_and_counted(tmp_path):
    stage = micro_stage(steps=12, validate_every=0)
    train(micro_model(), stage, Spoilt({2, 5, 6}), micro_run(tmp_path, stage).stage("robot"), SETTINGS)
    lines = [json.loads(line) for line in (tmp_path / "stages/robot/metrics.jsonl").read_text().splitlines()]
    steps = {line["step"]: line for line in lines if line["kind"] == "step"}
    assert [number for number, line in steps.items() if line["skipped"]] == [3, 6, 7]
    assert steps[3]["loss"] is None and steps[12]["loss"] is not None
    assert [line["skipped"] for line in lines if line["kind"] == "speed"][-1] == 3


def test_repeated_nan_stops_with_the_step_and_its_samples_and_leaves_good_weights(tmp_path):
    stage = micro_stage(steps=40, validate_every=0)
    with pytest.raises(NumericalError, match=r"up to step 15; first samples of that step.*\[\[1500, 1501"):
        train(micro_model(), stage, Spoilt(range(9, 100)), micro_run(tmp_path, stage).stage("robot"), replace(SETTINGS, nan_patience=6))
    for folder in checkpoint.folders(tmp_path / "stages/robot/checkpoints"):
        assert all(torch.isfinite(t).all() for t in weights.read_weights(folder).values())


def test_a_full_disk_names_folder_and_space_and_leaves_the_previous_checkpoint_whole(tmp_path, monkeypatch):
    stage, write = micro_stage(steps=20, validate_every=0), weights.save_file

    def full(tensors, path):
        if "00000014" in str(path) and "optimiser" in str(path):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tensors, path)

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(CheckpointError, match=r"disk is full: writing to .*checkpoints needs \d+\.\d MB, \d+\.\d MB are free"):
        train(micro_model(), stage, MicroStream(), micro_run(tmp_path, stage).stage("robot"), SETTINGS)
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "stages/robot/checkpoints").iterdir()] == ["step_00000007"]
    result = train(micro_model(), stage, MicroStream(), micro_run(tmp_path, stage).stage("robot"), SETTINGS)
    assert result.steps == 20


def test_frozen_parts_stay_bit_for_bit_and_have_no_moments(tmp_path):
    stage = micro_stage(steps=4, validate_every=0, frozen=("backbone.model.model.vision_tower.*",))
    model = micro_model()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    train(model, stage, MicroStream(), micro_run(tmp_path, stage).stage("robot"), SETTINGS)
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved and not any("vision_tower" in n for n in moved)
    moments = weights.read_tensors(checkpoint.folders(tmp_path / "stages/robot/checkpoints")[-1] / checkpoint.OPTIMISER_FILE)
    assert moments and not any("vision_tower" in n for n in moments)


def test_a_frozen_tensor_that_something_else_moves_is_an_error(tmp_path):
    stage = micro_stage(steps=4, validate_every=2, frozen=("backbone.*",))

    def meddle(model, step):
        model.backbone.model.model.multi_modal_projector.linear.bias.data += 1
        return {}

    objectives = (Weighted(FlowMatching()),)
    stage = replace(stage, objectives=objectives)
    with pytest.raises(FrozenMoved, match="multi_modal_projector"):
        train(micro_model(), stage, OnlyActions(), micro_run(tmp_path, stage).stage("robot"), SETTINGS, callbacks=Callbacks(validated=(meddle,)))


class OnlyActions(MicroStream):
    def step(self, step) -> list[MicroBatch]:
        return super().step(step)[:1]


def test_a_budget_is_planned_so_that_the_last_update_validation_and_checkpoint_end_within_it():
    stage = micro_stage(steps=100_000, minutes=10, validate_every=500)
    plan = fit(stage, 25, spent=30.0, step_seconds=0.2, validation_seconds=8.0, checkpoint_seconds=2.0)
    assert plan.since == 25 and plan.declared == 100_000
    end = 30.0 + (plan.steps - 25) * 0.2 + (plan.steps / 500 + 1) * 10.0
    assert 0.97 * 600 < end <= 600
    assert fit(replace(stage, steps=1000), 25, 30.0, 0.2, 8.0, 2.0).steps == 1000
    assert fit(stage, 25, 700.0, 0.2, 8.0, 2.0).steps == 25  # already over: stop, validate, save


def test_schedules_shrink_with_the_plan():
    plan = Plan(steps=500, declared=10_000, since=25)
    assert (plan.schedule_step(25), plan.schedule_step(250), plan.schedule_step(500)) == (500, 5_000, 10_000)


@pytest.mark.parametrize(("steps", "warm"), [(2622, 500), (400, 100)])
def test_what_fades_over_the_warm_up_is_gone_where_the_planned_warm_up_ends(steps, warm):
    """Action Priors: lambda falls to zero over the warm-up of the learning rate, which the plan of a budgeted stage does not shrink alike."""
    plan, optimiser, fading = Plan(steps, declared=20_000, warmup=500), AdamW(lr=1.0, warmup=500), LinearDecay(500)
    rates = [optimiser.rate(step, steps) for step in range(steps)]
    assert max(rates) == rates[warm - 1] == 1.0
    weights = [fading(plan.schedule_step(step)) for step in range(steps)]
    assert weights[0] == 1 and weights[warm // 2] == pytest.approx(0.5, abs=0.01) and weights[warm - 1] > 0 == weights[warm]
    assert plan.schedule_step(steps) == 20_000


def test_a_plan_made_on_slow_steps_is_made_again_and_the_budget_is_used(tmp_path, monkeypatch):
    """The first thirty updates are three times slower than the rest, as when other work runs on the machine. Only updates take time here."""
    update, now = Update.__call__, 0.0

    def timed(self, micros, step, *rest):
        nonlocal now
        now += 0.15 if step < 30 else 0.05
        return update(self, micros, step, *rest)

    monkeypatch.setattr(Update, "__call__", timed)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    stage = micro_stage(steps=100_000, minutes=15 / 60, validate_every=0)
    folder = micro_run(tmp_path, stage).stage("robot")
    result = train(micro_model(), stage, MicroStream(), folder, QUIETER)
    plan = read_json(folder.plan)
    assert plan["since"] > 30 and plan["steps"] == result.steps
    assert 0.95 * 15 < result.seconds <= 15, "the first plan alone would stop after about 8 seconds"


def test_a_plan_that_fits_is_kept():
    plan = Plan(steps=1000, declared=10_000, since=25)
    assert not plan.wrong(Plan(steps=1030, declared=10_000, since=200))
    assert plan.wrong(Plan(steps=1050, declared=10_000, since=200)) and plan.wrong(Plan(steps=940, declared=10_000, since=200))
    assert not plan.wrong(Plan(steps=1001, declared=10_000, since=999))


def test_a_resumed_run_keeps_the_plan_it_finds(tmp_path):
    stage = micro_stage(steps=100_000, minutes=20, validate_every=0)

    class Breaks(MicroStream):
        def step(self, step):
            if step == 32:
                raise RuntimeError("power cut")
            return super().step(step)

    folder = micro_run(tmp_path, stage).stage("robot")
    with pytest.raises(RuntimeError, match="power cut"):
        train(micro_model(), stage, Breaks(), folder, QUIETER)
    plan = read_json(folder.plan)
    assert plan["since"] == 25 and plan["step_seconds"] > 0 and plan["checkpoint_seconds"] > 0
    write_json(folder.plan, plan | {"steps": 36})
    result = train(micro_model(), stage, MicroStream(), folder, QUIETER)
    assert result.steps == 36 and read_json(folder.plan)["steps"] == 36
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    rates = {line["step"]: line["rate"] for line in lines if line["kind"] == "step"}
    assert rates[25] == pytest.approx(stage.optimiser.lr) and rates[36] < 0.1 * stage.optimiser.lr


def test_an_unknown_tracker_names_the_nearest(tmp_path):
    stage = micro_stage()
    with pytest.raises(ConfigError, match="unknown tracker 'tensorbord'; did you mean 'tensorboard'"):
        train(micro_model(), stage, MicroStream(), micro_run(tmp_path, stage).stage("robot"), replace(SETTINGS, trackers=("tensorbord",)))
