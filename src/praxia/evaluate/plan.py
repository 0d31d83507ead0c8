"""EpisodePlan: the episodes of an evaluation, fixed before any policy is seen, so that every policy starts from the same conditions."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from praxia.data.making import DEMONSTRATION_SEEDS
from praxia.errors import ConfigError
from praxia.registry import register, to_json
from praxia.worlds.metaworld.starts import STARTS_PER_SEED, episode_seed
from praxia.worlds.world import Episode

_SETS, _SET_SIZE = 1000, 1_000_000  # test sets and the episodes of each; all their seeds are below those of demonstrations
assert _SETS * _SET_SIZE <= DEMONSTRATION_SEEDS
_POLICY_STREAM = 1
_CONTROL_STREAM = 2


@register("evaluate/plan")
@dataclass(frozen=True)
class EpisodePlan:
    """Episodes in the order they are run, tasks interleaved: a partial result says something about every task.

    seed: draws what is random about judging (the policies' noise, the controls' instructions), not the episodes' starts.
    """

    name: str
    episodes: tuple[Episode, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.episodes:
            raise ConfigError(f"plan {self.name!r} has no episodes; fix: ask for at least one task and one episode")
        twice = [episode for episode, n in Counter(self.episodes).items() if n > 1]
        if twice:
            raise ConfigError(f"plan {self.name!r} names {twice[0]} twice: an episode counted twice is not two observations")

    @property
    def hash(self) -> str:
        """Identity of the plan: equal plans, and only those, have equal hashes."""
        return hashlib.sha256(json.dumps(to_json(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names in order of appearance."""
        return tuple(dict.fromkeys(episode.task for episode in self.episodes))

    def first_per_task(self, count: int) -> tuple[int, ...]:
        """Indices of the first `count` episodes of each task: a smaller plan that is part of this one."""
        seen: Counter[str] = Counter()
        chosen = []
        for index, episode in enumerate(self.episodes):
            seen[episode.task] += 1
            if seen[episode.task] <= count:
                chosen.append(index)
        return tuple(chosen)

    def policy_seed(self, index: int) -> tuple[int, int, int]:
        """Entropy of the policy's noise in one episode; does not depend on who runs it or when."""
        return (self.seed, _POLICY_STREAM, index)

    @property
    def control_seed(self) -> tuple[int, int]:
        """Entropy of the controls' draws."""
        return (self.seed, _CONTROL_STREAM)


def interleaved(name: str, tasks: Sequence[str], seeds: Sequence[int], seed: int = 0) -> EpisodePlan:
    """Every task with every seed: first seed of all tasks, second seed of all tasks, ..."""
    return EpisodePlan(name, tuple(Episode(task, s) for s in seeds for task in tasks), seed)


def held_out_plan(name: str, tasks: Sequence[str], episodes: int, seed: int = 0) -> EpisodePlan:
    """`episodes` per task with seeds below DEMONSTRATION_SEEDS, apart from every drawn training seed by construction.

    Another `seed` gives other episodes: a second test set, untouched while choosing.
    """
    if not 0 <= seed < _SETS or not 1 <= episodes <= _SET_SIZE:
        raise ConfigError(f"plan {name!r}: seed {seed}, {episodes} episodes: expected seed 0 to {_SETS - 1}, 1 to {_SET_SIZE} episodes per task")
    first = seed * _SET_SIZE
    return interleaved(name, tasks, range(first, first + episodes), seed)


def mt1_plan(name: str, tasks: Sequence[str], episodes: int, benchmark_seed: int) -> EpisodePlan:
    """The first `episodes` (at most 50) initial conditions of `MT1(task, seed=benchmark_seed)` for each Meta-World task."""
    if not 1 <= episodes <= STARTS_PER_SEED:
        raise ConfigError(
            f"plan {name!r}: {episodes} episodes per task: one MT1 seed has 1 to {STARTS_PER_SEED}; fix: judge on a second seed for more"
        )
    return interleaved(name, tasks, [episode_seed(benchmark_seed, i) for i in range(episodes)], benchmark_seed)


def check_disjoint(plan: EpisodePlan, training: Iterable[Episode]) -> None:
    """ConfigError if an episode of the plan was trained on."""
    seen = {(episode.task, episode.seed) for episode in training}
    for episode in plan.episodes:
        if (episode.task, episode.seed) in seen:
            raise ConfigError(f"plan {plan.name!r}: {episode} is in the training data; fix: judge on another seed, or train without that episode")
