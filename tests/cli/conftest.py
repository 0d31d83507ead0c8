"""The command line inside this process: arguments in, exit status and what was printed out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from praxia.cli.main import main


@dataclass(frozen=True)
class Said:
    """status: exit status; out, err: what was printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def praxia(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Said]:
    """praxia("train", ...) runs the command as the installed script would, in an empty folder."""

    def run(*arguments: object) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["praxia", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        status = 0
        capsys.readouterr()
        try:
            main()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        return Said(status, *capsys.readouterr())

    return run


@pytest.fixture
def refused(praxia: Callable[..., Said]) -> Callable[..., str]:
    """Runs a command that must be refused: status 2, one message, no traceback, nothing on standard output; returns the message."""

    def run(*arguments: object) -> str:
        said = praxia(*arguments)
        assert said.status == 2 and "Traceback" not in said.err and not said.out, said
        assert said.err.startswith(f"praxia {arguments[0]}: ")
        return said.err

    return run
