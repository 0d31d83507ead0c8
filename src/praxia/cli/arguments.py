"""Shared by the commands: typed arguments through tyro, with messages of ours for what does not parse."""

import contextlib
import io
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

import tyro

from praxia.errors import ConfigError
from praxia.registry import to_json

T = TypeVar("T")


def parse(cls: type[T], command: str, arguments: Sequence[str], description: str) -> T:
    """Arguments as an instance of a dataclass; a misspelt flag is a ConfigError with the nearest valid one (tyro finds it)."""
    _check_once(cls, arguments)
    return _tyro(lambda: tyro.cli(cls, prog=f"praxia {command}", args=list(arguments), description=description))


def parse_known(cls: type[T], command: str, arguments: Sequence[str], description: str) -> tuple[T, list[str]]:
    """The same, and the arguments that are not the dataclass's (overrides of a recipe)."""
    _check_once(cls, arguments)
    return _tyro(lambda: tyro.cli(cls, prog=f"praxia {command}", args=list(arguments), description=description, return_unknown_args=True))


def flag_names(cls: type) -> list[str]:
    """The flags of a command's dataclass, without dashes in front; positional arguments are none."""
    hints = get_type_hints(cls, include_extras=True)
    return [field.name.replace("_", "-") for field in fields(cls) if tyro.conf.Positional not in get_args(hints[field.name])]


def _check_once(cls: type, arguments: Sequence[str]) -> None:
    """ConfigError for a flag that is given twice: of `--data A --data B` only the last would count."""
    given = [argument.partition("=")[0] for argument in arguments]
    for flag in (f"--{name}" for name in flag_names(cls)):
        if given.count(flag) > 1:
            raise ConfigError(f"flag {flag} is given {given.count(flag)} times; give it once, several values behind each other: {flag} A B")


def _tyro(call: Any) -> Any:
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return call()
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise ConfigError(_plain(errors.getvalue()) or "the arguments cannot be read; see --help") from None


def _plain(text: str) -> str:
    """tyro's message without the box around it."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip("│╭╮╰╯─ ") for line in text.splitlines()]
    return "\n  ".join(line for line in lines if line and line != "Parsing error")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(to_json(value), sys.stdout, indent=2, ensure_ascii=False)
    print()
