"""Perturbation: what `Episode.perturbation` says ("camera:3") and what an episode draws from it.

Which kind of a category an episode shows and which way it goes (left or right, which hue, which objects) follows from (task, seed, category)
alone: from level to level an episode changes in strength only. Level 0 is the unperturbed episode.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from praxia.errors import ConfigError, unknown
from praxia.worlds.perturbations.strengths import LEVELS, Kind, Table
from praxia.worlds.world import Episode

_STREAM = 9  # apart from the streams that draw the unperturbed episode
_WHICH = 99  # stream that chooses among the strengths of a level


@dataclass(frozen=True)
class Perturbation:
    """A category at a level (1 to 5), as it is drawn for one episode."""

    category: str
    level: int
    kind: Kind
    entropy: tuple[int, ...]

    @property
    def strength(self) -> float:
        """In the kind's unit. Of several at a level an episode has the same one at every level, the weakest or the strongest."""
        each = len(self.kind.strengths) // len(LEVELS)
        return self.kind.strengths[(self.level - 1) * each + int(self.rng(_WHICH).integers(each))]

    def rng(self, stream: int = 0) -> np.random.Generator:
        """Fresh random numbers, the same every time; another stream for every further use."""
        return np.random.default_rng([*self.entropy, stream])


def split_name(text: str) -> tuple[str, int]:
    """(category, level) of a name; ("", 0) where it names no category at a level above 0."""
    category, _, level = text.partition(":")
    return (category, int(level)) if category and level.isdigit() and int(level) else ("", 0)


def draw(episode: Episode, table: Table, world: str) -> Perturbation | None:
    """What the episode asks for; None if nothing. Raises ConfigError with the nearest choice for what `world` does not offer."""
    names = [f"{category}:{level}" for category in table for level in (0, *LEVELS)]
    if episode.perturbation and episode.perturbation not in names:
        raise ConfigError(unknown(f"{world} perturbation", episode.perturbation, [n for n in names if not n.endswith(":0")]))
    category, level = split_name(episode.perturbation)
    if not level:
        return None
    entropy = (episode.seed, _STREAM, *f"{episode.task}/{category}".encode())
    kinds = table[category]
    kind = kinds[int(np.random.default_rng(entropy).integers(len(kinds)))]
    return Perturbation(category, level, kind, entropy)


def table_hash(table: Table) -> str:
    """Identity of the strengths, for fingerprints."""
    plain = {category: [asdict(kind) for kind in kinds] for category, kinds in table.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
