"""Demonstrations: a dataset made from a world's scripted experts when it is first needed, kept in the cache under its content."""

import hashlib
import importlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from praxia.data.cache import cache_folder, code_digest
from praxia.data.making import Made, make_dataset
from praxia.data.recorded import Recorded, RecordedSource
from praxia.data.recovery_noise import RecoveryNoise
from praxia.errors import ConfigError, DataError, unknown
from praxia.registry import register, to_json
from praxia.worlds import perturbations

WORLDS = {
    "tabletop": "praxia.worlds.tabletop:Tabletop",
    "metaworld": "praxia.worlds.metaworld.world:MetaWorld",
    "hands": "praxia.worlds.hands:Hands",
    "libero": "praxia.worlds.libero:Libero",
}
_BUILT_ON = {"hands": ("tabletop",)}  # worlds that take objects and more from others


@cache
def _world_code(world: str) -> str:
    """Hash of the source files of a world: demonstrations of an earlier version of it are made again."""
    package = importlib.import_module(WORLDS[world].split(":")[0])
    return "".join([code_digest(Path(str(package.__file__)).parent), *map(_world_code, _BUILT_ON.get(world, ()))])


@cache
def _perturbation_code() -> str:
    """Of the strengths and what they change, tabletop's textures and words among it, which other worlds use."""
    return code_digest(Path(str(perturbations.__file__)).parent) + _world_code("tabletop")


@register("data/demonstrations")
@dataclass(frozen=True)
class Demonstrations:
    """Expert episodes of a world. tasks: all if empty. episodes: kept successes per task. noise: recovery noise, None = clean.

    picture_every: control steps between two pictures (actions and states are kept at every step). steps: keep only the first ones of every
    episode, whatever comes of it (1: still scenes); 0 = all of a success. perturbations: names of the world ("camera:3", "" = unperturbed) of which
    every episode draws one; none of them is an episode that policies are judged on (`make_dataset`). size, roles, blind: as in Recorded.
    """

    world: str
    tasks: tuple[str, ...] = ()
    episodes: int = 50
    seed: int = 0
    world_args: dict[str, Any] = field(default_factory=dict)
    noise: RecoveryNoise | None = None
    picture_every: int = 1
    depth: bool = False
    masks: bool = False
    steps: int = 0
    perturbations: tuple[str, ...] = ()
    size: int = 0
    roles: tuple[str, ...] = ()
    blind: bool = False

    def __post_init__(self) -> None:
        if self.world not in WORLDS:
            raise ConfigError(unknown("world", self.world, WORLDS))

    def __hash__(self) -> int:
        return hash(self.key())

    def key(self) -> str:
        """Content name: everything that decides the bytes, the world's own code included (not how they are read)."""
        value = {k: v for k, v in to_json(self).items() if k not in ("size", "roles", "blind", "perturbations")}
        perturbed = [self.perturbations, _perturbation_code()] if self.perturbations else []
        return hashlib.blake2b(json.dumps([_world_code(self.world), value, *perturbed], sort_keys=True).encode(), digest_size=8).hexdigest()

    def root(self) -> Path:
        """Where the dataset is or will be."""
        return cache_folder("demonstrations") / f"{self.world}-{self.key()}"

    def made(self) -> Made:
        """What was made; it is made now if it is not there."""
        return make_dataset(
            WORLDS[self.world],
            self.world_args,
            root=self.root(),
            tasks=self.tasks or None,
            episodes=self.episodes,
            seed=self.seed,
            noise=self.noise,
            picture_every=self.picture_every,
            depth=self.depth,
            masks=self.masks,
            steps=self.steps,
            perturbations=self.perturbations,
        )

    def open(self) -> RecordedSource:
        """Make what is missing, then open it. DataError if a task that is named has no episode."""
        made = self.made()
        if lacking := [f"{task}: {made.left_out[task]}" for task in self.tasks if task in made.left_out]:
            raise DataError(f"demonstrations of {self.world}: no episode of {'; '.join(lacking)}; leave these tasks out")
        return Recorded(str(made.root), self.roles, self.size, blind=self.blind).open()
