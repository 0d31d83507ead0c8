"""Claim: the central comparison of a paper, written down as data before it is run."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from praxia.errors import ConfigError, unknown
from praxia.stages.recipe import Recipe


@dataclass(frozen=True)
class Variant:
    """One way of training. about: what sets it apart, in a line. recipe: training seed -> recipe whose last stage leaves a policy.

    own_tokens: its number tokens are fitted on what it says itself (it says other quantities than the first variant of the primary contrast, whose
    tokens all others share); it then has a `base_vlm` of its own.
    world: further keywords of the world it is judged in; those of the primary contrast are judged in one. of: name of the variant whose policy is
    judged ("" = its own; `recipe` is then that variant's).
    """

    name: str
    about: str
    recipe: Callable[[int], Recipe]
    own_tokens: bool = False
    world: Mapping[str, Any] = field(default_factory=dict)
    of: str = ""

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return re.sub(r"[^\w.-]+", "_", self.name)


@dataclass(frozen=True)
class Judged:
    """Episodes that all variants are judged on. benchmark: by name; tasks: of it; episodes: a task; seed: of the test set."""

    benchmark: str = "tabletop"
    tasks: tuple[str, ...] = ()
    episodes: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Aside:
    """A question beside the primary contrast, with a paragraph of its own. variants: those that answer it, by name."""

    title: str
    about: str
    variants: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """The claim holds if the first variant of the primary contrast succeeds more often than the second; all other variants are exploratory.

    statement: what is claimed, one sentence. judged: what all are judged on, one benchmark a robot. seeds: training seeds of the primary contrast.
    least: smallest difference of success rates that would matter.
    published: (setting, result) rows of the paper, printed beside ours. asides: further questions that variants answer together.
    """

    statement: str
    primary: tuple[str, str]
    variants: tuple[Variant, ...]
    judged: tuple[Judged, ...]
    seeds: int = 5
    least: float = 0.05
    published: tuple[tuple[str, str], ...] = ()
    asides: tuple[Aside, ...] = ()

    def __post_init__(self) -> None:
        folders = [v.folder for v in self.variants]
        if len(set(folders)) != len(folders):
            raise ConfigError(f"the claim has variants of one folder: {sorted(folders)}; a variant's name makes its folder, give each its own")
        first, second = map(self.variant, self.primary)
        if dict(first.world) != dict(second.world):
            raise ConfigError(f"the primary contrast is judged in two worlds, {first.world} and {second.world}; give both variants the same")
        for variant in self.variants:
            if variant.of:
                self.variant(variant.of)
        for name in (name for aside in self.asides for name in aside.variants):
            self.variant(name)

    def variant(self, name: str) -> Variant:
        """The variant of that name. Raises ConfigError if there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise ConfigError(unknown("variant", name, [v.name for v in self.variants]))
