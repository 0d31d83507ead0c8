"""Benchmarks are run by hand, and must still start."""

import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from benchmarks.libero_experts import CODE, read
from benchmarks.peers.__main__ import drops

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


def test_lines_of_other_code_count_for_nothing(tmp_path, capsys):
    rows = [{"suite": "libero_goal", "task": "t", "start": start, "success": True, "code": code} for start, code in ((0, CODE), (1, "old"))]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (*rows, {k: v for k, v in rows[0].items() if k != "code"})))
    assert list(read(tmp_path / "lines.jsonl")) == [("libero_goal", "t", 0)] and "2 of 3 lines are of other code" in capsys.readouterr().out
