"""Configurations of reference folders: what a network cannot do otherwise is compared, never ignored."""

from typing import Any

from praxia.errors import ConfigError


def agree(where: str, config: dict[str, Any], **expected: Any) -> None:
    """ConfigError unless the configuration has these values."""
    for name, value in expected.items():
        found = _entry(f"{where}.{name}", config, name, repr(value))
        if found != value:
            raise ConfigError(f"{where}.{name} is {found!r}; this network computes {value!r} only")


def section(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of the configuration that has names of its own. Raises ConfigError."""
    found = _entry(name, config, name, "names and values")
    if not isinstance(found, dict):
        raise ConfigError(f"{name} is {found!r}; expected names and values")
    return found


def listed(where: str, config: dict[str, Any], name: str) -> list[Any]:
    """A value that is a list. Raises ConfigError."""
    found = _entry(f"{where}.{name}", config, name, "a list")
    if not isinstance(found, list):
        raise ConfigError(f"{where}.{name} is {found!r}; expected a list")
    return found


def _entry(what: str, config: dict[str, Any], name: str, expected: str) -> Any:
    if name not in config:
        raise ConfigError(f"{what} is missing; expected {expected}")
    return config[name]
