"""Benchmarks are run by hand, and must still start."""

import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from benchmarks.libero_experts import CODE, read
from benchmarks.peers.__main__ import add, drops, train_peer
from benchmarks.peers.asked import read as asked_of

from praxia.errors import ConfigError
from praxia.evaluate.intervals import wilson

ROOT = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_benchmark_imports_is_there(path, monkeypatch):
    for folder in (ROOT.parent, path.parent):  # as `python -m` and `python FILE` have it
        monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as missing:
        if missing.name.partition(".")[0] not in ("lerobot", "openpi_client"):
            raise
        pytest.skip(f"needs {missing.name}, an oracle of its own")
    assert module.__doc__, "says what it measures"
    assert hasattr(module, "main") == ("__main__" in path.read_text()), "what is run as a script has a main"


def test_the_drop_of_a_category_is_the_difference_from_the_unperturbed():
    plain, hard = (asdict(wilson(k, 20)) for k in (18, 9))
    found = drops({"unperturbed": plain, "per_category": {"camera": hard}})["camera"]
    assert found["difference"] == pytest.approx(0.45) and 0.1 < found["low"] < 0.45 < found["high"] < 0.75
    assert drops({"unperturbed": None, "per_category": {"camera": hard}}) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--replan 9 --policies poke_vla", "--replan 9: a chunk of poke_vla has 8 actions"),
        ("--replan 17 --policies act", "--replan 17: a chunk of act has 16 actions"),
        ("--minutes 5 0", r"--minutes [5.0, 0.0]: expected more than 0"),
        ("--episodes 3 4", "--episodes has 2 numbers for 1 benchmarks"),
        ("--benchmark tabletop-plus --episodes 20 --tasks reach", "--episodes 20 of tabletop-plus: its categories would not have the same tasks"),
        ("--benchmark tabletop tabletop", "give each once"),
        ("--tasks reach reech", "unknown task of tabletop 'reech'; did you mean 'reach'"),
        ("--benchmark metaworld-8", "width"),
        ("--policies act --model.backbone.image_size 96", "fields are those of our recipes, and none is among --policies"),
        ("--policies pose_vla --model.backbone.image_siz 96", "did you mean"),
        ("--mins 5", "unrecognized arguments: --mins 5"),
        ("--out OUT", "was made under other conditions (replan)"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_before_training(words, said, tabletop_data, tmp_path, capsys):
    asked = asked_of("", [str(tabletop_data), "--policies", "pose_vla", "--tasks", "reach"])
    (tmp_path / "peers.json").write_text(json.dumps({"rows": [], "machine": {}} | asked.conditions() | {"replan": 5}))
    with pytest.raises(SystemExit):
        asked_of("", [str(tabletop_data), *words.replace("OUT", str(tmp_path)).split()])
    assert said in capsys.readouterr().err


def test_a_request_has_a_recipe_with_its_fields_and_pictures_as_in_the_data(tabletop_data):
    asked = asked_of(
        "", [str(tabletop_data), "--policies", "pose_vla:robot", "--model.backbone.image_size", "96", "--train-seed", "3", "--tasks", "reach"]
    )
    recipe = asked.recipe("pose_vla:robot")
    assert (recipe.model.backbone.image_size, recipe.seed) == (96, 3)
    assert asked.judges["tabletop"].world.kwargs["size"] == 64 and asked.judges["tabletop"].rules.replan == 4


def test_a_peer_that_was_trained_on_other_data_is_not_judged_again(tabletop_data, tmp_path):
    asked = asked_of("", [str(tabletop_data), "--policies", "act", "--tasks", "reach"])
    (tmp_path / "peer.json").write_text(json.dumps({"kind": "act", "dataset": "/elsewhere", "minutes": 5.0, "seed": 0, "threads": 0}))
    with pytest.raises(ConfigError, match=r"trained otherwise \(dataset\)"):
        train_peer("act", asked, 5.0, tmp_path, "python")


def test_rows_of_another_call_stay_and_one_judged_again_is_replaced():
    old = [{"policy": name, "minutes": 5.0, "benchmark": "tabletop", "plan": "p", "samples": 1} for name in ("act", "pose_vla")]
    assert add(old, [old[0] | {"samples": 2}]) == [old[1], old[0] | {"samples": 2}]


def test_lines_of_other_code_count_for_nothing(tmp_path, capsys):
    rows = [{"suite": "libero_goal", "task": "t", "start": start, "success": True, "code": code} for start, code in ((0, CODE), (1, "old"))]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (*rows, {k: v for k, v in rows[0].items() if k != "code"})))
    assert list(read(tmp_path / "lines.jsonl")) == [("libero_goal", "t", 0)] and "2 of 3 lines are of other code" in capsys.readouterr().out
