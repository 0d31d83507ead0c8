"""Slots: a sample always has the same views in the same order, whatever its robot's cameras (Pose-VLA §Inputs)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from praxia.data.sample import Sample
from praxia.errors import ConfigError
from praxia.geometry.scene import View
from praxia.registry import register


@register("transform/slots")
@dataclass(frozen=True)
class Slots:
    """The views of these roles; where there is none the slot is a black picture without camera and depth (published: it is attended to all the same).

    A view whose role is only the beginning of a slot's (`wrist` of an arm's only camera) takes the first such slot that is free; what finds no slot
    is left out. Samples without views stay as they are.
    """

    roles: tuple[str, ...] = ("head", "wrist_left", "wrist_right")
    structural: ClassVar[bool] = True  # it decides how many views there are: held-out samples and a policy's observations go through it too
    moves: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.roles or len(set(self.roles)) != len(self.roles):
            raise ConfigError(f"Slots.roles is {self.roles}; expected at least one role, each once")

    def __call__(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """Pictures of missing views have the stored size of the sample's first."""
        if not sample.views:
            return sample
        views, filled = {v.role: v for v in sample.views}, self.filled([v.role for v in sample.views])
        found = {slot: views[role] if role == slot else replace(views[role], role=slot) for slot, role in filled.items()}
        black = np.zeros_like(sample.views[0].image)
        return replace(sample, views=tuple(found.get(role) or View(role, black, valid=False) for role in self.roles))

    def filled(self, roles: Sequence[str]) -> dict[str, str]:
        """Slot -> role of the view that it shows."""
        found = {role: role for role in roles if role in self.roles}
        for role in (r for r in roles if r not in self.roles):
            slot = next((slot for slot in self.roles if slot not in found and slot.startswith(f"{role}_")), None)
            if slot is not None:
                found[slot] = role
        return found
