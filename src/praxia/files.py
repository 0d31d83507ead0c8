"""Atomic writes: a file is there whole or not at all (write beside it, fsync, rename)."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from praxia.registry import to_json


def write_atomic(path: Path | str, write: Callable[[BinaryIO], object]) -> None:
    """Call `write(file)` on a temporary file in the same folder, fsync it, then rename it over `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path | str, text: str) -> None:
    """Atomic write of UTF-8 text."""
    write_atomic(path, lambda file: file.write(text.encode()))


def write_json(path: Path | str, value: Any) -> None:
    """Atomic write of JSON; dataclasses go through the registry's form."""
    write_text(path, json.dumps(to_json(value), indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON written by `write_json` as plain dictionaries and lists."""
    return json.loads(Path(path).read_text())
