"""Which objects and colours appear together, so that the instruction decides."""

import numpy as np

from praxia.worlds.tabletop.arrangement import PlacedObject
from praxia.worlds.tabletop.objects import CATEGORIES
from praxia.worlds.tabletop.palette import COLOUR_NAMES
from praxia.worlds.tabletop.splits import Split
from praxia.worlds.tabletop.tasks.layout import Spot

Pair = tuple[str, str]
SAME_COLOUR = 0.25  # share of scenes in which a distractor has the target's colour and only the category tells them apart
SAME_CATEGORY = 0.35  # share in which a distractor has the target's category and only the colour tells them apart


def with_distractors(rng: np.random.Generator, target: Pair, pool: tuple[Pair, ...], count: int) -> tuple[Pair, ...]:
    """The target first, then `count` distractors from `pool`: all pairs differ; colours repeat only in SAME_COLOUR of the scenes."""
    chosen = [target]
    draw = float(rng.random())
    for k in range(count):
        free = [p for p in pool if p not in chosen]
        if k == 0 and draw < SAME_COLOUR:
            wanted = [p for p in free if p[1] == target[1]]
        elif k == 0 and draw < SAME_COLOUR + SAME_CATEGORY:
            wanted = [p for p in free if p[0] == target[0]]
        else:
            wanted = [p for p in free if p[1] not in {c for _, c in chosen}]
        wanted = wanted or free
        chosen.append(wanted[int(rng.integers(len(wanted)))])
    return tuple(chosen)


def one(rng: np.random.Generator, pairs: tuple[Pair, ...]) -> Pair:
    """One pair."""
    return pairs[int(rng.integers(len(pairs)))]


def pool(split: Split, want: str = "") -> tuple[Pair, ...]:
    """The split's pairs whose category has the property `want` (a bool field of Category); all if empty."""
    return tuple(p for p in split.pairs if not want or getattr(CATEGORIES[p[0]], want))


def colours(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Different colours."""
    return tuple(COLOUR_NAMES[int(i)] for i in rng.permutation(len(COLOUR_NAMES))[:count])


def stand(rng: np.random.Generator, pair: Pair, spot: Spot) -> PlacedObject:
    """The object on its spot, turned within what its category allows."""
    limit = CATEGORIES[pair[0]].max_yaw
    return PlacedObject(*pair, spot.x, spot.y, float(rng.uniform(-limit, limit)))
