"""Film episodes of an evaluation: for each task one that succeeded and one that failed, run again with a camera."""

from collections.abc import Iterator, Sequence

import numpy as np

from praxia.evaluate.observation import PolicyLike
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.rollout import Record, Rules, Trial, rollout
from praxia.report.content import Clip
from praxia.report.pictures import side_by_side
from praxia.worlds.world import World


def worth_watching(records: Sequence[Record]) -> tuple[Record, ...]:
    """The first success and the first failure of every task, as far as there are any; successes first within a task."""
    chosen = []
    for task in dict.fromkeys(record.task for record in records):
        for success in (True, False):
            chosen += [record for record in records if record.task == task and record.success == success][:1]
    return tuple(chosen)


def film(world: World, policy: PolicyLike, plan: EpisodePlan, records: Sequence[Record], rules: Rules | None = None) -> Iterator[Clip]:
    """Run the episodes of `records` again, one after the other, from the same starts with the same noise, and keep every step's pictures of the
    policy's views."""
    roles = tuple(camera.role for camera in policy.cameras)
    for record in records:
        frames: list[np.ndarray] = []

        def watch(world: World, step: int, frames: list[np.ndarray] = frames) -> None:
            frames.append(side_by_side([view.image for view in world.render(roles)]))

        trial = Trial(record.index, plan.episodes[record.index], plan.policy_seed(record.index))
        seen = rollout(world, policy, trial, rules or Rules(), watch)
        yield Clip(record.task, seen.told, seen.success, tuple(frames), world.action_spec.rate_hz, roles, record.perturbation)
