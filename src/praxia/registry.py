"""One registry kind -> class: any configured part is rebuilt from JSON, without recipe code."""

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from praxia.errors import ConfigError, unknown

T = TypeVar("T")
_KINDS: dict[str, type] = {}
_PLAIN = (bool, int, float, str)
_hints = cache(typing.get_type_hints)  # of a class; slow, and asked for once a value


def register(kind: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: make a frozen dataclass known under `kind`, e.g. `register("objective/flow_matching")`."""

    def add(cls: type[T]) -> type[T]:
        known = _KINDS.get(kind, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):  # the same file may be loaded again
            raise ConfigError(f"registry kind {kind!r} is taken by {known!r}; choose another name for {cls!r}")
        _KINDS[kind] = cls
        cls.kind = kind  # type: ignore[attr-defined]
        return cls

    return add


def to_json(value: Any) -> Any:
    """Dataclasses -> {"kind": ..., fields}; tuples -> lists. Only values JSON can carry."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        head = {"kind": value.kind} if hasattr(value, "kind") else {}  # type: ignore[attr-defined]
        return head | {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [v if type(v) in _PLAIN else to_json(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()  # type: ignore[union-attr]
    raise ConfigError(f"{value!r} of type {type(value).__name__} cannot be written to JSON; use a registered dataclass")


def from_json(value: Any, cls: type | None = None) -> Any:
    """Inverse of `to_json`: dictionaries with a "kind" become the registered class; `cls` types the unregistered ones."""
    if isinstance(value, list):
        return tuple(from_json(v) for v in value)
    if not isinstance(value, dict):
        return value
    fields = dict(value)
    own_kind = cls is not None and any(f.name == "kind" for f in dataclasses.fields(cls))  # e.g. Dim.kind: a field, no registry kind
    kind = None if own_kind else fields.pop("kind", None)
    if kind is not None:
        if kind not in _KINDS:
            raise ConfigError(unknown("kind", kind, _KINDS))
        cls = _KINDS[kind]
    if cls is None:
        return {k: from_json(v) for k, v in fields.items()}
    hints = _hints(cls)
    names = {f.name for f in dataclasses.fields(cls)}
    for name in fields:
        if name not in names:
            raise ConfigError(f"{cls.__name__}: {unknown('field', name, names)}")
    return cls(**{k: _typed(v, hints[k]) for k, v in fields.items()})


def _typed(value: Any, hint: Any) -> Any:
    """Rebuild one field from its annotation: nested dataclasses, tuples, dictionaries and optionals."""
    if value is None:
        return None
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in args if a is not type(None)]
        return _typed(value, inner[0]) if len(inner) == 1 else from_json(value)
    if origin in (tuple, list) and args[0] in _PLAIN and args[1:] in ((), (Ellipsis,)) and isinstance(value, list):
        return origin(value)
    if origin is tuple:
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        return tuple(_typed(v, h) for v, h in zip(value, kinds, strict=True))
    if origin is list:
        return [_typed(v, args[0]) for v in value]
    if origin is dict:
        return {k: _typed(v, args[1]) for k, v in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_json(value, hint if isinstance(hint, type) else None)
    return from_json(value)
