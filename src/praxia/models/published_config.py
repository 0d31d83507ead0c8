"""Configurations of reference folders: what a network cannot do otherwise is compared, never ignored."""

from typing import Any

from praxia.errors import ConfigError


def agree(where: str, config: dict[str, Any], **expected: Any) -> None:
    """ConfigError unless the configuration has these values."""
    for name, value in expected.items():
        if config.get(name) != value:
            raise ConfigError(f"{where}.{name} is {config.get(name)!r}; this network computes {value!r} only")
