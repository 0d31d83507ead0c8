"""Checks that specs of parts make of their own fields: ConfigErrors that name field, value and what was expected."""

from collections.abc import Collection
from typing import Any

from praxia.errors import ConfigError


def check_counts(spec: Any, *names: str, least: int = 1) -> None:
    """Whole numbers of at least `least`."""
    for name in names:
        value = getattr(spec, name)
        if not _whole(value, least):
            raise ConfigError(f"{_of(spec, name)} is {value!r}; expected a whole number of at least {least}")


def check_positive(spec: Any, *names: str) -> None:
    """Numbers above 0."""
    for name in names:
        value = getattr(spec, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ConfigError(f"{_of(spec, name)} is {value!r}; expected a number above 0")


def check_four(spec: Any, name: str, least: int = 1) -> None:
    """Four whole numbers, as a DPT has four levels."""
    values = getattr(spec, name)
    if not isinstance(values, tuple) or len(values) != 4 or not all(_whole(value, least) for value in values):
        raise ConfigError(f"{_of(spec, name)} is {values!r}; expected 4 whole numbers of at least {least}")


def check_choice(spec: Any, name: str, choices: Collection[str]) -> None:
    """One of the choices."""
    value = getattr(spec, name)
    if value not in choices:
        raise ConfigError(f"{_of(spec, name)} is {value!r}; expected one of {', '.join(choices)}")


def check_shared(spec: Any, name: str, width: int) -> None:
    """A number of heads that divides the width."""
    heads = getattr(spec, name)
    if width % heads:
        raise ConfigError(f"{_of(spec, name)} is {heads}; expected a divisor of the width {width} that its blocks have")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _of(spec: Any, name: str) -> str:
    return f"{type(spec).__name__}.{name}"
