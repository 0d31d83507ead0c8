"""Controls: what a policy would reach without hearing, and without seeing. A policy that means something beats both on the same plan."""

from collections.abc import Sequence

import numpy as np

from praxia.errors import ConfigError
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.rollout import Condition

CONTROLS: tuple[Condition, ...] = ("instruction_shuffled", "images_blanked")


def can_shuffle(instructions: Sequence[str]) -> bool:
    """Whether every episode has another text to be told."""
    return len(set(instructions)) > 1


def shuffled_instructions(plan: EpisodePlan, instructions: Sequence[str]) -> tuple[str, ...]:
    """For each episode the instruction of another one, drawn by the plan's seed, never the same text.

    instructions: the episodes' own, in plan order. Success is still the episode's own condition: what is left is luck and what the scene invites.
    """
    if len(instructions) != len(plan.episodes):
        raise ConfigError(f"{len(instructions)} instructions for the {len(plan.episodes)} episodes of plan {plan.name!r}: expected one each")
    if not can_shuffle(instructions):
        raise ConfigError(f"plan {plan.name!r} has one instruction only, {instructions[0]!r}: nothing to shuffle; fix: plan several tasks")
    random = np.random.default_rng(plan.control_seed)
    texts = np.array(instructions, object)
    return tuple(str(random.choice(texts[texts != own])) for own in instructions)
