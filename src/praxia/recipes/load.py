"""Recipes and claims by name (`pose_vla`) or by path (`examples/my_recipe.py:my_recipe`), and `--a.b.c value` overrides of a recipe's fields."""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from praxia.errors import ConfigError, unknown
from praxia.stages.claim import Claim
from praxia.stages.recipe import Recipe

T = TypeVar("T")

NAMES = ("pose_vla", "action_priors", "action_priors_history", "poke_vla", "vipa_vla", "unified", "tabletop_geometry", "hand_geometry")
PRESETS = ("tiny", "paper")


def load_recipe(name: str, preset: str = "tiny") -> Recipe:
    """A built-in recipe, or `path.py:function`; a function that takes `preset` gets it."""
    if ":" in name or name.endswith(".py"):
        return _from_file(name, Recipe, preset)
    if name not in NAMES:
        raise ConfigError(unknown("recipe", name, NAMES) + "; a recipe of your own is given as path.py:function")
    if preset not in PRESETS:
        raise ConfigError(unknown("preset", preset, PRESETS))
    return getattr(importlib.import_module(f"praxia.recipes.{name}"), preset)()


def load_claim(name: str) -> Claim:
    """The claim of a built-in recipe, or `path.py:function`."""
    if ":" in name or name.endswith(".py"):
        return _from_file(name, Claim)
    if name not in NAMES:
        raise ConfigError(unknown("recipe", name, NAMES) + "; a claim of your own is given as path.py:function")
    module = f"praxia.recipes.{name}_claim"
    if importlib.util.find_spec(module) is None:
        with_one = [other for other in NAMES if importlib.util.find_spec(f"praxia.recipes.{other}_claim")]
        raise ConfigError(f"recipe {name!r} has no claim; these have one: {', '.join(with_one)}")
    return importlib.import_module(module).claim()


def _from_file(name: str, kind: type[T], preset: str = "tiny") -> T:
    """What a function in a file returns; a function that takes `preset` gets it."""
    path, colon, function = name.rpartition(":")
    what = kind.__name__.lower()
    if not colon:
        raise ConfigError(f"{what} {name!r} names a file but no function; write {name}:my_{what}")
    if not Path(path).is_file():
        raise ConfigError(f"{what} file {path!r} does not exist (looked in {Path.cwd()})")
    spec = importlib.util.spec_from_file_location(f"praxia_{what}_{Path(path).stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    functions = {k: v for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == spec.name}
    if function not in functions:
        raise ConfigError(f"{path}: {unknown('function', function, functions)}")
    make = functions[function]
    made = make(preset) if "preset" in inspect.signature(make).parameters else make()
    if not isinstance(made, kind):
        raise ConfigError(f"{name} returned {type(made).__name__}; a {what} function returns {kind.__module__}.{kind.__name__}")
    return made


def override(whole: T, arguments: Sequence[str], flags: Sequence[str] = ()) -> T:
    """Apply `--a.b.c value` pairs to a recipe, or another dataclass. Entries of a tuple are named by their `name` or their index:
    `--stages.robot.optimiser.lr 3e-4`.

    flags: the command's own flags, which a misspelt one may have meant.
    """
    rest = list(arguments)
    while rest:
        flag = rest.pop(0)
        if not flag.startswith("--"):
            raise ConfigError(f"unexpected argument {flag!r}; overrides are written --name.of.a.field value")
        path, equals, value = flag[2:].partition("=")
        names = path.replace("-", "_").split(".")
        if names[0] not in (fields := [f.name for f in dataclasses.fields(cast(Any, whole))]):
            raise ConfigError(unknown("flag", f"--{path}", [f"--{name}" for name in (*flags, *fields)]))
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"flag {flag!r} has no value")
            value = rest.pop(0)
        whole = _replace(whole, names, value, f"--{path}")
    return whole


def _replace(node: Any, path: list[str], text: str, flag: str) -> Any:
    """A copy of `node` with the field at `path` set."""
    head, rest = path[0], path[1:]

    def changed(old: Any, choices: Any = None) -> Any:
        return _replace(old, rest, text, flag) if rest else _parsed(text, old, flag, choices)

    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        names = [f.name for f in dataclasses.fields(node)]
        if head not in names:
            raise ConfigError(f"{flag}: {unknown(f'field of {type(node).__name__}', head, names)}")
        return dataclasses.replace(node, **{head: changed(getattr(node, head), typing.get_type_hints(type(node))[head])})
    if isinstance(node, tuple):
        labels = [str(getattr(e, "name", i)) for i, e in enumerate(node)]
        if head not in labels and not (head.isdigit() and int(head) < len(node)):
            raise ConfigError(f"{flag}: {unknown('entry', head, labels)}")
        i = labels.index(head) if head in labels else int(head)
        return (*node[:i], changed(node[i]), *node[i + 1 :])
    if isinstance(node, dict):
        if head not in node:
            raise ConfigError(f"{flag}: {unknown('entry', head, node)}")
        return node | {head: changed(node[head])}
    raise ConfigError(f"{flag}: {'.'.join(path)} leads into {node!r}, which has no fields")


def _parsed(text: str, old: Any, flag: str, hint: Any) -> Any:
    """Text as the type of the value it replaces; one of the choices where the field names them."""
    if typing.get_origin(hint) is typing.Literal and text not in map(str, typing.get_args(hint)):
        raise ConfigError(f"{flag}: {unknown('value', text, map(str, typing.get_args(hint)))}")
    if isinstance(old, str):
        return text
    if dataclasses.is_dataclass(old):
        raise ConfigError(
            f"{flag}: {type(old).__name__} has fields of its own; set one of them: {', '.join(f.name for f in dataclasses.fields(old))}"
        )
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    if isinstance(old, bool) != isinstance(value, bool) or (isinstance(old, int | float) and not isinstance(value, int | float)):
        raise ConfigError(f"{flag}: value {text!r} should be of type {type(old).__name__}, like {old!r}")
    if isinstance(old, int) and not isinstance(old, bool) and isinstance(value, float):
        raise ConfigError(f"{flag}: value {text!r} should be a whole number like {old!r}")
    if isinstance(old, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    return float(value) if isinstance(old, float) else value
