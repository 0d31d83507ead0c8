"""What of a source's transforms a test goes through."""

from collections.abc import Sequence
from typing import Any


def without_chance(transforms: Sequence[Any]) -> tuple[Any, ...]:
    """What held-out samples go through: transforms that decide what there is, and in place of one with a test form (`AreaCrop`) that; the others only
    augment."""
    tested = [getattr(t, "tested", t) for t in transforms]
    return tuple(t for t in tested if getattr(t, "structural", False))
