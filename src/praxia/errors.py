"""Errors a user meets: each names the field, the value, what was expected and the fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class PraxiaError(Exception):
    """Base of all errors caused by input; the command line prints the message without a traceback."""


class SpecMismatch(PraxiaError):
    """Two borders (dataset, policy, world, client) disagree on what the numbers mean."""


class DataError(PraxiaError):
    """A dataset is missing, truncated, corrupt or means something else than its card says."""


class ConfigError(PraxiaError):
    """A recipe, preset, flag or field has a value that cannot work."""


class CheckpointError(PraxiaError):
    """A checkpoint belongs to another recipe, stage or vocabulary, or is incomplete."""


class ObservationError(PraxiaError):
    """An observation sent to a policy does not fit the policy's specs."""


class EvaluationError(PraxiaError):
    """A policy or a world failed during an episode."""


class RenderError(PraxiaError):
    """No working GL for headless rendering."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for an unknown name: lists the nearest valid choice and all choices."""
    choices = sorted(set(known))
    near = get_close_matches(name, choices, n=1, cutoff=0.4)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r};{hint} valid: {', '.join(choices) or '(none)'}"
