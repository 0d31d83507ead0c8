"""A shared stage is trained once: later runs with the same stage take what it left, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_run_directory import RECIPE, RESULT, WORDS

from praxia.files import write_text
from praxia.stages import shared
from praxia.stages.run_directory import RunDirectory


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Stage folders of runs, by recipe and name, with a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def folder(name, **fields):
        return RunDirectory.open(tmp_path / name, replace(RECIPE, stages=(replace(WORDS, **fields), *RECIPE.stages[1:]))).stage("words")

    return folder


def interrupt():
    raise KeyboardInterrupt


def finished(folder):
    for file in (
        "metrics.jsonl",
        "plan.json",
        "scores.json",
        "tensorboard/events",
        "checkpoints/step_00000005/model.safetensors",
        "checkpoints/step_00000010/model.safetensors",
    ):
        write_text(folder.path / file, file)
    folder.finish(RESULT)
    return folder


def test_a_later_run_takes_curves_result_and_last_checkpoint(folders):
    shared.keep(finished(folders("first")), RESULT)
    second = folders("second")
    assert shared.take(second) and second.result() == RESULT
    files = sorted(str(p.relative_to(second.path)) for p in second.path.rglob("*") if p.is_file())
    assert files == ["checkpoints/step_00000010/model.safetensors", "done.json", "metrics.jsonl", "plan.json", "scores.json"]
    assert not shared.take(second), "it is there already"


def test_another_stage_takes_nothing(folders):
    shared.keep(finished(folders("first")), RESULT)
    other = folders("other", batch=8)
    assert not shared.take(other) and other.result() is None


def test_a_run_with_a_checkpoint_of_its_own_goes_on_from_it(folders):
    shared.keep(finished(folders("first")), RESULT)
    begun = folders("begun")
    write_text(begun.checkpoints / "step_00000003/model.safetensors", "mine")
    assert not shared.take(begun) and begun.result() is None


@pytest.mark.parametrize(("stopped_at", "there"), [("checkpoints", False), ("done.json", True)])
def test_an_interrupted_copy_is_not_finished_and_has_a_checkpoint_only_with_its_plan(folders, monkeypatch, stopped_at, there):
    shared.keep(finished(folders("first")), RESULT)
    second = folders("second")
    replace_file = Path.replace
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, target: interrupt() if self.name == stopped_at else replace_file(self, target))
        with pytest.raises(KeyboardInterrupt):
            shared.take(second)
    assert second.result() is None and sorted(p.name for p in second.path.parent.iterdir()) == ["words"]
    assert second.plan.is_file() and second.checkpoints.is_dir() == there


def test_another_version_of_the_code_trains_again_and_so_does_who_forgets(folders, monkeypatch):
    shared.keep(finished(folders("first")), RESULT)
    with monkeypatch.context() as patch:
        patch.setattr(shared, "_code", lambda: "another")
        assert not shared.take(folders("later"))
    shared.forget(folders("second"))
    assert not shared.take(folders("second"))


def test_the_first_to_finish_is_kept(folders):
    shared.keep(finished(folders("first")), RESULT)
    later = finished(folders("later"))
    write_text(later.metrics, json.dumps("later"))
    shared.keep(later, RESULT)
    assert (shared.kept(later) / "metrics.jsonl").read_text() == "metrics.jsonl"
