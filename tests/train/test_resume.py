import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_model, micro_run, micro_stage

from praxia.errors import CheckpointError
from praxia.stages.weights import owned_state
from praxia.train import checkpoint
from praxia.train.loop import Callbacks, train
from praxia.train.signals import TrainingStopped

STEPS = 24


def step_lines(root: Path) -> list[dict]:
    lines = map(json.loads, (root / "stages/robot/metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] in ("step", "validation")]


def run(root: Path, stream=None, callbacks=None, **changes):
    model, stage = micro_model(), micro_stage(steps=STEPS, **changes)
    result = train(model, stage, stream or MicroStream(), micro_run(root, stage).stage("robot"), SETTINGS, callbacks=callbacks)
    return model, result


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    model, result = run(root)
    return root, model, result


def assert_same(root: Path, model, whole) -> None:
    assert step_lines(root) == step_lines(whole[0])
    theirs = owned_state(whole[1])
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in owned_state(model).items())


def test_a_run_killed_at_a_random_moment_and_started_again_gives_the_same_losses_to_the_last_bit(tmp_path):
    steps, root = 40, tmp_path / "killed"
    command = [sys.executable, str(Path(__file__).parent / "micro_training.py"), str(root), "--steps", str(steps)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not checkpoint.folders(root / "stages/robot/checkpoints"):
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(np.random.default_rng().uniform(0, 0.6))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (root / "stages/robot/done.json").exists()

    stage = micro_stage(steps=steps)
    for place in (root, tmp_path / "whole"):
        train(micro_model(), stage, MicroStream(), micro_run(place, stage).stage("robot"), SETTINGS)
    assert step_lines(root) == step_lines(tmp_path / "whole")
    assert len([line for line in step_lines(root) if line["kind"] == "step"]) == steps


class Breaks(MicroStream):
    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def step(self, step: int):
        if step == self.at:
            raise RuntimeError("power cut")
        return super().step(step)


@pytest.mark.parametrize("at", [3, 7, 16])
def test_a_run_that_breaks_at_any_step_goes_on_as_if_it_had_not(tmp_path, whole, at):
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path, Breaks(at))
    model, _ = run(tmp_path)
    assert_same(tmp_path, model, whole)


def test_sigterm_writes_a_checkpoint_and_the_same_command_goes_on(tmp_path, whole):
    def stop(model, step):
        if step == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    with pytest.raises(TrainingStopped, match=r"(?s)SIGTERM: stage 'robot' stopped after 1[01] of 24 steps.*same command"):
        run(tmp_path, callbacks=Callbacks(validated=(stop,)))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    model, _ = run(tmp_path)
    assert_same(tmp_path, model, whole)


def test_a_finished_stage_is_skipped_and_its_weights_are_put_into_the_model(whole):
    before = (whole[0] / "stages/robot/metrics.jsonl").read_bytes()
    model, result = run(whole[0], stream=Breaks(0))
    assert result == whole[2]
    assert_same(whole[0], model, whole)
    assert (whole[0] / "stages/robot/metrics.jsonl").read_bytes() == before


def test_checkpoints_of_another_recipe_stage_configuration_or_vocabulary_are_refused_with_both_names(tmp_path, whole):
    stage = micro_stage(steps=STEPS)
    ours = micro_run(whole[0], stage).stage("robot").identity
    newest = checkpoint.folders(whole[0] / "stages/robot/checkpoints")[-1]
    for field, theirs in (("recipe", "pose_vla"), ("stage", "objects"), ("fingerprint", "0" * 16), ("vocabulary", "abc")):
        with pytest.raises(CheckpointError, match=f"{field}: '{getattr(ours, field)}' there, '{theirs}' here"):
            checkpoint.load(newest, None, replace(ours, **{field: theirs}))  # type: ignore[arg-type]


def test_a_truncated_checkpoint_is_named(tmp_path):
    with pytest.raises(RuntimeError):
        run(tmp_path, Breaks(12))
    newest = checkpoint.folders(tmp_path / "stages/robot/checkpoints")[-1]
    file = newest / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"(?s)model.safetensors.*truncated"):
        run(tmp_path)


def test_the_newest_and_the_best_checkpoints_are_kept(whole):
    directory = whole[0] / "stages/robot/checkpoints"
    best = checkpoint.best_of(directory)
    validations = [line for line in step_lines(whole[0]) if line["kind"] == "validation" and line["step"] > 0]
    lowest = min(validations, key=lambda line: line["action_error"])
    assert best == {"checkpoint": f"step_{lowest['step']:08d}", "metric": "action_error", "value": lowest["action_error"]}
    assert {p.name for p in checkpoint.folders(directory)} == {best["checkpoint"], "step_00000021", f"step_{STEPS:08d}"}
