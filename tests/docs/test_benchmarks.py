"""Benchmarks are run by hand, and must still start."""

import importlib.util
import sys
from pathlib import Path

import pytest

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
